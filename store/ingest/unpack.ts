/**
 * One layer's tar stream -> files in `diff/`, `tar-split.json.gz`, diff ID and
 * size, in a single pass. Synchronous: runs in a worker.
 */
import { createHash } from "node:crypto";
import { closeSync, fchmodSync, openSync } from "node:fs";
import type { DiffId } from "../digest.js";
import { TpullError, isTpullError } from "../errors.js";
import { ioFailure } from "../io-error.js";
import { close, write } from "../native/libc.js";
import type { Crc64 } from "./crc64.js";

import { LayerTree, type Placement, type TreeWarning } from "./layer-tree.js";
import { type CleanName, cleanName, splitPath } from "./member-name.js";
import type { ByteSource } from "./ring.js";
import { failure, shownName } from "./syscall-failure.js";
import { type TarHeader, Type } from "./tar-header.js";
import { TarInput, TarReader } from "./tar-reader.js";
import { TarSplitWriter } from "./tar-split-writer.js";

export interface UnpackTarget {
  /** Empty directory that becomes the layer's `diff`. */
  readonly diffDirectory: string;
  /** Where `tar-split.json.gz` is written; must not exist. */
  readonly tarSplitPath: string;
  /** Whether owners, devices and trusted attributes can be set. */
  readonly privileged: boolean;
}

export interface Unpacked {
  readonly diffId: DiffId;
  /** Bytes as docker counts a layer's size. */
  readonly size: number;
  /** Bytes of the tar. */
  readonly tarBytes: number;
  readonly warnings: readonly TreeWarning[];
}

const WHITEOUT_PREFIX = ".wh.";
const OPAQUE_MARK = ".wh..wh..opq";
const TRAILING_PIECE_BYTES = 1024 * 1024;

/** The same before both threads of a layer have said what they found. */
export type UnpackedTree = Omit<Unpacked, "diffId"> & {
  /** Undefined where the source makes it. */
  readonly diffId: DiffId | undefined;
};

/**
 * @throws TpullError `LAYER_INVALID` naming the member and the reason, `DISK_FULL`, `STORE_IO_FAILED`
 */
export function unpack(
  source: ByteSource,
  target: UnpackTarget,
  crc: Crc64,
): UnpackedTree {
  const hash = createHash("sha256");
  let tarBytes = 0;
  const input = new TarInput(source, (chunk) => {
    if (source.isHashed !== true) hash.update(chunk);
    tarBytes += chunk.length;
  });
  const splitFd = createTarSplit(target.tarSplitPath);
  let tree: LayerTree | undefined;
  try {
    tree = new LayerTree(target.diffDirectory, target.privileged);
    const split = new TarSplitWriter(splitFd);
    new LayerUnpacker(input, tree, split, crc).run();
    split.end();
    const size = tree.finish();
    const diffId = `sha256:${hash.digest("hex")}` as DiffId;
    return {
      diffId: source.isHashed === true ? undefined : diffId,
      size,
      tarBytes,
      warnings: [...tree.warnings.values()],
    };
  } finally {
    tree?.close();
    closeSync(splitFd);
  }
}

function createTarSplit(path: string): number {
  try {
    const fd = openSync(path, "wx", 0o644);
    fchmodSync(fd, 0o644); // whatever the umask is
    return fd;
  } catch (error) {
    throw ioFailure(error, "write a layer's tar-split.json.gz");
  }
}

class LayerUnpacker {
  readonly #input: TarInput;
  readonly #reader: TarReader;
  readonly #tree: LayerTree;
  readonly #split: TarSplitWriter;
  readonly #crc: Crc64;
  /** Names of members that are no file of that name in the tree. */
  readonly #unfiled = new Set<string>();

  constructor(
    input: TarInput,
    tree: LayerTree,
    split: TarSplitWriter,
    crc: Crc64,
  ) {
    this.#input = input;
    this.#reader = new TarReader(input);
    this.#tree = tree;
    this.#split = split;
    this.#crc = crc;
  }

  run(): void {
    for (;;) {
      const header = this.#reader.next();
      if (header === undefined) break;
      try {
        this.#member(header);
      } catch (error) {
        throw isTpullError(error)
          ? error.with(
              { member: Buffer.from(header.name, "latin1").toString() },
              `member ${shownName(header.name)}: `,
            )
          : error;
      }
    }
    this.#flushRaw();
    for (;;) {
      const rest = this.#input.exactly(TRAILING_PIECE_BYTES);
      if (rest.length === 0) return;
      this.#split.segment(rest);
    }
  }

  #flushRaw(): void {
    this.#split.segment(this.#reader.raw.bytes);
    this.#reader.raw.clear();
  }

  #member(header: TarHeader): void {
    if (header.type === Type.paxGlobal) {
      this.#global(header);
      return;
    }
    if (header.sparse) {
      throw new TpullError(
        "LAYER_INVALID",
        "it is a GNU sparse file, whose bytes a docker data root cannot give back",
        {
          hint: "Ask the image's publisher to build the layer without sparse files (tar without -S).",
        },
      );
    }
    const name = cleanName(header.name);
    const { base } = name;
    if (base === "") {
      // The layer's root: dockerd leaves its own directory as it is.
      this.#unfiledMember(header, name.path);
    } else if (base === OPAQUE_MARK) {
      this.#tree.opaque(name.parent);
      this.#unfiledMember(header, name.path);
    } else if (base.startsWith(WHITEOUT_PREFIX)) {
      this.#tree.whiteout(hiddenName(name), header);
      this.#unfiledMember(header, name.path);
    } else if (header.type === Type.regular) {
      this.#file(name, header);
    } else {
      const placement = this.#place(name, header);
      this.#record(header, name.path, placement);
      if (placement.unreachable) this.#unfiled.add(name.path);
      this.#payloadToSegments(header);
    }
  }

  /**
   * A global pax header applies to nothing (as in Go's reader): only its bytes
   * count. It is listed by its name all the same, unless that is no name for a
   * file or that of one.
   */
  #global(header: TarHeader): void {
    let name: CleanName;
    try {
      name = cleanName(header.name);
    } catch {
      this.#flushRaw();
      return;
    }
    this.#unfiledMember(header, name.path, this.#tree.knows(name));
  }

  #place(name: CleanName, header: TarHeader): Placement {
    switch (header.type) {
      case Type.directory:
        return this.#tree.directory(name, header);
      case Type.symlink:
        return this.#tree.symlink(name, header);
      case Type.hardlink:
        return this.#tree.hardlink(name, header);
      case Type.charDevice:
      case Type.blockDevice:
      case Type.fifo:
        return this.#tree.special(name, header);
      default:
        throw new TpullError(
          "LAYER_INVALID",
          `its tar type ${JSON.stringify(header.type)} is not one that docker unpacks`,
        );
    }
  }

  #file(name: CleanName, header: TarHeader): void {
    const file = this.#tree.createFile(name, header);
    const beside =
      file.repeated || file.unreachable || this.#unfiled.has(name.path);
    let written = 0;
    try {
      if (beside) this.#record(header, name.path, file);
      else this.#flushRaw();
      this.#crc.reset();
      while (written < header.size) {
        const piece = this.#reader.payload();
        writeAll(file.fd, piece, header.name);
        if (beside) this.#split.segment(piece);
        else this.#crc.update(piece);
        written += piece.length;
      }
    } catch (error) {
      close(file.fd);
      throw error;
    }
    this.#tree.finishFile(file, header, written);
    if (!beside) {
      this.#split.file(
        header.name,
        header.size,
        header.size === 0 ? "" : this.#crc.base64(),
      );
    }
  }

  /** A member whose content, if any, cannot be read back from the tree under its name. */
  #unfiledMember(header: TarHeader, path: string, repeated = false): void {
    this.#record(header, path, { unreachable: true, repeated });
    this.#payloadToSegments(header);
    this.#unfiled.add(path);
  }

  /**
   * Lists a member whose content does not come from a file. tar-split's reader
   * refuses a name that comes twice, so a repeated member is not listed: its
   * bytes alone are kept, which gives the same tar.
   */
  #record(header: TarHeader, path: string, placement: Placement): void {
    this.#flushRaw();
    if (placement.repeated || this.#unfiled.has(path)) return;
    this.#split.file(header.name, 0, "");
  }

  #payloadToSegments(header: TarHeader): void {
    for (let left = header.size; left > 0;) {
      const piece = this.#reader.payload();
      this.#split.segment(piece);
      left -= piece.length;
    }
  }
}

/** The name a whiteout hides. */
function hiddenName({ parent, base }: CleanName): CleanName {
  const hidden = base.slice(WHITEOUT_PREFIX.length);
  if (hidden === "" || hidden === "." || hidden === "..") {
    throw new TpullError("LAYER_INVALID", "it is a whiteout of nothing");
  }
  return splitPath(parent === "" ? hidden : `${parent}/${hidden}`);
}

function writeAll(fd: number, bytes: Buffer, name: string): void {
  for (let at = 0; at < bytes.length;) {
    const rest = at === 0 ? bytes : bytes.subarray(at);
    const written = write(fd, rest, rest.length);
    if (written < 0) throw failure(written, "write", name);
    at += written;
  }
}
