/** The runner of the bundled command line: what V8 compiled is kept for the next run, and only where that is right. */
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { run, runOk } from "../helpers/run.js";

const REPOSITORY = join(import.meta.dirname, "../..");
const RUNNER = join(REPOSITORY, "dist/bin/chunks.js");
const ROOT = process.getuid?.() === 0;

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "tpull-chunks-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A program of chunks that says which of its parts ran. */
function program(chunks: Record<string, string>): string {
  const made = folder();
  for (const [name, code] of Object.entries(chunks)) {
    writeFileSync(join(made, name), code);
  }
  return made;
}

const start = (directory: string, build: string): string[] => [
  "--input-type=module",
  "--eval",
  `import { runChunk } from ${JSON.stringify(RUNNER)};
   runChunk(${JSON.stringify(join(directory, "main.cjs"))}, "${build}");`,
];

const says = (directory: string, build = "one"): Promise<string> =>
  runOk(process.execPath, start(directory, build));

/** Files of compiled code by name. */
function kept(directory: string): string[] {
  const compiled = join(directory, "compiled");
  if (!existsSync(compiled)) return [];
  return readdirSync(compiled).flatMap((build) =>
    readdirSync(join(compiled, build)).map((file) => join(build, file)),
  );
}

const KEEP = 'require("tpull:chunks").keepCompiledCode();';
const SAYS = (word: string): string => `${KEEP} console.log("${word}");`;
const build = (name: string): string =>
  `${name}-${process.version}-${process.arch}`;

test("chunks use each other, and node's own modules, as in CommonJS", async () => {
  const directory = program({
    "main.cjs": `exports.early = "before";
      const other = require("./other.cjs");
      const { basename } = require("node:path");
      console.log(other.answer, other.seen, basename(__filename));
      console.log(require("./other.cjs") === other, __dirname);`,
    "other.cjs": `exports.answer = 42; exports.seen = require("./main.cjs").early;`,
  });
  expect(await says(directory)).toBe(`42 before main.cjs\ntrue ${directory}\n`);
  expect(kept(directory)).toEqual([]);
});

test("what was compiled is kept when the program asks for it, and used", async () => {
  const directory = program({
    "main.cjs": `require("./other.cjs"); ${SAYS("main")}`,
    "other.cjs": SAYS("right"),
  });
  expect(await says(directory)).toBe("right\nmain\n");
  const files = [`${build("one")}/main.cjs`, `${build("one")}/other.cjs`];
  expect(kept(directory).toSorted()).toEqual(files);
  // V8 knows a source by its length alone: that the old words are said shows
  // where they come from.
  writeFileSync(join(directory, "other.cjs"), SAYS("wrong"));
  expect(await says(directory)).toBe("right\nmain\n");
});

test("another build begins anew", async () => {
  const directory = program({ "main.cjs": SAYS("right") });
  await says(directory, "one");
  writeFileSync(join(directory, "main.cjs"), SAYS("wrong"));
  expect(await says(directory, "two")).toBe("wrong\n");
  expect(kept(directory).toSorted()).toEqual([
    `${build("one")}/main.cjs`,
    `${build("two")}/main.cjs`,
  ]);
});

test.each([
  ["empty", () => Buffer.alloc(0)],
  ["cut off", (whole: Buffer) => whole.subarray(0, whole.length >> 1)],
  ["no compiled code", (whole: Buffer) => Buffer.alloc(whole.length, "x")],
])("a kept file that is %s is not used", async (_how, spoil) => {
  const directory = program({ "main.cjs": SAYS("right") });
  await says(directory);
  const file = join(directory, "compiled", kept(directory)[0]!);
  writeFileSync(file, spoil(readFileSync(file)));
  writeFileSync(join(directory, "main.cjs"), SAYS("wrong"));
  expect(await says(directory)).toBe("wrong\n");
});

test("V8 with other flags compiles for itself, and leaves what is there", async () => {
  const directory = program({ "main.cjs": SAYS("right") });
  await says(directory);
  const file = join(directory, "compiled", kept(directory)[0]!);
  const before = readFileSync(file);
  const other = ["--no-opt", ...start(directory, "one")];
  expect(await runOk(process.execPath, other)).toBe("right\n");
  expect(readFileSync(file).equals(before)).toBe(true);
});

test("a chunk that fails is not taken for one that ran", async () => {
  const directory = program({
    "main.cjs": `for (let i = 0; i < 2; i += 1) {
      try { require("./other.cjs"); console.log("ran"); }
      catch (error) { console.log(error.message); }
    }`,
    "other.cjs": `exports.half = 1; throw new Error("not today");`,
  });
  expect(await says(directory)).toBe("not today\nnot today\n");
});

test("many that end at once leave whole files, and nothing else", async () => {
  const directory = program({ "main.cjs": SAYS("right") });
  const said = await Promise.all(
    Array.from({ length: 8 }, () => says(directory)),
  );
  expect(new Set(said)).toEqual(new Set(["right\n"]));
  expect(kept(directory)).toEqual([`${build("one")}/main.cjs`]);
  writeFileSync(join(directory, "main.cjs"), SAYS("wrong"));
  expect(await says(directory)).toBe("right\n");
});

test.skipIf(ROOT)("who may not write beside the chunks goes on", async () => {
  const directory = program({ "main.cjs": SAYS("right") });
  chmodSync(directory, 0o555);
  onTestFinished(() => chmodSync(directory, 0o755));
  expect(await says(directory)).toBe("right\n");
  expect(kept(directory)).toEqual([]);
});

test.runIf(ROOT)("root leaves nothing in somebody else's folder", async () => {
  const directory = program({ "main.cjs": SAYS("right") });
  chownSync(directory, 1234, 1234);
  expect(await says(directory)).toBe("right\n");
  expect(kept(directory)).toEqual([]);
});

test("the command line keeps its own after a pull, for its threads, too", async () => {
  const copy = folder();
  const cli = join(copy, "dist/cli");
  mkdirSync(dirname(cli));
  cpSync(join(REPOSITORY, "dist/cli"), cli, {
    recursive: true,
    filter: (path) => !path.endsWith("/compiled"),
  });
  cpSync(join(REPOSITORY, "package.json"), join(copy, "package.json"));
  symlinkSync(join(REPOSITORY, "node_modules"), join(copy, "node_modules"));
  const demo = async (root: string): Promise<string> => {
    const said = await run(
      process.execPath,
      [join(cli, "start.cjs"), "demo", "--root", join(copy, root)],
      { cwd: copy },
    );
    if (said.code !== 0 && process.platform === "linux") {
      throw new Error(said.stderr);
    }
    return said.stdout;
  };
  await runOk(process.execPath, [join(cli, "tpull.cjs"), "--version"]);
  expect(kept(cli)).toEqual([]);
  if (process.platform !== "linux") return;
  const first = await demo("first");
  const files = kept(cli);
  for (const chunk of ["pull", "agent", "command", "worker-main"]) {
    expect(files.filter((file) => file.includes(`/${chunk}-`))).toHaveLength(1);
  }
  const made = files.map((file) => statSync(join(cli, "compiled", file)).ino);
  const second = await demo("second");
  expect(second.split("\n").length).toBe(first.split("\n").length);
  expect(kept(cli).toSorted()).toEqual(files.toSorted());
  expect(
    files.map((file) => statSync(join(cli, "compiled", file)).ino),
  ).toEqual(made);
});
