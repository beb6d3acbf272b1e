import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import {
  choosePresentation,
  keepBlobs,
  resolveRoot,
  wantsStack,
} from "#src/cli/settings.js";

const user = { uid: 1000, home: "/home/u" };
const root = { uid: 0, home: "/root" };

describe("the data root", () => {
  test.each([
    ["/flag", { TPULL_ROOT: "/env" }, user, "/flag"],
    [undefined, { TPULL_ROOT: "/env" }, user, "/env"],
    [undefined, { TPULL_ROOT: "/env" }, root, "/env"],
    [undefined, { TPULL_ROOT: "" }, root, "/var/lib/tpull"],
    [undefined, {}, root, "/var/lib/tpull"],
    [undefined, { XDG_DATA_HOME: "/data" }, root, "/var/lib/tpull"],
    [undefined, { XDG_DATA_HOME: "/data" }, user, "/data/tpull"],
    [undefined, { XDG_DATA_HOME: "" }, user, "/home/u/.local/share/tpull"],
    [undefined, { XDG_DATA_HOME: "rel" }, user, "/home/u/.local/share/tpull"],
    [undefined, {}, user, "/home/u/.local/share/tpull"],
    [
      undefined,
      {},
      { uid: undefined, home: "/home/u" },
      "/home/u/.local/share/tpull",
    ],
  ])("%s %j %j: %s", (flag, env, who, expected) => {
    expect(resolveRoot(flag, env, who)).toBe(expected);
  });

  it("is absolute", () => {
    expect(resolveRoot("a/../b", {}, user)).toBe(join(process.cwd(), "b"));
    expect(resolveRoot(undefined, { TPULL_ROOT: "b" }, user)).toBe(
      join(process.cwd(), "b"),
    );
  });
});

describe("the presentation", () => {
  const terminals = { stdoutIsTTY: true, stderrIsTTY: true };
  const piped = { stdoutIsTTY: false, stderrIsTTY: true };
  const silent = { stdoutIsTTY: false, stderrIsTTY: false };
  const env = { TERM: "xterm" };

  test.each([
    [{}, env, terminals, "tty"],
    [{}, {}, terminals, "tty"],
    [{}, env, piped, "plain"],
    [{}, env, { stdoutIsTTY: true, stderrIsTTY: false }, "plain"],
    [{}, { TERM: "dumb" }, terminals, "plain"],
    [{}, { ...env, CI: "true" }, terminals, "plain"],
    [{}, { ...env, CI: "" }, terminals, "tty"],
    [{}, { ...env, CI: "false" }, terminals, "tty"],
    [{ progress: "auto" }, env, terminals, "tty"],
    [{ progress: "tty" }, { ...env, CI: "1" }, piped, "tty"],
    [{ progress: "tty" }, { TERM: "dumb" }, terminals, "plain"],
    [{ progress: "tty" }, env, silent, "plain"],
    [{ progress: "plain" }, env, terminals, "plain"],
    [{ progress: "json" }, env, terminals, "json"],
    [{ progress: "none" }, env, terminals, "none"],
    [{ quiet: true }, env, terminals, "quiet"],
    [{ quiet: true, progress: "none" }, env, terminals, "quiet"],
  ] as const)("%j %j %j: %s", (flags, environment, where, expected) => {
    expect(choosePresentation(flags, environment, where)).toBe(expected);
  });
});

test("stacks are wanted when TPULL_DEBUG says so", () => {
  expect(wantsStack({ TPULL_DEBUG: "1" })).toBe(true);
  expect(wantsStack({ TPULL_DEBUG: "0" })).toBe(false);
  expect(wantsStack({})).toBe(false);
});

describe("blobs are kept", () => {
  const set = (value: string) => ({ TPULL_KEEP_BLOBS: value });
  test.each([
    [{}, {}, false],
    [{}, set(""), false],
    [{}, set("0"), false],
    [{}, set("false"), false],
    [{}, set("1"), {}],
    [{}, set("true"), {}],
    [{}, set("20GB"), { maxBytes: 20e9 }],
    [{ "keep-blobs": true }, {}, {}],
    [{ "keep-blobs": true }, set("20GB"), {}],
    [{ "keep-blobs": false }, set("20GB"), false],
    [{ "keep-blobs": true, "keep-blobs-limit": 5 }, {}, { maxBytes: 5 }],
    [{ "keep-blobs-limit": 5 }, set("20GB"), { maxBytes: 5 }],
    [{ "keep-blobs-limit": 0 }, set("1"), { maxBytes: 0 }],
  ])("%j %j: %j", (flags, env, expected) => {
    expect(keepBlobs(flags, env)).toEqual(expected);
  });

  test.each([
    [{}, set("much"), /^\$TPULL_KEEP_BLOBS is .*, not "much"$/],
    [{}, set("-1"), /TPULL_KEEP_BLOBS/],
    [{ "keep-blobs-limit": 5 }, {}, /goes with --keep-blobs$/],
    [{ "keep-blobs": false, "keep-blobs-limit": 5 }, {}, /goes with/],
  ])("%j %j is refused", (flags, env, message) => {
    expect(() => keepBlobs(flags, env)).toThrow(message);
  });
});
