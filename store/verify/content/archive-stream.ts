/**
 * A layer's tar as its record and its files give it, and whether the record
 * agrees with the archive: each entry has to stand where the content of the
 * member it names begins. Where a file is not what it should be, zeros take its
 * place, so that the members behind it can be looked at all the same.
 */
import { readSync } from "node:fs";
import { posix } from "node:path";
import { abortedError } from "../../errors.js";
import type { ByteSource } from "../../ingest/ring.js";
import { shownName } from "../../ingest/syscall-failure.js";
import { type TarHeader, Type } from "../../ingest/tar-header.js";
import { errnoOf } from "../../io-error.js";
import { close } from "../../native/libc.js";
import type { LayerFiles } from "../../ingest/layer-files.js";
import type { Listed, RecordReader } from "./record-reader.js";

/** A member whose headers have been read. */
export interface Member {
  readonly header: TarHeader;
  /** Where its content begins in the archive. */
  readonly at: number;
  /** Its entry in the record. */
  listed?: Listed;
  /** Why its file's content is not that of the archive. */
  damage?: string;
  /** This user must not read its file. */
  forbidden?: boolean;
}

/** What the record is found to be. */
export interface RecordNotes {
  /** dockerd cannot give the archive back. */
  damaged(message: string): void;
  /** It can, although something is not as it should be. */
  wrong(message: string): void;
  /** The archive is one that dockerd cannot give back. */
  irreproducible(message: string): void;
}

const PIECE_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(PIECE_BYTES);

export class ArchiveStream implements ByteSource {
  readonly #record: RecordReader;
  readonly #files: LayerFiles;
  readonly #notes: RecordNotes;
  readonly #stopped: () => boolean;
  readonly #onContent: (bytes: number) => void;
  readonly #piece = Buffer.from(new ArrayBuffer(PIECE_BYTES));
  readonly #names = new Set<string>();
  #member: Member | undefined;
  /** The headers could not be read: from here on files are taken by the record's word. */
  #blind = false;
  #offset = 0;
  #fd = -1;
  #left = 0;
  /** The bytes that came so far are certainly not those of the archive. */
  broken = false;

  /**
   * @param stopped asked between pieces; true ends the stream with `ABORTED`
   * @param onContent told of every piece of a file that was read
   */
  constructor(
    record: RecordReader,
    files: LayerFiles,
    notes: RecordNotes,
    stopped: () => boolean,
    onContent: (bytes: number) => void,
  ) {
    this.#record = record;
    this.#files = files;
    this.#notes = notes;
    this.#stopped = stopped;
    this.#onContent = onContent;
  }

  /** The headers of a member have been read, and its content comes next. */
  enter(header: TarHeader, at: number): Member {
    this.#member = { header, at };
    return this.#member;
  }

  /** No more headers can be read. */
  goBlind(): void {
    this.#member = undefined;
    this.#blind = true;
  }

  /** Whether an earlier entry has this name, or one that means the same file. @param name binary */
  hasListed(name: string): boolean {
    const key = keyOf(`/${name}`);
    return ["", "/"].some((root) =>
      this.#names.has(root + key.slice(1) || "."),
    );
  }

  /** @throws TpullError `ABORTED`; RecordDamage */
  next(): Uint8Array | undefined {
    for (;;) {
      if (this.#stopped()) throw abortedError();
      if (this.#left > 0) {
        const piece = this.#content();
        if (piece === undefined) continue;
        this.#offset += piece.length;
        return piece;
      }
      this.#closeFile();
      const entry = this.#record.next();
      if (entry === undefined) return undefined;
      if (entry.type === "file") this.#enterListed(entry);
      else if (entry.bytes.length > 0) {
        this.#offset += entry.bytes.length;
        return entry.bytes;
      }
    }
  }

  #enterListed(entry: Listed): void {
    const shown = shownName(entry.name);
    const key = keyOf(entry.name);
    if (this.#names.has(key)) {
      this.#notes.damaged(`it lists ${shown} twice`);
    }
    this.#names.add(key);
    if (entry.size === 0 && entry.checksum !== undefined) {
      this.#notes.wrong(`${shown} has a checksum, but no size`);
    }
    if (this.#blind) {
      if (entry.size > 0) this.#open(entry.name, undefined, undefined);
      return;
    }
    const member = this.#member;
    if (member === undefined || member.listed || member.at !== this.#offset) {
      const message = `it lists ${shown} where no member of the archive begins`;
      if (entry.size > 0) this.#notes.damaged(message);
      else this.#notes.wrong(message);
      return;
    }
    member.listed = entry;
    this.#compare(entry, member.header);
    if (entry.size > 0 && member.header.size > 0) {
      this.#open(member.header.name, member.header.size, member);
    }
  }

  #compare(entry: Listed, { name, size, type, sparse }: TarHeader): void {
    const shown = shownName(name);
    if (entry.name !== name) {
      const message = `it calls ${shown} ${shownName(entry.name)}`;
      // Only where content is to be read does the name matter.
      if (entry.size > 0) this.#notes.damaged(message);
      else this.#notes.wrong(message);
    }
    if (entry.size === 0 || entry.size === size) return;
    if (size === 0 && type !== Type.regular) {
      this.#notes.irreproducible(
        `${shown} has no content, but a size of ${entry.size} in the archive`,
      );
    } else if (!sparse) {
      const message = `it gives ${shown} ${entry.size} bytes, and the archive ${size}`;
      if (size === 0) this.#notes.damaged(message);
      else this.#notes.wrong(message);
    }
  }

  /** @param size bytes to give; all of the file when undefined */
  #open(
    name: string,
    size: number | undefined,
    member: Member | undefined,
  ): void {
    const file = this.#files.open(name);
    if ("fd" in file) {
      this.#fd = file.fd;
      this.#left = size ?? file.size;
      if (file.detour) {
        this.#notes.irreproducible(
          `the way to ${shownName(name)} leads through a link that means something else outside of the layer`,
        );
      }
      if (member !== undefined && file.size !== size) {
        this.#isDamaged(
          member,
          `it has ${file.size} bytes, and ${size} in the archive`,
        );
      }
      return;
    }
    this.#left = size ?? 0;
    this.broken = true;
    if (member === undefined) return;
    if ("missing" in file) this.#isDamaged(member, file.missing);
    else member.forbidden = true;
  }

  #isDamaged(member: Member | undefined, why: string): void {
    this.broken = true;
    if (member !== undefined) member.damage ??= why;
  }

  #content(): Uint8Array | undefined {
    const most = Math.min(this.#left, PIECE_BYTES);
    let length = 0;
    if (this.#fd >= 0) {
      try {
        length = readSync(this.#fd, this.#piece, 0, most, null);
      } catch (error) {
        const reason = errnoOf(error) ?? "an error";
        this.#isDamaged(this.#member, `it cannot be read (${reason})`);
      }
      if (length > 0) {
        this.#left -= length;
        this.#onContent(length);
        return this.#piece.subarray(0, length);
      }
      // It has become shorter, or what is left of it cannot be read.
      this.#isDamaged(this.#member, "it ends too soon");
      this.#closeFile();
    }
    if (this.#blind) {
      this.#left = 0;
      return undefined;
    }
    this.#left -= most;
    return ZEROS.subarray(0, most);
  }

  #closeFile(): void {
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }

  close(): void {
    this.#closeFile();
  }
}

/** Equal for names that tar-split's reader takes for one. */
function keyOf(name: string): string {
  const clean = posix.normalize(name);
  return clean.length > 1 && clean.endsWith("/") ? clean.slice(0, -1) : clean;
}
