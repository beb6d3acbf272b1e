/**
 * The files of a tar that can be read at any place. Only its headers are read
 * beforehand; what is odd among them is refused before anything is used.
 */
import { readSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import {
  BLOCK,
  type Extensions,
  Type,
  blockSize,
  blockType,
  gnuText,
  memberHeader,
  parsePax,
} from "../../store/ingest/tar-header.js";
import { isTpullError } from "../../store/index.js";
import { errnoOf } from "../../store/io-error.js";
import { printable } from "../../store/reference/printable.js";
import { invalidArchive, unreadableArchive } from "./archive-error.js";
import { type ArchiveFiles, type FoundFile, chunksOf } from "./files.js";
import { linkTarget, memberPath } from "./member-path.js";
import { looksLikeContainer, notImages, topmost } from "./not-images.js";
import { Turns } from "./turns.js";

/** More than any archive of images needs: a layer is one member. */
const MAX_MEMBERS = 100_000;
const MAX_EXTENDED_BYTES = 64 * 1024;
/** Of the names and links of all members together, in characters: they are kept in memory. */
const MAX_NAME_CHARACTERS = 32 * 1024 * 1024;
/** Of one member, one after the other. */
const MAX_EXTENDED_HEADERS = 16;
const MAX_LINKS = 8;

interface Extent {
  readonly offset: number;
  readonly size: number;
}

export class TarFiles implements ArchiveFiles {
  readonly what: string;
  readonly isCutShort: boolean;
  readonly #file: FileHandle;
  readonly #extents: ReadonlyMap<string, Extent>;
  readonly #links: ReadonlyMap<string, string>;
  readonly #signal: AbortSignal;
  readonly #turns: Turns;

  private constructor(
    what: string,
    file: FileHandle,
    index: TarIndex,
    signal: AbortSignal,
  ) {
    this.what = what;
    this.isCutShort = !index.hasEnd;
    this.#file = file;
    this.#signal = signal;
    this.#turns = new Turns(signal);
    this.#extents = index.extents;
    this.#links = index.links;
  }

  /**
   * @param file closed with this, or when this fails
   * @param signal ends this reading, and all that comes later
   * @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_NOT_READABLE`, `ABORTED`
   */
  static async open(
    what: string,
    file: FileHandle,
    signal: AbortSignal,
  ): Promise<TarFiles> {
    try {
      const { size } = await file.stat();
      const index = new TarIndex(file.fd, size);
      await index.read(new Turns(signal));
      return new TarFiles(what, file, index, signal);
    } catch (error) {
      await file.close();
      throw errnoOf(error) === undefined
        ? error
        : unreadableArchive(what, error);
    }
  }

  *names(): Generator<string> {
    yield* this.#extents.keys();
    for (const name of this.#links.keys()) {
      if (this.#extent(name) !== undefined) yield name;
    }
  }

  async find(name: string): Promise<FoundFile | undefined> {
    await this.#turns.take();
    const extent = this.#extent(name);
    return extent && { size: extent.size, identity: `${extent.offset}` };
  }

  async *stream(
    name: string,
    from: number,
    to: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const extent = this.#extent(name);
    if (extent === undefined || to > extent.size) {
      throw invalidArchive(`has no such part of ${printable(name)}`);
    }
    const range = [extent.offset + from, extent.offset + to] as const;
    yield* chunksOf(this.#file, range, this.what, this.#signal);
  }

  #extent(name: string): Extent | undefined {
    let at = name;
    for (let hops = 0; hops <= MAX_LINKS; hops += 1) {
      const found = this.#extents.get(at);
      if (found !== undefined) return found;
      const target = this.#links.get(at);
      if (target === undefined) return undefined;
      at = target;
    }
    throw invalidArchive(`has links that lead in a circle: ${printable(name)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/** What the headers say. */
class TarIndex {
  readonly extents = new Map<string, Extent>();
  readonly links = new Map<string, string>();
  /** Whether a block of zeros ends it. Some writers leave that out. */
  hasEnd = false;
  readonly #fd: number;
  readonly #end: number;
  #at = 0;
  #characters = 0;
  readonly #tops = new Set<string>();

  constructor(fd: number, end: number) {
    this.#fd = fd;
    this.#end = end;
  }

  /** @throws TpullError `ARCHIVE_INVALID`, `ABORTED` */
  async read(turns: Turns): Promise<void> {
    try {
      await this.#read(turns);
    } catch (error) {
      if (!isTpullError(error) || error.code === "ABORTED") throw error;
      // Its devices and links are what is odd, and not what is wrong.
      if (looksLikeContainer(this.#tops)) throw notImages("container");
      if (error.code !== "LAYER_INVALID") throw error;
      throw invalidArchive(
        `is no tar that can be read: ${error.message.replace(/^the layer's tar is invalid: /, "")}`,
        error,
      );
    }
  }

  async #read(turns: Turns): Promise<void> {
    let extensions: Extensions = {};
    let extended = 0;
    let members = 0;
    for (;;) {
      await turns.take();
      const block = this.#take(BLOCK);
      if (block === undefined) {
        if (extended > 0) throw invalidArchive("ends inside a header");
        if (members === 0) throw invalidArchive("is empty");
        return;
      }
      if (isZero(block)) {
        const next = this.#take(BLOCK);
        if (next !== undefined && !isZero(next)) {
          throw invalidArchive("goes on behind a block of zeros");
        }
        if (members === 0) throw invalidArchive("is empty");
        this.hasEnd = true;
        return;
      }
      const type = blockType(block);
      const extension = this.#extension(block, type);
      if (extension !== undefined) {
        extended += 1;
        if (extended > MAX_EXTENDED_HEADERS) {
          throw invalidArchive("has a member with too many headers");
        }
        extensions = { ...extensions, ...extension };
        continue;
      }
      members += 1;
      if (members > MAX_MEMBERS) {
        throw invalidArchive(`has more than ${MAX_MEMBERS} members`);
      }
      this.#member(memberHeader(block, type, extensions));
      extensions = {};
      extended = 0;
    }
  }

  /** What a header says of the member behind it; undefined for a member's own header. */
  #extension(block: Buffer, type: string): Extensions | undefined {
    const isExtension =
      type === Type.paxGlobal ||
      type === Type.paxHeader ||
      type === Type.gnuLongName ||
      type === Type.gnuLongLink;
    if (!isExtension) return undefined;
    const size = blockSize(block);
    if (size > MAX_EXTENDED_BYTES) {
      throw invalidArchive(`has a header of ${size} bytes`);
    }
    const data = this.#take(size) ?? Buffer.alloc(0);
    if (data.length < size) throw invalidArchive("ends inside a header");
    this.#skip(-size & (BLOCK - 1));
    if (type === Type.paxHeader) return { pax: parsePax(data) };
    if (type === Type.gnuLongName) return { gnuName: gnuText(data) };
    if (type === Type.gnuLongLink) return { gnuLink: gnuText(data) };
    return {};
  }

  #member(header: ReturnType<typeof memberHeader>): void {
    const { name, type, size, linkName, sparse } = header;
    const path = memberPath(name);
    const top = topmost(path);
    if (top !== undefined) this.#tops.add(top);
    const isFile = type === Type.regular || type === Type.contiguous;
    if (type === Type.directory || path === "") {
      this.#skipContent(size);
      return;
    }
    this.#characters += path.length + linkName.length;
    if (this.#characters > MAX_NAME_CHARACTERS) {
      throw invalidArchive("has more and longer names than any of images");
    }
    if (this.extents.has(path) || this.links.has(path)) {
      throw invalidArchive(`has the member ${printable(path)} twice`);
    }
    if (type === Type.symlink) {
      this.links.set(path, linkTarget(path, linkName));
    } else if (type === Type.hardlink) {
      this.links.set(path, memberPath(linkName));
    } else if (isFile && !sparse) {
      this.extents.set(path, { offset: this.#at, size });
      this.#skipContent(size);
    } else {
      throw invalidArchive(
        `has a member that is no file: ${printable(path)} (type ${printable(type)})`,
      );
    }
  }

  #skipContent(size: number): void {
    if (size > this.#end - this.#at) {
      throw invalidArchive("ends inside a member: it is cut short");
    }
    this.#skip(size + (-size & (BLOCK - 1)));
  }

  #skip(bytes: number): void {
    this.#at = Math.min(this.#at + bytes, this.#end);
  }

  /** Undefined at the end; shorter only where the file ends. */
  #take(length: number): Buffer | undefined {
    const bytes = Buffer.alloc(Math.min(length, this.#end - this.#at));
    let filled = 0;
    while (filled < bytes.length) {
      const left = bytes.length - filled;
      const read = readSync(this.#fd, bytes, filled, left, this.#at + filled);
      if (read === 0) throw invalidArchive("became shorter while it was read");
      filled += read;
    }
    this.#at += filled;
    if (filled === 0 && length > 0) return undefined;
    if (length === BLOCK && filled < BLOCK) {
      throw invalidArchive("ends inside a header: it is cut short, or no tar");
    }
    return bytes;
  }
}

const ZERO = Buffer.alloc(BLOCK);

function isZero(block: Buffer): boolean {
  return block.equals(ZERO);
}
