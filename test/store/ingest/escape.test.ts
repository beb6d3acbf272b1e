/**
 * No layer touches anything outside of its own directory: the classes of
 * attacks that other unpackers fell for.
 */
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { createCrc64 } from "#store/ingest/crc64.js";
import { unpack } from "#store/ingest/unpack.js";
import {
  archive,
  directory,
  file,
  hardlink,
  type Member,
  paxGlobal,
  symlink,
} from "../../helpers/tar-writer.js";
import { pieces } from "./support/sources.js";
import { LINUX, ROOT, snapshot, target } from "./support/unpacking.js";

/** Unpacks beside a file that no layer may reach, and says what happened to that file. */
async function attack(
  members: (outside: string, diff: string) => readonly (Member | Buffer)[],
) {
  const to = await target();
  const outside = join(dirname(to.diffDirectory), "outside");
  mkdirSync(outside);
  writeFileSync(join(outside, "victim"), "untouched");
  chmodSync(join(outside, "victim"), 0o640);
  // `/out` must not be taken for a part of `/outside`, nor the other way round.
  mkdirSync(`${to.diffDirectory}side`);
  const before = snapshot(dirname(to.diffDirectory));
  const tar = archive(members(outside, to.diffDirectory));
  let said = "accepted";
  try {
    unpack(pieces(tar, 4096), to, await createCrc64());
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    said = `${code}: ${message}`;
  }
  const others = (lines: string[]) =>
    lines.filter((line) => !/^\/(diff|ts\.gz)[ /]|^ /.test(line));
  expect(others(snapshot(dirname(to.diffDirectory)))).toEqual(others(before));
  expect(readdirSync(dirname(to.diffDirectory)).sort()).toEqual([
    "diff",
    "diffside",
    "outside",
    "ts.gz",
  ]);
  return { said, diff: to.diffDirectory };
}

const privileged = ROOT
  ? { mode: 0o6777, uid: 1, gid: 1, mtime: 1 }
  : { mode: 0o777, mtime: 1 };

describe.skipIf(!LINUX)("a layer stays in its directory", () => {
  const attacks: [
    string,
    (outside: string, diff: string) => readonly (Member | Buffer)[],
  ][] = [
    ["a name that climbs", () => [file("../outside/victim", "!")]],
    [
      "a name that climbs in the middle",
      () => [directory("a"), file("a/../../outside/victim", "!")],
    ],
    [
      "an absolute name",
      (outside) => [file(join(outside, "victim"), "!", privileged)],
    ],
    [
      "an absolute pax path",
      (outside) => [file("s", "!", { pax: { path: join(outside, "victim") } })],
    ],
    [
      "a file through an absolute link",
      (outside) => [symlink("a", outside), file("a/victim", "!", privileged)],
    ],
    [
      "a file through a link that climbs",
      () => [symlink("a", "../outside"), file("a/victim", "!", privileged)],
    ],
    [
      "a file through a chain of links",
      (outside) => [
        symlink("a", "b"),
        symlink("b", "c/d"),
        symlink("c", dirname(outside)),
        file("a/victim", "!"),
      ],
    ],
    [
      "a file in place of a link",
      (outside) => [
        symlink("a", join(outside, "victim")),
        file("a", "!", privileged),
      ],
    ],
    [
      "a directory in place of a link",
      (outside) => [
        symlink("a", outside),
        directory("a", privileged),
        file("a/victim", "!"),
      ],
    ],
    [
      "a directory that becomes a link",
      (outside) => [
        directory("a"),
        { name: "a/x", type: "6" },
        symlink("a", outside),
        file("a/victim", "!", privileged),
      ],
    ],
    [
      "a directory that becomes a link by another name",
      (outside) => [
        directory("a"),
        directory("b"),
        symlink("c", "."),
        symlink("c/a", outside),
        file("a/victim", "!"),
        directory("a", privileged),
      ],
    ],
    [
      "mode, owner and times through a link",
      (outside) => [
        symlink("a", outside),
        directory("a/", privileged),
        symlink("v", join(outside, "victim")),
        directory("v", privileged),
      ],
    ],
    [
      "attributes through a link",
      (outside) => [
        symlink("a", join(outside, "victim"), {
          pax: { "SCHILY.xattr.trusted.x": "1", "SCHILY.xattr.user.x": "1" },
        }),
      ],
    ],
    [
      "times of a link",
      (outside) => [
        symlink("a", join(outside, "victim"), { mtime: 5, uid: 7 }),
      ],
    ],
    [
      "a hard link to an absolute name",
      (outside) => [hardlink("h", join(outside, "victim"), privileged)],
    ],
    [
      "a hard link that climbs",
      () => [hardlink("h", "../outside/victim", privileged)],
    ],
    [
      "a hard link through a link",
      (outside) => [
        symlink("a", outside),
        hardlink("h", "a/victim", privileged),
      ],
    ],
    [
      "a hard link through two links",
      (outside) => [
        symlink("a", dirname(outside)),
        symlink("b", "a/outside"),
        hardlink("h", "b/victim"),
        file("h", "!"),
      ],
    ],
    [
      "a hard link to a link, then a file by its name",
      (outside) => [
        symlink("a", join(outside, "victim")),
        hardlink("h", "a", privileged),
        file("h", "!"),
      ],
    ],
    [
      "the root replaced by a link",
      (outside) => [
        symlink(".", outside),
        symlink("./", outside),
        symlink("/", outside),
        file("victim", "!"),
      ],
    ],
    [
      "a whiteout through a link",
      (outside) => [
        symlink("a", outside),
        file("a/.wh.victim", ""),
        file("a/.wh..wh..opq", ""),
      ],
    ],
    ["a whiteout of what is above", () => [file(".wh...", "")]],
    [
      "a device through a link",
      (outside) => [
        symlink("a", outside),
        { name: "a/victim", type: "3", devmajor: 1, devminor: 3, mode: 0o666 },
      ],
    ],
    [
      "a fifo through a link",
      (outside) => [
        symlink("a", outside),
        { name: "a/victim", type: "6", ...privileged },
      ],
    ],
    [
      "a link through a link",
      (outside) => [
        symlink("a", outside),
        symlink("a/victim", "/etc/passwd"),
        symlink("a/new", "x"),
      ],
    ],
    [
      "a directory next door with the same beginning",
      () => [file("../diffside/x", "!"), directory("../diffside")],
    ],
    [
      "a global header with a path",
      (outside) => [
        paxGlobal({ path: join(outside, "victim") }),
        file("a", "x"),
      ],
    ],
    [
      "Windows paths",
      () => [
        file("..\\outside\\victim", "!"),
        file("C:\\victim", "!"),
        file("C:victim", "!"),
      ],
    ],
    [
      "/proc",
      () => [
        symlink("p", "/proc/self/cwd"),
        file("p/package.json", "!"),
        symlink("r", "/proc/self/root"),
        file("r/tmp/x", "!"),
        hardlink("h", "/proc/self/exe"),
      ],
    ],
  ];

  it.each(attacks)("%s", async (_, members) => {
    const { said, diff } = await attack(members);
    expect(said).toMatch(/^(accepted|LAYER_INVALID: member ")/);
    // What was accepted may point outside, but holds nothing from there.
    for (const line of snapshot(diff)) expect(line).not.toContain("untouched");
  });

  it("names that only look like parents are names", async () => {
    const { said, diff } = await attack(() => [
      file("..\\x", "1"),
      file("...", "2"),
      file("..a/b", "3"),
      file(". ", "4"),
    ]);
    expect(said).toBe("accepted");
    expect(readdirSync(diff).sort()).toEqual([". ", "...", "..\\x", "..a"]);
  });

  it("names that differ in case or normalisation are different files", async () => {
    const { diff } = await attack(() => [
      file("FOO", "1"),
      file("foo", "2"),
      file("\u00e9", "3"),
      file("e\u0301", "4"),
    ]);
    expect(readdirSync(diff)).toHaveLength(4);
    expect(readFileSync(join(diff, "e\u0301"), "utf8")).toBe("4");
  });

  it("a link's own time and owner are set on the link", async () => {
    const { diff } = await attack((outside) => [
      symlink("a", join(outside, "victim"), { mtime: 5 }),
    ]);
    expect(statSync(join(diff, "a")).mtimeMs).not.toBe(5000);
    expect(snapshot(diff).find((line) => line.startsWith("/a "))).toContain(
      " 5000000000 ",
    );
  });
});
