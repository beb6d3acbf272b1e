/**
 * An image layout inside a tar archive, as `tpull bundle`, `docker save` (since
 * 25), `podman save` and `skopeo copy oci-archive:` write it. The archive is
 * never unpacked: what is kept of it is where each blob begins.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { isDigest, type Digest } from "../../../store/index.js";
import {
  BLOCK,
  blockSize,
  blockType,
  type Extensions,
  gnuText,
  memberHeader,
  parsePax,
  type TarHeader,
  Type,
} from "../../../store/ingest/tar-header.js";
import {
  invalidLayout,
  type LayoutFiles,
  MAX_MANIFEST_BYTES,
  readStretch,
  type Stretch,
  type TopFile,
} from "./files.js";
import { identityOf } from "./folder.js";
import { ReadAhead } from "./read-ahead.js";

/** More than any archive of images has; a file of headers only would keep us busy. */
const MAX_MEMBERS = 1_000_000;
/** What Go's reader accepts. */
const MAX_EXTENDED_BYTES = 1024 * 1024;
const TOP: readonly string[] = [
  "oci-layout",
  "index.json",
  "manifest.json",
] satisfies TopFile[];
const BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/;

interface Place {
  readonly offset: number;
  readonly size: number;
}

export class LayoutArchive implements LayoutFiles {
  readonly place: string;
  readonly #handle: FileHandle;
  readonly #identity: string;
  readonly #members: ReadonlyMap<string, Place>;
  #readers = 0;
  #closing = false;

  private constructor(
    place: string,
    handle: FileHandle,
    identity: string,
    members: ReadonlyMap<string, Place>,
  ) {
    this.place = place;
    this.#handle = handle;
    this.#identity = identity;
    this.#members = members;
  }

  /** @throws TpullError `LAYOUT_INVALID`; what the system says where the file cannot be opened */
  static async open(place: string): Promise<LayoutArchive> {
    const handle = await open(place, constants.O_RDONLY);
    try {
      const stats = await handle.stat({ bigint: true });
      const members = await membersOf(place, handle, Number(stats.size));
      return new LayoutArchive(place, handle, identityOf(stats), members);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  pathOf(name: string): string {
    return `${name} in ${this.place}`;
  }

  async top(name: TopFile): Promise<Buffer | undefined> {
    const stretch = this.#stretch(name);
    if (stretch === undefined) return undefined;
    if (stretch.size > MAX_MANIFEST_BYTES) {
      throw invalidLayout(
        this.pathOf(name),
        `has ${stretch.size} bytes, which is too much`,
      );
    }
    return await readStretch(stretch);
  }

  async blob(digest: Digest): Promise<Stretch | undefined> {
    return this.#stretch(digest);
  }

  #stretch(name: string): Stretch | undefined {
    const place = this.#members.get(name);
    if (place === undefined) return undefined;
    const { offset, size } = place;
    return {
      identity: `${this.#identity} ${offset}`,
      size,
      open: async () => {
        if (this.#closing) throw new Error("the archive was replaced");
        this.#readers += 1;
        return {
          read: async (buffer, position) => {
            const most = Math.min(buffer.length, size - position);
            const at = offset + position;
            return (await this.#handle.read(buffer, 0, most, at)).bytesRead;
          },
          close: () => {
            this.#readers -= 1;
            if (this.#closing) void this.#closeUnread();
          },
        };
      },
    };
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#closeUnread();
  }

  async #closeUnread(): Promise<void> {
    if (this.#readers === 0) await this.#handle.close();
  }
}

/** Where the members begin that a layout has: its two files by name, blobs by digest. */
async function membersOf(
  path: string,
  handle: FileHandle,
  fileSize: number,
): Promise<Map<string, Place>> {
  const members = new Map<string, Place>();
  const input = new ReadAhead(handle);
  let extensions: Extensions = {};
  let at = 0;
  for (let count = 0; count < MAX_MEMBERS; count += 1) {
    const block = await input.at(at, BLOCK);
    // Some archives end without the two blocks of zeros.
    if (block.length < BLOCK || block.every((byte) => byte === 0)) {
      if (at === 0) throw notPlainTar(path, block);
      return members;
    }
    at += BLOCK;
    let type: string;
    try {
      type = blockType(block);
    } catch (cause) {
      if (count === 0) throw notPlainTar(path, block);
      throw invalidLayout(path, "is a damaged tar: a header is wrong", cause);
    }
    try {
      if (isExtended(type)) {
        const size = blockSize(block);
        if (size > MAX_EXTENDED_BYTES) throw new Error("an overlong header");
        const data = Buffer.from(await input.at(at, size));
        if (data.length < size) throw new Error("it ends within a header");
        extend(extensions, type, data);
        at += padded(size);
        continue;
      }
      const header = memberHeader(block, type, extensions);
      extensions = {};
      const name = memberName(header);
      if (at + header.size > fileSize) {
        throw new Error(`it ends after ${fileSize} bytes, within a file`);
      }
      if (name !== undefined) {
        members.set(name, { offset: at, size: header.size });
      }
      at += padded(header.size);
    } catch (cause) {
      const { message } = cause as Error;
      throw invalidLayout(path, `is a damaged tar: ${message}`, cause);
    }
  }
  throw invalidLayout(path, `has more than ${MAX_MEMBERS} members`);
}

function isExtended(type: string): boolean {
  return (
    type === Type.paxHeader ||
    type === Type.paxGlobal ||
    type === Type.gnuLongName ||
    type === Type.gnuLongLink
  );
}

function extend(extensions: Extensions, type: string, data: Buffer): void {
  if (type === Type.paxHeader) extensions.pax = parsePax(data);
  else if (type === Type.gnuLongName) extensions.gnuName = gnuText(data);
  // Links and what a global header says mean nothing here.
}

/** What of a layout this member is; undefined for anything else, links among them. */
function memberName({ name, type }: TarHeader): string | undefined {
  if (type !== Type.regular && type !== Type.contiguous) return undefined;
  const bare = name.replace(/^(?:\.?\/)+/, "");
  if (TOP.includes(bare)) return bare;
  const digest = `sha256:${BLOB.exec(bare)?.[1]}`;
  return isDigest(digest) ? digest : undefined;
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function notPlainTar(path: string, begin: Buffer): Error {
  const hex = begin.toString("hex", 0, 4);
  const compression = hex.startsWith("1f8b")
    ? "gzip"
    : hex === "28b52ffd"
      ? "zstd"
      : undefined;
  if (compression === undefined) {
    return invalidLayout(path, "is neither a directory nor a tar archive");
  }
  return invalidLayout(
    path,
    `is compressed with ${compression}: it can only be served from where it lies when it is a plain tar`,
  );
}
