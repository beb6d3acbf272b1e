/**
 * Runs the chunks of the bundled command line, and keeps what V8 compiled of
 * them for the next run: compiling is a fifth of what an up-to-date check takes.
 *
 * What is kept lies beside the chunks, in `compiled/`, so whoever can write it
 * could have written the code itself, and it goes with the code: a new build or
 * a new version begins without. Each thread that unpacks uses it, too.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { constants, Script } from "node:vm";
import { threadId } from "node:worker_threads";

/** How the bundler names this module in the chunks that import it. */
export const THIS_MODULE = "tpull:chunks";

interface Chunk {
  readonly exports: object;
}

interface Compiled {
  readonly script: Script;
  /** Where what was compiled of it is kept. */
  readonly file: string;
}

const chunks = new Map<string, Chunk>();
/** Chunks of which nothing was kept. */
const fresh: Compiled[] = [];
let folder = "";
let isWorthKeeping = false;

/**
 * Runs the chunk that a program begins with.
 * @param build tells this build of the chunks from others
 */
export function runChunk(path: string, build: string): void {
  const { version, arch } = process;
  folder = join(dirname(path), "compiled", `${build}-${version}-${arch}`);
  process.once("exit", () => {
    if (isWorthKeeping && fresh.length > 0) keep();
  });
  requireChunk(path);
}

/**
 * Says that this run has used most of what runs use: what is compiled by now is
 * kept when it ends. In a program that was not bundled it says nothing.
 */
export function keepCompiledCode(): void {
  isWorthKeeping = true;
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
    return id === THIS_MODULE ? { keepCompiledCode } : native(id);
  };
  const script = compile(path);
  const body = script.runInThisContext() as (...args: unknown[]) => void;
  body.call(chunk.exports, chunk.exports, require, chunk, path, directory);
}

function compile(path: string): Script {
  const file = join(folder, path.slice(dirname(path).length + 1));
  const cachedData = contentOf(file);
  const parameters = "exports,require,module,__filename,__dirname";
  const source = readFileSync(path, "utf8");
  const script = new Script(`(function(${parameters}){${source}\n})`, {
    filename: path,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  // V8 checks that it is its own, made with the same flags. Then it stays for
  // the runs for which it is right.
  if (cachedData === undefined) fresh.push({ script, file });
  return script;
}

function contentOf(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

/** Whoever may not write here goes on without; so does root in the folder of somebody else, who could not remove it. */
function keep(): void {
  try {
    const home = dirname(dirname(folder));
    if (statSync(home).uid !== process.geteuid?.()) return;
    // For nobody else to write, whatever the umask is: what is here is run.
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    for (const { script, file } of fresh) {
      writeWhole(file, script.createCachedData());
    }
  } catch {
    // The next run tries again.
  }
}

/** A file of that name has all of its bytes, after a loss of power, too: V8 trusts them. */
function writeWhole(file: string, bytes: Buffer): void {
  const temporary = `${file}.${process.pid}.${threadId}`;
  try {
    const fd = openSync(temporary, "wx", 0o644);
    try {
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
