/** The runner of the bundled command line: what V8 compiled is kept for the next run, and only where that is right. */
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { installation } from "../helpers/installation.js";
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

/** Words for node: it runs the chunk `main.cjs` of a folder. */
const start = (directory: string, umask?: number): string[] => [
  "--input-type=module",
  "--eval",
  `import { runChunk } from ${JSON.stringify(RUNNER)};
   ${umask === undefined ? "" : `process.umask(${umask});`}
   runChunk(${JSON.stringify(join(directory, "main.cjs"))});`,
];

const says = (directory: string, umask?: number): Promise<string> =>
  runOk(process.execPath, start(directory, umask));

const SHELF = `${process.version}-${process.arch}`;
const keptFile = (directory: string, chunk: string): string =>
  join(directory, "compiled", SHELF, chunk);

/** Files of compiled code by name. */
function kept(directory: string): string[] {
  const compiled = join(directory, "compiled");
  if (!existsSync(compiled)) return [];
  return readdirSync(compiled)
    .flatMap((shelf) =>
      readdirSync(join(compiled, shelf)).map((file) => join(shelf, file)),
    )
    .toSorted();
}

const worked = (most: boolean): string =>
  `require("tpull:chunks").hasWorked(${most});`;
const SAYS = (word: string, most = true): string =>
  `${worked(most)} console.log("${word}");`;

/**
 * Exchanges what is kept of a chunk for what V8 makes of another one of the same
 * length, as no disk would: who says its word has not compiled for itself.
 */
async function plant(directory: string, word: string): Promise<void> {
  const other = program({ "main.cjs": SAYS(word) });
  await says(other);
  const file = keptFile(directory, "main.cjs");
  const head = readFileSync(file).subarray(0, 4);
  const planted = readFileSync(keptFile(other, "main.cjs"));
  writeFileSync(file, Buffer.concat([head, planted.subarray(4)]));
}

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

test("what was compiled is kept when the program has worked, and used", async () => {
  const directory = program({
    "main.cjs": `require("./other.cjs"); ${SAYS("main")}`,
    "other.cjs": `console.log("other");`,
  });
  expect(await says(directory)).toBe("other\nmain\n");
  expect(kept(directory)).toEqual([`${SHELF}/main.cjs`, `${SHELF}/other.cjs`]);

  const one = program({ "main.cjs": SAYS("own") });
  await says(one);
  await plant(one, "alt");
  expect(await says(one)).toBe("alt\n");
});

test("nothing is kept of a run that did no work", async () => {
  const directory = program({ "main.cjs": `console.log("idle");` });
  expect(await says(directory)).toBe("idle\n");
  expect(kept(directory)).toEqual([]);
});

test("a chunk that was changed is compiled anew, also at the same length", async () => {
  const directory = program({ "main.cjs": SAYS("old") });
  await says(directory);
  for (const word of ["new", "other"]) {
    writeFileSync(join(directory, "main.cjs"), SAYS(word));
    expect(await says(directory)).toBe(`${word}\n`);
    expect(await says(directory)).toBe(`${word}\n`);
  }
});

test("what a run kept that used little gives way to one that used most, and not back", async () => {
  const little = `if (process.env.MOST) { ${worked(true)} } else { ${worked(false)} }`;
  const directory = program({ "main.cjs": little });
  const file = keptFile(directory, "main.cjs");
  const inode = () => statSync(file).ino;
  await says(directory);
  const first = inode();
  await says(directory);
  expect(inode()).toBe(first);
  await runOk(process.execPath, start(directory), { env: { MOST: "1" } });
  const second = inode();
  expect(second).not.toBe(first);
  await says(directory);
  expect(inode()).toBe(second);
});

test.each([
  ["empty", () => Buffer.alloc(0)],
  ["shorter than its head", (whole: Buffer) => whole.subarray(0, 7)],
  ["cut off", (whole: Buffer) => whole.subarray(0, whole.length >> 1)],
  ["zeros from some block on", (whole: Buffer) => whole.fill(0, 200)],
  ["no compiled code", (whole: Buffer) => Buffer.alloc(whole.length, "x")],
])("a kept file that is %s is replaced", async (_how, spoil) => {
  const directory = program({ "main.cjs": SAYS("own") });
  await says(directory);
  await plant(directory, "alt");
  const file = keptFile(directory, "main.cjs");
  writeFileSync(file, spoil(readFileSync(file)));
  expect(await says(directory)).toBe("own\n");
  await plant(directory, "alt");
  expect(await says(directory)).toBe("alt\n");
});

test("no bit that a disk turns over is run", async () => {
  const directory = program({ "main.cjs": SAYS("own") });
  await says(directory);
  const file = keptFile(directory, "main.cjs");
  const whole = readFileSync(file);
  const places = [0, 3, 4, 7, 8, 12, 20, 40, 80, 160, whole.length - 1];
  for (const place of places) {
    const spoiled = Buffer.from(whole);
    spoiled[place]! ^= 1 << (place % 8);
    writeFileSync(file, spoiled);
    expect(await says(directory)).toBe("own\n");
    expect(readFileSync(file).readUInt32LE(0)).toBe(whole.readUInt32LE(0));
    expect(readFileSync(file).equals(spoiled)).toBe(false);
  }
});

test("V8 with other flags compiles for itself, and keeps that instead", async () => {
  const directory = program({ "main.cjs": SAYS("own") });
  const other = ["--no-opt", ...start(directory)];
  await says(directory);
  await plant(directory, "alt");
  expect(await runOk(process.execPath, other)).toBe("own\n");
  expect(await says(directory)).toBe("own\n");
  await plant(directory, "alt");
  expect(await says(directory)).toBe("alt\n");
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

test("a chunk that is missing is said to be", async () => {
  const directory = program({ "main.cjs": `require("./gone.cjs");` });
  const { code, stderr } = await run(process.execPath, start(directory));
  expect(code).toBe(1);
  expect(stderr).toMatch(/^tpull: ENOENT.*gone\.cjs'\n {2}hint: .*install/);
  expect(stderr.split("\n")).toHaveLength(3);
});

test("many that end at once leave whole files, and nothing else", async () => {
  const directory = program({ "main.cjs": SAYS("own") });
  const said = await Promise.all(
    Array.from({ length: 8 }, () => says(directory)),
  );
  expect(new Set(said)).toEqual(new Set(["own\n"]));
  expect(kept(directory)).toEqual([`${SHELF}/main.cjs`]);
  await plant(directory, "alt");
  expect(await says(directory)).toBe("alt\n");
});

test("what a killed run left is removed when it is old", async () => {
  const directory = program({ "main.cjs": SAYS("own") });
  await says(directory);
  const [old, young] = ["main.cjs.1.0.tmp", "main.cjs.2.0.tmp"].map((name) =>
    keptFile(directory, name),
  );
  for (const file of [old!, young!]) writeFileSync(file, "half");
  utimesSync(old!, 1, 1);
  writeFileSync(join(directory, "main.cjs"), SAYS("new"));
  await says(directory);
  expect(existsSync(old!)).toBe(false);
  expect(existsSync(young!)).toBe(true);
});

test.each([0o000, 0o022, 0o077])(
  "others may read what is kept, and not write: umask %o",
  async (umask) => {
    const directory = program({ "main.cjs": SAYS("own") });
    await says(directory, umask);
    const mode = (path: string) => statSync(path).mode & 0o777;
    const file = keptFile(directory, "main.cjs");
    expect(mode(file)).toBe(0o644);
    expect(mode(dirname(file))).toBe(0o755);
    expect(mode(dirname(dirname(file)))).toBe(0o755);
  },
);

test("what others could have written is neither run nor touched", async () => {
  const directory = program({ "main.cjs": SAYS("own") });
  await says(directory);
  await plant(directory, "alt");
  const file = keptFile(directory, "main.cjs");
  const before = readFileSync(file);
  for (const open of [dirname(file), dirname(dirname(file))]) {
    chmodSync(open, 0o777);
    expect(await says(directory)).toBe("own\n");
    expect(readFileSync(file).equals(before)).toBe(true);
    chmodSync(open, 0o755);
  }
  expect(await says(directory)).toBe("alt\n");
});

test.each(["", SHELF])(
  "a link in place of compiled/%s is not followed",
  async (place) => {
    const directory = program({ "main.cjs": SAYS("own") });
    await says(directory);
    await plant(directory, "alt");
    const elsewhere = folder();
    const link = join(directory, "compiled", place);
    cpSync(link, elsewhere, { recursive: true });
    rmSync(link, { recursive: true });
    symlinkSync(elsewhere, link);
    writeFileSync(join(directory, "main.cjs"), SAYS("own"));
    expect(await says(directory)).toBe("own\n");
  },
);

test.skipIf(ROOT)("who may not write beside the chunks goes on", async () => {
  const directory = program({ "main.cjs": SAYS("own") });
  chmodSync(directory, 0o555);
  onTestFinished(() => chmodSync(directory, 0o755));
  expect(await says(directory)).toBe("own\n");
  expect(kept(directory)).toEqual([]);
});

test.runIf(ROOT)("root leaves nothing in somebody else's folder", async () => {
  const directory = program({ "main.cjs": SAYS("own") });
  chownSync(directory, 1234, 1234);
  expect(await says(directory)).toBe("own\n");
  expect(kept(directory)).toEqual([]);
});

test("the command line keeps its own after a pull, for its threads, too", async () => {
  const cli = installation();
  const copy = folder();
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
  expect(kept(cli)).toEqual(files);
  expect(
    files.map((file) => statSync(join(cli, "compiled", file)).ino),
  ).toEqual(made);
});
