/** One file of a layer as its archive describes it. */
import type { Time } from "../../ingest/tar-header.js";

export type Kind =
  "file" | "directory" | "symlink" | "character" | "block" | "fifo" | "socket";

export class ExpectedNode {
  readonly kind: Kind;
  mode = 0o755;
  uid = 0;
  gid = 0;
  /** Undefined for what was made in passing: its time is that of its making. */
  mtime: Time | undefined;
  /** Bytes of a regular file. */
  size = 0;
  /** Of a symbolic link, binary. */
  target = "";
  deviceMajor = 0;
  deviceMinor = 0;
  /** Names and values binary. */
  xattrs: Map<string, string> | undefined;
  /** Of a directory, by binary name. */
  readonly children: Map<string, ExpectedNode> | undefined;
  /** How many names it has. */
  names = 0;
  /**
   * CRC-64 in base64 of content that is kept in the record as well: the file
   * itself has not been looked at yet.
   */
  kept: string | undefined;
  /** What is wrong with its content has been said. */
  reported = false;
  /** One of its names was found. */
  present = false;
  /** The inode that the first of its names was found to be. */
  inode: bigint | undefined;

  constructor(kind: Kind) {
    this.kind = kind;
    this.children = kind === "directory" ? new Map() : undefined;
  }

  /** Bytes as docker's size of a layer counts them. */
  get counted(): number {
    if (this.kind === "file") return this.size;
    return this.kind === "symlink" ? this.target.length : 0;
  }

  setXattr(name: string, value: string): void {
    this.xattrs ??= new Map();
    this.xattrs.set(name, value);
  }
}
