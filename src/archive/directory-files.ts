/** The files of an archive that is unpacked in a directory. Nothing outside of it is read, whatever its links say. */
import {
  type FileHandle,
  lstat,
  open,
  readdir,
  realpath,
} from "node:fs/promises";
import { join, sep } from "node:path";
import { isTpullError } from "../../store/index.js";
import { errnoOf } from "../../store/io-error.js";
import { printable } from "../../store/reference/printable.js";
import { invalidArchive, unreadableArchive } from "./archive-error.js";
import { type ArchiveFiles, type FoundFile, chunksOf } from "./files.js";
import { Turns } from "./turns.js";

const MAX_NAMES = 100_000;
/** Of all names together, in characters. */
const MAX_NAME_CHARACTERS = 32 * 1024 * 1024;

export class DirectoryFiles implements ArchiveFiles {
  readonly what: string;
  readonly #root: string;
  readonly #names: readonly string[];
  readonly #signal: AbortSignal;
  readonly #turns: Turns;

  private constructor(
    what: string,
    root: string,
    names: string[],
    signal: AbortSignal,
  ) {
    this.what = what;
    this.#root = root;
    this.#names = names;
    this.#signal = signal;
    this.#turns = new Turns(signal);
  }

  /** @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_NOT_READABLE`, `ABORTED` */
  static async open(
    path: string,
    signal: AbortSignal,
  ): Promise<DirectoryFiles> {
    try {
      const root = await realpath(path);
      const names = await namesBelow(root, new Turns(signal));
      return new DirectoryFiles(printable(path), root, names, signal);
    } catch (error) {
      throw isTpullError(error) ? error : unreadableArchive(path, error);
    }
  }

  names(): Iterable<string> {
    return this.#names;
  }

  async find(name: string): Promise<FoundFile | undefined> {
    await this.#turns.take();
    const path = await this.#place(name);
    if (path === undefined) return undefined;
    try {
      const stats = await lstat(path);
      if (!stats.isFile()) return undefined;
      return { size: stats.size, identity: `${stats.dev}:${stats.ino}` };
    } catch (error) {
      return absentOr(name, error);
    }
  }

  async *stream(
    name: string,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    await using file = await this.#open(name);
    if (file === undefined) {
      throw invalidArchive(`has lost ${printable(name)}`);
    }
    const what = join(this.what, name);
    yield* chunksOf(file, [from, to], what, this.#signal);
  }

  /** Undefined for what is no regular file. */
  async #open(name: string): Promise<FileHandle | undefined> {
    const path = await this.#place(name);
    if (path === undefined) return undefined;
    let file: FileHandle;
    try {
      // A pipe in its place must not keep us waiting.
      file = await open(path, 0o4000);
    } catch (error) {
      return absentOr(name, error);
    }
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return undefined;
  }

  /** Where a name leads, within the directory; undefined where nothing is. */
  async #place(name: string): Promise<string | undefined> {
    let path: string;
    try {
      path = await realpath(join(this.#root, name));
    } catch (error) {
      return absentOr(name, error);
    }
    if (path.startsWith(this.#root + sep)) return path;
    throw invalidArchive(`has a link that leads out of it: ${printable(name)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** What is at a name where the system says this: no file, or one that cannot be read. */
function absentOr(name: string, error: unknown): undefined {
  switch (errnoOf(error)) {
    case "ENOENT":
    case "ENOTDIR":
    case "ENAMETOOLONG":
    case "ENXIO": // a socket
      return undefined;
    case "ELOOP":
      throw invalidArchive(
        `has links that lead in a circle: ${printable(name)}`,
      );
  }
  throw unreadableArchive(name, error);
}

async function namesBelow(root: string, turns: Turns): Promise<string[]> {
  const names: string[] = [];
  let entriesSeen = 0;
  let characters = 0;
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined;) {
    const entries = await readdir(join(root, folder), { withFileTypes: true });
    for (const entry of entries) {
      await turns.take();
      const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
      (entry.isDirectory() ? folders : names).push(name);
      entriesSeen += 1;
      characters += name.length;
      if (entriesSeen > MAX_NAMES || characters > MAX_NAME_CHARACTERS) {
        throw invalidArchive(`has more than ${MAX_NAMES} files`);
      }
    }
    folder = folders.pop();
  }
  return names.sort();
}
