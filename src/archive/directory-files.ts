/** The files of an archive that is unpacked in a directory. Nothing outside of it is read, whatever its links say. */
import { type FileHandle, open, readdir, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { printable } from "../../store/reference/printable.js";
import { invalidArchive } from "./archive-error.js";
import { type ArchiveFiles, chunksOf } from "./files.js";

const MAX_NAMES = 100_000;

export class DirectoryFiles implements ArchiveFiles {
  readonly what: string;
  readonly #root: string;
  readonly #names: readonly string[];

  private constructor(what: string, root: string, names: string[]) {
    this.what = what;
    this.#root = root;
    this.#names = names;
  }

  static async open(path: string): Promise<DirectoryFiles> {
    const root = await realpath(path);
    const names: string[] = [];
    const collect = async (below: string): Promise<void> => {
      const entries = await readdir(join(root, below), { withFileTypes: true });
      for (const entry of entries) {
        const name = below === "" ? entry.name : `${below}/${entry.name}`;
        if (entry.isDirectory()) await collect(name);
        else names.push(name);
        if (names.length > MAX_NAMES) {
          throw invalidArchive(`has more than ${MAX_NAMES} files`);
        }
      }
    };
    await collect("");
    return new DirectoryFiles(printable(path), root, names.sort());
  }

  names(): Iterable<string> {
    return this.#names;
  }

  async size(name: string): Promise<number | undefined> {
    await using file = await this.#open(name);
    return (await file?.stat())?.size;
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
    yield* chunksOf(file, from, to);
  }

  /** Undefined for what is no regular file. */
  async #open(name: string): Promise<FileHandle | undefined> {
    let path: string;
    try {
      path = await realpath(join(this.#root, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    if (!path.startsWith(this.#root + sep)) {
      throw invalidArchive(
        `has a link that leads out of it: ${printable(name)}`,
      );
    }
    // A pipe in its place must not keep us waiting.
    const file = await open(path, 0o4000);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
