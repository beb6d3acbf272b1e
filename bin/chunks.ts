/**
 * Runs the chunks of the bundled command line, and keeps what V8 compiled of
 * them for the next run: compiling is a fifth of what an up-to-date check takes.
 *
 * What is kept lies beside the chunks, in `compiled/`, and is used only where
 * nobody else could have written it than who could have written the code. V8
 * trusts it blindly, but for its own version and flags and the length of the
 * source. So each file begins with checksums: of the chunk that it belongs to,
 * and of its own bytes, which a disk may have damaged.
 *
 * Since 22.1 Node can do that by itself (`module.enableCompileCache`). Node 20
 * cannot, and this does for both.
 */
import {
  chmodSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { constants, Script } from "node:vm";
import { isMainThread, threadId } from "node:worker_threads";
import { crc32 } from "node:zlib";

/** How the bundler names this module in the chunks that import it. */
const THIS_MODULE = "tpull:chunks";

/** What a run has used, and so has had compiled, of what runs use. */
const NOTHING = 0;
const SOME = 1;
const MOST = 2;

/** Checksums of the chunk and of all that follows: how much was used, and then the compiled code. */
const HEAD_BYTES = 12;
/** Whoever writes is done by then. */
const LEFT_BEHIND_MS = 3_600_000;

interface Chunk {
  readonly exports: object;
}

interface Compiled {
  readonly script: Script;
  /** Where what was compiled of it is kept. */
  readonly file: string;
  readonly checksum: number;
  /** Of the run that kept it. */
  readonly used: number;
}

const chunks = new Map<string, Chunk>();
const compiled: Compiled[] = [];
/** What is kept, for each version of Node in a folder of its own. */
let shelf = "";
let folder = "";
let mayRead = false;
let used = NOTHING;

/** Runs the chunk that a program or a thread begins with. */
export function runChunk(path: string): void {
  shelf = join(dirname(path), "compiled");
  folder = join(shelf, `${process.version}-${process.arch}`);
  mayRead = isSafe(shelf) && isSafe(folder);
  process.once("exit", keep);
  try {
    requireChunk(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!isMainThread || code !== "ENOENT") throw error;
    process.stderr.write(
      `tpull: ${message}\n  hint: Parts of tpull are missing; install it again.\n`,
    );
    process.exitCode = 1;
  }
}

/**
 * Says that this run has used some or most of what runs use: then what is
 * compiled by its end is kept, unless a run that used more has kept it. In a
 * program that was not bundled it says nothing.
 */
export function hasWorked(most: boolean): void {
  used = Math.max(used, most ? MOST : SOME);
}

/** As `require` in CommonJS: a chunk that is asked for while it runs gives what it exports so far. */
function requireChunk(path: string): object {
  const known = chunks.get(path);
  if (known !== undefined) return known.exports;
  const chunk: Chunk = { exports: {} };
  chunks.set(path, chunk);
  try {
    run(path, chunk);
  } catch (error) {
    chunks.delete(path);
    throw error;
  }
  return chunk.exports;
}

function run(path: string, chunk: Chunk): void {
  const directory = dirname(path);
  const native = createRequire(path);
  const require = (id: string): unknown => {
    if (id.startsWith("./")) return requireChunk(join(directory, id));
    return id === THIS_MODULE ? { hasWorked } : native(id);
  };
  const body = compile(path) as (...args: unknown[]) => void;
  body.call(chunk.exports, chunk.exports, require, chunk, path, directory);
}

function compile(path: string): unknown {
  const source = readFileSync(path);
  const checksum = crc32(source);
  const file = join(folder, basename(path));
  const kept = mayRead ? readKept(file, checksum) : undefined;
  const parameters = "exports,require,module,__filename,__dirname";
  const script = new Script(`(function(${parameters}){${source}\n})`, {
    filename: path,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(kept && { cachedData: kept.code }),
  });
  // Of another V8, or made with other flags: this run's takes its place.
  const refused = script.cachedDataRejected === true;
  const before = kept && !refused ? kept.used : NOTHING;
  compiled.push({ script, file, checksum, used: before });
  return script.runInThisContext();
}

/** What is kept of the chunk of that checksum, if it is there and whole. */
function readKept(
  file: string,
  checksum: number,
): { code: Buffer; used: number } | undefined {
  try {
    const bytes = readFileSync(file);
    const isRight =
      bytes.readUInt32LE(0) === checksum &&
      bytes.readUInt32LE(4) === crc32(bytes.subarray(8));
    if (!isRight) return undefined;
    return { code: bytes.subarray(HEAD_BYTES), used: bytes.readUInt32LE(8) };
  } catch {
    return undefined;
  }
}

/** Whether only the owner of the chunks can write there. */
function isSafe(directory: string): boolean {
  try {
    const { uid } = lstatSync(dirname(shelf));
    const found = lstatSync(directory);
    return (
      found.isDirectory() && found.uid === uid && (found.mode & 0o022) === 0
    );
  } catch {
    return false;
  }
}

/** Whoever may not write here goes on without; so does root in the folder of somebody else, who could not remove it. */
function keep(): void {
  const better = compiled.filter((chunk) => chunk.used < used);
  if (better.length === 0) return;
  try {
    if (lstatSync(dirname(shelf)).uid !== process.geteuid?.()) return;
    for (const directory of [shelf, folder]) {
      makeSafe(directory);
      if (!isSafe(directory)) return;
    }
    removeLeftBehind();
    for (const { script, file, checksum } of better) {
      const code = script.createCachedData();
      const bytes = Buffer.concat([Buffer.alloc(HEAD_BYTES), code]);
      bytes.writeUInt32LE(used, 8);
      bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
      bytes.writeUInt32LE(checksum, 0);
      writeWhole(file, bytes);
    }
  } catch {
    // The next run tries again.
  }
}

/** For others to read and for nobody else to write, whatever the umask is. */
function makeSafe(directory: string): void {
  const made = mkdirSync(directory, { recursive: true, mode: 0o755 });
  if (made !== undefined) chmodSync(directory, 0o755);
}

/** What runs that were killed while they wrote could not remove. */
function removeLeftBehind(): void {
  for (const name of readdirSync(folder)) {
    if (!name.endsWith(".tmp")) continue;
    const file = join(folder, name);
    if (Date.now() - lstatSync(file).mtimeMs > LEFT_BEHIND_MS) rmSync(file);
  }
}

function writeWhole(file: string, bytes: Buffer): void {
  // Other processes may have the same numbers, in containers that share a disk.
  const random = Math.random().toString(36).slice(2);
  const temporary = `${file}.${process.pid}.${threadId}.${random}.tmp`;
  const fd = openSync(temporary, "wx", 0o644);
  try {
    try {
      fchmodSync(fd, 0o644);
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
