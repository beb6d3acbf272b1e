/**
 * A layer's archive, put together again from its record and its files, hashed,
 * and read member by member, from which the tree follows that it has to leave.
 */
import { createHash } from "node:crypto";
import type { DiffId } from "../../digest.js";
import { isTpullError } from "../../errors.js";
import type { Crc64 } from "../../ingest/crc64.js";
import { shownName } from "../../ingest/syscall-failure.js";
import { type TarHeader, Type } from "../../ingest/tar-header.js";
import { TarInput, TarReader } from "../../ingest/tar-reader.js";
import { errnoOf } from "../../io-error.js";
import {
  ArchiveStream,
  type Member,
  type RecordNotes,
} from "./archive-stream.js";
import type { CheckPulse } from "./compare-file.js";
import type { ExpectedNode } from "./expected-node.js";
import { clampedName, ExpectedTree } from "./expected-tree.js";
import type { LayerFiles } from "../../ingest/layer-files.js";
import { type Problem, type Problems, shownPath } from "./problems.js";
import { RecordDamage, RecordReader } from "./record-reader.js";

/** The archive of a layer. Paths of findings are relative to the data root. */
export interface ArchiveToCheck {
  /** What the archive has to hash to; undefined where that is not known. */
  readonly diffId: DiffId | undefined;
  readonly tarSplitPath: string;
  readonly shownTarSplit: string;
  readonly shownDirectory: string;
}

const REST_BYTES = 1024 * 1024;

export class ArchiveCheck {
  /** What the members that were read make of a directory. */
  readonly tree: ExpectedTree = new ExpectedTree();
  /** All members have been read, and all of them have their place in the tree. */
  whole = false;
  /** Files this user must not read. */
  forbidden = 0;
  readonly #archive: ArchiveToCheck;
  readonly #problems: Problems;
  readonly #crc: Crc64;
  readonly #pulse: CheckPulse;
  /** Files whose checksum is not the recorded one: which of the two is wrong shows at the end. */
  readonly #mismatched: string[] = [];
  #sparse = false;

  constructor(
    archive: ArchiveToCheck,
    problems: Problems,
    crc: Crc64,
    pulse: CheckPulse,
  ) {
    this.#archive = archive;
    this.#problems = problems;
    this.#crc = crc;
    this.#pulse = pulse;
  }

  run(files: LayerFiles): void {
    let record: RecordReader | undefined;
    try {
      const path = this.#archive.tarSplitPath;
      record = new RecordReader(path, (message) => this.#notes.wrong(message));
      this.#read(record, files);
    } catch (error) {
      if (error instanceof RecordDamage) this.#notes.damaged(error.message);
      else {
        const reason = errnoOf(error);
        if (reason === undefined) throw error;
        if (reason === "EACCES") this.forbidden += 1;
        else this.#notes.damaged(`it cannot be read (${reason})`);
      }
    } finally {
      record?.close();
    }
  }

  readonly #notes: RecordNotes = {
    damaged: (message) => this.#ofRecord("TAR_SPLIT_DAMAGED", message),
    wrong: (message) => this.#ofRecord("TAR_SPLIT_WRONG", message),
    irreproducible: (message) =>
      this.#ofRecord("LAYER_IRREPRODUCIBLE", message),
  };

  #ofRecord(code: Problem["code"], message: string): void {
    this.#problems.add(code, this.#archive.shownTarSplit, message);
  }

  #read(record: RecordReader, files: LayerFiles): void {
    const { stopped, onContent } = this.#pulse;
    const stream = new ArchiveStream(
      record,
      files,
      this.#notes,
      stopped,
      onContent,
    );
    const hash = createHash("sha256");
    const input = new TarInput(stream, (chunk) => {
      if (!stream.broken) hash.update(chunk);
    });
    try {
      try {
        this.#members(input, stream);
        this.whole = !this.#sparse;
      } catch (error) {
        if (!isTpullError(error) || error.code !== "LAYER_INVALID") throw error;
        if (!this.#sparse) this.#notes.damaged(error.message);
        stream.goBlind();
      }
      while (input.some(REST_BYTES).length > 0);
      const isProven = !stream.broken && this.#judge(hash.digest("hex"));
      this.#judgeChecksums(isProven);
    } finally {
      stream.close();
    }
  }

  #members(input: TarInput, stream: ArchiveStream): void {
    const reader = new TarReader(input);
    let before: Member | undefined;
    for (;;) {
      const header = reader.next();
      // Only now is it certain that no entry came for the one before.
      if (before !== undefined) this.#checkListed(before, stream);
      reader.raw.clear();
      if (header === undefined) return;
      const member = stream.enter(header, input.offset);
      const node = this.#apply(header);
      this.#crc.reset();
      for (let left = header.size; left > 0;) {
        const piece = reader.payload();
        left -= piece.length;
        if (!stream.broken || member.damage === undefined) {
          this.#crc.update(piece);
        }
      }
      this.#content(member, node);
      before = member;
    }
  }

  /** What the member makes of the tree. */
  #apply(header: TarHeader): ExpectedNode | undefined {
    if (header.sparse) {
      this.#sparse = true;
      this.#notes.irreproducible(
        `${shownName(header.name)} is a sparse file of GNU tar`,
      );
      return undefined;
    }
    try {
      return this.tree.apply(header);
    } catch (error) {
      const message = `${shownName(header.name)}: ${(error as Error).message}`;
      if (!/(?:^|\/)\.\.(?:\/|$)/.test(header.name)) {
        this.#notes.wrong(message);
        return undefined;
      }
      // Old daemons take such names, and stop at the layer's root.
      this.#notes.irreproducible(message);
      return this.tree.apply({ ...header, name: clampedName(header.name) });
    }
  }

  #content(member: Member, node: ExpectedNode | undefined): void {
    const { header, listed, damage } = member;
    if (header.size === 0 || this.#sparse) return;
    if (member.forbidden) {
      this.forbidden += 1;
      if (node !== undefined) node.reported = true;
      return;
    }
    if (damage !== undefined) {
      if (node !== undefined) node.reported = true;
      this.#isDamaged(header.name, damage);
      return;
    }
    const checksum = this.#crc.base64();
    if (listed === undefined || listed.size === 0) {
      // The bytes were in the record: the file is looked at with the tree.
      if (node?.kind === "file") node.kept = checksum;
    } else if (listed.checksum !== checksum) {
      if (node !== undefined) node.reported = true;
      this.#mismatched.push(header.name);
    }
  }

  #checkListed({ header, listed }: Member, stream: ArchiveStream): void {
    if (listed !== undefined || header.type === Type.paxGlobal) return;
    // Names that come again are not listed again: dockerd would refuse that.
    if (stream.hasListed(header.name) || this.tree.replaced) return;
    this.#notes.wrong(`it does not list ${shownName(header.name)}`);
  }

  /** Whether the archive is the right one; says so if it is not. */
  #judge(hex: string): boolean {
    const { diffId } = this.#archive;
    if (diffId === undefined) return false;
    if (diffId === `sha256:${hex}`) return true;
    const isExplained =
      this.#mismatched.length > 0 ||
      this.#problems.has("TAR_SPLIT_DAMAGED") ||
      this.#problems.has("LAYER_IRREPRODUCIBLE");
    if (!isExplained) {
      this.#notes.damaged(
        `put together, the archive hashes to sha256:${hex}, and the layer's diff ID is ${diffId}`,
      );
    }
    return false;
  }

  #judgeChecksums(isProven: boolean): void {
    for (const name of this.#mismatched) {
      if (isProven) {
        this.#notes.damaged(`the checksum of ${shownName(name)} is wrong`);
      } else this.#isDamaged(name, "its content is not that of the archive");
    }
  }

  #isDamaged(name: string, message: string): void {
    const path = `${this.#archive.shownDirectory}/${shownPath(clampedName(name))}`;
    this.#problems.add("TREE_DAMAGED", path, message);
  }
}
