import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { loadAnswer } from "#src/cli/run-answer.js";
import { main } from "#src/cli/main.js";
import type { CliInput } from "#src/cli/prompt.js";
import { fakes } from "./fake-context.js";

async function imagesOf(argv: string[], content: string) {
  const folder = mkdtempSync(join(tmpdir(), "tpull-images-of-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "compose.yaml");
  writeFileSync(file, content);
  const made = fakes({
    loadAnswer,
    env: { TAG: "3" },
    stdin: Readable.from([
      "kind: Pod\nspec: {containers: [{image: redis}]}",
    ]) as CliInput,
  });
  const words = argv.map((word) => (word === "FILE" ? file : word));
  const status = await main(["images-of", ...words], made.context);
  const { text } = made.stderr;
  return { status, out: made.stdout.text, err: text.replaceAll(file, "FILE") };
}

const COMPOSE = `services:
  a: { image: "app:\${TAG}", platform: linux/arm64 }
  b: { build: . }
  c: { image: tool, profiles: [tools] }
`;

test("a line for each image; what is left out on stderr", async () => {
  expect(await imagesOf(["FILE", "-"], COMPOSE)).toEqual({
    status: 0,
    out: "app:3 linux/arm64\nredis\n",
    err: `tpull: left out: FILE, service b: is built, not pulled
tpull: left out: FILE, service c: belongs to tools, a profile that was not asked for
`,
  });
});

test("profiles, and silence", async () => {
  const { out, err } = await imagesOf(
    ["-q", "--profile", "tools", "FILE"],
    COMPOSE,
  );
  expect({ out, err }).toEqual({ out: "app:3 linux/arm64\ntool\n", err: "" });
});

test("services that can be built are left out if that is asked for", async () => {
  const content = "services: { a: { image: a, build: . } }";
  const taken = await imagesOf(["FILE"], content);
  expect(taken).toEqual({ status: 0, out: "a\n", err: "" });
  expect(await imagesOf(["--ignore-buildable", "FILE"], content)).toEqual({
    status: 0,
    out: "",
    err: "tpull: left out: FILE, service a: can be built, and such services were to be left out\n",
  });
});

test("as a document", async () => {
  const { out } = await imagesOf(["--json", "-"], COMPOSE);
  expect(JSON.parse(out)).toEqual({
    images: [
      {
        reference: "redis",
        from: "standard input, Pod container without a name",
      },
    ],
    skipped: [],
  });
});

test("what cannot be read", async () => {
  const { status, out, err } = await imagesOf(
    ["FILE"],
    "services: {a: {image: 1}}",
  );
  expect({ status, out }).toEqual({ status: 1, out: "" });
  expect(err).toContain(
    "FILE: service a, image: is no text (IMAGE_LIST_INVALID)",
  );
});

describe("tpull -f", () => {
  /** What a pull was asked for by a list with this content. */
  async function asked(content: string, ...argv: string[]) {
    const folder = mkdtempSync(join(tmpdir(), "tpull-listed-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "images.txt");
    writeFileSync(file, content);
    const calls: unknown[] = [];
    const made = fakes({
      pullAll: async (references, { platform } = {}) => {
        calls.push([references, platform]);
        return { results: [], failures: [] };
      },
    });
    const status = await main(["-f", file, ...argv], made.context);
    return { status, calls, err: made.stderr.text };
  }

  test.each([
    ["a\nb:2\na\n", [], [["a", "b:2"], undefined]],
    ["a\n", ["c", "a"], [["c", "a"], undefined]],
    [
      "a linux/arm64\nb\na linux/386\nc",
      ["c"],
      [
        [
          { reference: "c" },
          { reference: "a", platforms: "linux/arm64" },
          { reference: "b" },
          { reference: "a", platforms: "linux/386" },
        ],
        undefined,
      ],
    ],
  ])("%j with %j", async (content, argv, call) => {
    expect(await asked(content, ...argv)).toMatchObject({
      status: 0,
      calls: [call],
    });
  });

  test("--platform counts for all, which is said", async () => {
    const list = "a linux/arm64\nb\n";
    const said =
      "tpull: --platform linux/386 counts, not what the list says for an image\n";
    for (const [argv, err] of [
      [[], said],
      [["-q"], ""],
    ] as const) {
      expect(await asked(list, "--platform", "linux/386", ...argv)).toEqual({
        status: 0,
        calls: [[["a", "b"], "linux/386"]],
        err,
      });
    }
  });

  test.each([
    ["# none\n", 2, /no image is named/],
    ["a\nb arm/v9/x/y\n", 1, /images.txt, line 2: .*PLATFORM_INVALID/],
  ])("%j is refused with %i", async (content, code, message) => {
    const { status, calls, err } = await asked(content);
    expect({ status, calls }).toEqual({ status: code, calls: [] });
    expect(err).toMatch(message);
  });
});
