/** What lies in a layer's `diff` directory against what its archive describes. */
import { type BigIntStats, lstatSync, readdirSync } from "node:fs";
import type { Crc64 } from "../../ingest/crc64.js";
import {
  FileComparison,
  type FileReport,
  type TreeRules,
} from "./compare-file.js";
import type { ExpectedNode, Kind } from "./expected-node.js";
import type { ExpectedTree } from "./expected-tree.js";

export interface TreeSeen {
  /** Bytes as docker counts a layer's size. */
  readonly bytes: bigint;
  /** Everything in the tree. */
  readonly files: number;
  /** What this user must not look at. */
  readonly forbidden: number;
}

const SLASH = Buffer.from("/");

interface Pending {
  readonly node: ExpectedNode;
  readonly path: Buffer;
  /** Binary, with a slash behind it; empty for the root. */
  readonly name: string;
}

export class TreeComparison {
  readonly #rules: TreeRules;
  readonly #file: FileComparison;
  readonly #byInode = new Map<bigint, ExpectedNode | undefined>();
  readonly #missing: { node: ExpectedNode; name: string }[] = [];
  #bytes = 0n;
  #files = 0;

  constructor(rules: TreeRules, report: FileReport, crc: Crc64) {
    this.#rules = rules;
    this.#file = new FileComparison(rules, report, crc);
  }

  /** @param directory the `diff` directory @throws the failed system call when it cannot be read at all */
  run(tree: ExpectedTree, directory: string): TreeSeen {
    const path = Buffer.from(directory);
    this.#file.compareRoot(tree.root, path);
    const pending: Pending[] = [{ node: tree.root, path, name: "" }];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      this.#directory(at, pending);
    }
    for (const { node, name } of this.#missing) this.#isMissing(node, name);
    return {
      bytes: this.#bytes,
      files: this.#files,
      forbidden: this.#file.forbidden,
    };
  }

  #directory({ node, path, name }: Pending, pending: Pending[]): void {
    let found: Buffer[];
    try {
      found = readdirSync(path, { encoding: "buffer" });
    } catch (error) {
      if (name === "") throw error;
      this.#file.cannotRead(name, error);
      return;
    }
    const children = node.children ?? new Map<string, ExpectedNode>();
    let known = 0;
    for (const base of found) {
      this.#file.checkStopped();
      const binary = base.toString("latin1");
      const child = children.get(binary);
      if (child !== undefined) known += 1;
      const at = Buffer.concat([path, SLASH, base]);
      this.#entry(at, `${name}${binary}`, child, node, pending);
    }
    if (known === children.size) return;
    const there = new Set(found.map((base) => base.toString("latin1")));
    for (const [base, child] of children) {
      if (!there.has(base)) {
        this.#missing.push({ node: child, name: `${name}${base}` });
      }
    }
  }

  #entry(
    path: Buffer,
    name: string,
    node: ExpectedNode | undefined,
    parent: ExpectedNode,
    pending: Pending[],
  ): void {
    let stats: BigIntStats;
    try {
      stats = lstatSync(path, { bigint: true });
    } catch (error) {
      this.#file.cannotRead(name, error);
      if (node !== undefined) node.present = true;
      return;
    }
    this.#files += 1;
    const kind = kindOf(stats);
    const first = kind === "directory" || this.#isFirst(stats, node, name);
    if (first && kind !== "directory") this.#bytes += stats.size;
    if (node === undefined) {
      this.#file.differs(name, "it is not in the archive");
      return;
    }
    node.present = true;
    if (kind !== node.kind) {
      this.#otherKind(name, node, kind);
      return;
    }
    if (first) this.#file.compare(path, name, node, stats, parent);
    if (kind === "directory") {
      pending.push({ node, path, name: `${name}/` });
    }
  }

  /** Whether this is the first name of its inode that is met; says when names share one that must not. */
  #isFirst(
    { ino, nlink }: BigIntStats,
    node: ExpectedNode | undefined,
    name: string,
  ): boolean {
    if (nlink === 1n && (node === undefined || node.names === 1)) return true;
    if (node !== undefined) {
      if (node.inode === undefined) node.inode = ino;
      else if (node.inode !== ino) {
        this.#file.differs(
          name,
          "it is no longer the same file as its hard links",
        );
      }
    }
    if (!this.#byInode.has(ino)) {
      this.#byInode.set(ino, node);
      return true;
    }
    const other = this.#byInode.get(ino);
    if (node !== undefined && other !== undefined && other !== node) {
      this.#file.differs(name, "it is a hard link of another file");
    }
    return other !== node;
  }

  #otherKind(name: string, node: ExpectedNode, kind: Kind): void {
    if (node.reported) return;
    const message = `it is a ${kind}, and a ${node.kind} in the archive`;
    if (node.kind === "file" && node.size > 0)
      this.#file.damaged(name, message);
    else this.#file.differs(name, message);
  }

  #isMissing(node: ExpectedNode, name: string): void {
    if (node.reported && !node.present) return;
    if (this.#isLeftOut(node)) return;
    const isLost = node.kind === "file" && node.size > 0 && !node.present;
    if (isLost) this.#file.damaged(name, "it is missing");
    else this.#file.differs(name, "it is missing");
  }

  /** Devices are not made without root's rights. */
  #isLeftOut({ kind, deviceMajor, deviceMinor }: ExpectedNode): boolean {
    return (
      this.#rules.unprivileged &&
      (kind === "block" ||
        (kind === "character" && (deviceMajor !== 0 || deviceMinor !== 0)))
    );
  }
}

function kindOf(stats: BigIntStats): Kind {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isSymbolicLink()) return "symlink";
  if (stats.isCharacterDevice()) return "character";
  if (stats.isBlockDevice()) return "block";
  return stats.isFIFO() ? "fifo" : "socket";
}
