/** One file (directory, link, device) of a layer against what its archive says of it. */
import {
  type BigIntStats,
  closeSync,
  openSync,
  readlinkSync,
  readSync,
} from "node:fs";
import { abortedError } from "../../errors.js";
import type { Crc64 } from "../../ingest/crc64.js";
import { errnoOf } from "../../io-error.js";
import { deviceNumber } from "../../native/libc.js";
import {
  AttributeReader,
  type AttributeRules,
  compareAttributes,
  DEFAULT_ACL,
  type Surroundings,
} from "./attributes.js";
import type { ExpectedNode } from "./expected-node.js";
import {
  inNanoseconds,
  isTime,
  shownTime,
  type TimeRules,
} from "./file-times.js";
import { type Problems, shownPath } from "./problems.js";

/** How a check hears of the world, and the world of it. */
export interface CheckPulse {
  /** True ends the check with `ABORTED`. */
  readonly stopped: () => boolean;
  /** Told of every piece of a file that was read. */
  readonly onContent: (bytes: number) => void;
}

export interface TreeRules extends AttributeRules, TimeRules {}

export interface FileReport {
  readonly problems: Problems;
  /** Path of `diff`, relative to the data root. */
  readonly path: string;
  readonly pulse: CheckPulse;
}

const READ_BYTES = 256 * 1024;
const NUL = Buffer.alloc(1);

export class FileComparison {
  readonly #rules: TreeRules;
  readonly #report: FileReport;
  readonly #crc: Crc64;
  readonly #attributes = new AttributeReader();
  /** Files this user must not look at. */
  forbidden = 0;

  constructor(rules: TreeRules, report: FileReport, crc: Crc64) {
    this.#rules = rules;
    this.#report = report;
    this.#crc = crc;
  }

  /** The attributes of `diff` itself. */
  compareRoot(node: ExpectedNode, path: Buffer): void {
    const where = { isRoot: true, inheritsAcl: true };
    for (const difference of this.#attributesOf(path, node, where)) {
      this.differs("", difference);
    }
  }

  /** @param name binary, in the layer */
  compare(
    path: Buffer,
    name: string,
    node: ExpectedNode,
    stats: BigIntStats,
    parent: ExpectedNode,
  ): void {
    const { kind } = node;
    const mode = Number(stats.mode & 0o7777n);
    if (
      kind !== "symlink" &&
      mode !== node.mode &&
      !this.#inherits(node, mode)
    ) {
      this.differs(
        name,
        `it has the mode ${octal(mode)}, and ${octal(node.mode)} in the archive`,
      );
    }
    const owner = `${stats.uid}:${stats.gid}`;
    const wanted = `${node.uid}:${node.gid}`;
    if (!this.#rules.unprivileged && owner !== wanted) {
      this.differs(
        name,
        `it belongs to ${owner}, and to ${wanted} in the archive`,
      );
    }
    if (
      node.mtime !== undefined &&
      !isTime(stats.mtimeNs, node.mtime, this.#rules)
    ) {
      const should = inNanoseconds(node.mtime);
      this.differs(
        name,
        `it was last changed ${shownTime(stats.mtimeNs)}, and ${shownTime(should)} in the archive`,
      );
    }
    if (kind === "character" || kind === "block") {
      const should = BigInt(deviceNumber(node.deviceMajor, node.deviceMinor));
      if (stats.rdev !== should) this.differs(name, "it is another device");
    }
    if (kind === "symlink") {
      const target = readlinkSync(path, { encoding: "buffer" });
      if (target.toString("latin1") !== node.target) {
        this.differs(
          name,
          `it leads to ${shownPath(target.toString("latin1"))}, and to ${shownPath(node.target)} in the archive`,
        );
      }
    }
    if (kind === "file") this.#content(path, name, node, stats);
    const inheritsAcl = parent.xattrs?.has(DEFAULT_ACL) ?? false;
    const where = { isRoot: false, inheritsAcl };
    for (const difference of this.#attributesOf(path, node, where)) {
      this.differs(name, difference);
    }
  }

  /** Whether the mode is that of a directory made in passing, by another's rules for the set-group-ID bit. */
  #inherits({ kind, mtime, mode }: ExpectedNode, found: number): boolean {
    if (kind !== "directory" || mtime !== undefined) return false;
    return this.#rules.unprivileged && (mode & 0o777) === (found & 0o777);
  }

  #content(
    path: Buffer,
    name: string,
    node: ExpectedNode,
    { size }: BigIntStats,
  ): void {
    if (node.reported) return;
    if (size !== BigInt(node.size)) {
      this.damaged(
        name,
        `it has ${size} bytes, and ${node.size} in the archive`,
      );
      return;
    }
    if (node.kept === undefined || node.size === 0) return;
    try {
      if (this.#checksum(path) !== node.kept) {
        this.damaged(name, "its content is not that of the archive");
      }
    } catch (error) {
      this.cannotRead(name, error);
    }
  }

  #checksum(path: Buffer): string {
    const fd = openSync(path, "r");
    try {
      this.#crc.reset();
      const piece = Buffer.from(new ArrayBuffer(READ_BYTES));
      for (;;) {
        this.checkStopped();
        const length = readSync(fd, piece, 0, piece.length, null);
        if (length === 0) return this.#crc.base64();
        this.#report.pulse.onContent(length);
        this.#crc.update(piece.subarray(0, length));
      }
    } finally {
      closeSync(fd);
    }
  }

  #attributesOf(
    path: Buffer,
    node: ExpectedNode,
    where: Surroundings,
  ): string[] {
    return compareAttributes(
      this.#attributes,
      Buffer.concat([path, NUL]),
      node,
      this.#rules,
      where,
    ).map(shownPath);
  }

  /** @throws the error, where it has nothing to do with the file */
  cannotRead(name: string, error: unknown): void {
    const reason = errnoOf(error);
    if (reason === "EACCES" || reason === "EPERM") this.forbidden += 1;
    else if (reason === undefined) throw error;
    else this.damaged(name, `it cannot be read (${reason})`);
  }

  /** @throws TpullError `ABORTED` */
  checkStopped(): void {
    if (this.#report.pulse.stopped()) throw abortedError();
  }

  damaged(name: string, message: string): void {
    this.#report.problems.add("TREE_DAMAGED", this.#path(name), message);
  }

  differs(name: string, message: string): void {
    this.#report.problems.add("TREE_DIFFERS", this.#path(name), message);
  }

  #path(name: string): string {
    return name === ""
      ? this.#report.path
      : `${this.#report.path}/${shownPath(name)}`;
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
