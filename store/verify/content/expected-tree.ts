/**
 * The tree that unpacking an archive leaves, worked out from its headers alone.
 * Every step is one that LayerTree (and dockerd) takes on real files; where they
 * would refuse a member, so does this.
 */
import {
  cleanName,
  splitPath,
  type CleanName,
} from "../../ingest/member-name.js";
import { fileTimes, linkTimes } from "../../ingest/member-times.js";
import { shownName } from "../../ingest/syscall-failure.js";
import { type TarHeader, Type } from "../../ingest/tar-header.js";
import { ExpectedNode, type Kind } from "./expected-node.js";

/** Linux' limit for links met in one path. */
const MAX_LINKS = 40;
const WHITEOUT_PREFIX = ".wh.";
const OPAQUE_MARK = ".wh..wh..opq";
export const OPAQUE = "trusted.overlay.opaque";
const CAPABILITY = "security.capability";
const SETGID = 0o2000;

const KINDS: Readonly<Record<string, Kind>> = {
  [Type.regular]: "file",
  [Type.symlink]: "symlink",
  [Type.charDevice]: "character",
  [Type.blockDevice]: "block",
  [Type.directory]: "directory",
  [Type.fifo]: "fifo",
};

/** Owner and mode of a root member, which some daemons apply to `diff` itself. */
export type RootMember = Pick<TarHeader, "mode" | "uid" | "gid">;

export class ExpectedTree {
  readonly root: ExpectedNode = new ExpectedNode("directory");
  /** What the archive says of the layer's root, each time it does. */
  readonly rootMembers: RootMember[] = [];
  /** Sum of the size fields of all members: what docker counts where it cannot look at files. */
  headerBytes = 0;
  /** A member took the place of a directory: later names may be repeated ones without it showing. */
  replaced = false;

  /**
   * @returns the node that the member is now a name of; undefined for one that
   *   makes no file of its own
   * @throws TpullError or Error saying why the member cannot be unpacked
   */
  apply(header: TarHeader): ExpectedNode | undefined {
    if (header.type === Type.paxGlobal) return undefined;
    this.headerBytes += header.size;
    const name = cleanName(header.name);
    const { base } = name;
    if (base === "") {
      this.rootMembers.push(header);
      return undefined;
    }
    const parent = this.#directory(name.parent);
    if (base === OPAQUE_MARK) {
      parent.setXattr(OPAQUE, "y");
      return undefined;
    }
    if (base.startsWith(WHITEOUT_PREFIX)) {
      this.#whiteout(parent, base.slice(WHITEOUT_PREFIX.length), header);
      return undefined;
    }
    return header.type === Type.hardlink
      ? this.#hardlink(parent, base, header)
      : this.#make(parent, base, header);
  }

  #whiteout(parent: ExpectedNode, hidden: string, header: TarHeader): void {
    if (hidden === "" || hidden === "." || hidden === "..") {
      throw new Error("it is a whiteout of nothing");
    }
    if (parent.children?.has(hidden)) {
      throw new Error("it removes what the same layer adds");
    }
    const node = new ExpectedNode("character");
    node.mode = 0;
    node.uid = header.uid;
    node.gid = header.gid;
    put(parent, hidden, node);
  }

  #hardlink(
    parent: ExpectedNode,
    base: string,
    header: TarHeader,
  ): ExpectedNode {
    const target = cleanName(header.linkName, "hard link's target");
    const linked = this.find(target);
    if (linked === undefined || linked.kind === "directory") {
      throw new Error(
        `it is a hard link to ${shownName(header.linkName)}, which is not in the layer`,
      );
    }
    this.#clear(parent, base);
    put(parent, base, linked);
    linked.uid = header.uid;
    linked.gid = header.gid;
    // As chown(2) does.
    linked.xattrs?.delete(CAPABILITY);
    addXattrs(linked, header);
    if (linked.kind !== "symlink") {
      linked.mode = header.mode;
      linked.mtime = fileTimes(header).mtime;
    }
    return linked;
  }

  #make(parent: ExpectedNode, base: string, header: TarHeader): ExpectedNode {
    const kind = KINDS[header.type];
    if (kind === undefined) {
      throw new Error(
        `its tar type ${JSON.stringify(header.type)} is not one that docker unpacks`,
      );
    }
    const before = parent.children?.get(base);
    const merges = kind === "directory" && before?.kind === "directory";
    let node = before;
    if (!merges || node === undefined) {
      this.#clear(parent, base);
      node = new ExpectedNode(kind);
      put(parent, base, node);
    }
    node.mode = header.mode;
    node.uid = header.uid;
    node.gid = header.gid;
    addXattrs(node, header);
    node.mtime =
      kind === "symlink" ? linkTimes(header).mtime : fileTimes(header).mtime;
    if (kind === "file") node.size = header.size;
    if (kind === "symlink") node.target = header.linkName;
    if (kind === "character" || kind === "block") {
      node.deviceMajor = header.deviceMajor;
      node.deviceMinor = header.deviceMinor;
    }
    return node;
  }

  #clear(parent: ExpectedNode, base: string): void {
    const before = parent.children?.get(base);
    if (before === undefined) return;
    if (before.kind === "directory") this.replaced = true;
    parent.children?.delete(base);
    forget(before);
  }

  /** What has that name; undefined when nothing does. */
  find(name: CleanName): ExpectedNode | undefined {
    if (name.base === "") return this.root;
    const parent = this.#walk(name.parent, false);
    return parent?.children?.get(name.base);
  }

  #directory(path: string): ExpectedNode {
    const found = this.#walk(path, true);
    if (found === undefined) {
      throw new Error("something on its path is not a directory");
    }
    return found;
  }

  #lastPath = "";
  #last: ExpectedNode | undefined;

  /** The directory at that path, links within the layer followed as in a chroot. */
  #walk(path: string, create: boolean): ExpectedNode | undefined {
    if (path === "") return this.root;
    // A tar lists a directory's children together.
    const isLast = path === this.#lastPath && !this.#linked;
    if (isLast && this.#last?.names === 1) return this.#last;
    const found = this.#follow(path, create);
    this.#lastPath = path;
    this.#last = found;
    return found;
  }

  /** A link was followed: then a path may lead elsewhere later. */
  #linked = false;

  #follow(path: string, create: boolean): ExpectedNode | undefined {
    const pending = path.split("/").toReversed();
    const way: ExpectedNode[] = [this.root];
    let links = 0;
    for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
      if (part === "..") {
        if (way.length > 1) way.pop();
        continue;
      }
      const at = way.at(-1) ?? this.root;
      let next = at.children?.get(part);
      if (next === undefined) {
        if (!create) return undefined;
        next = new ExpectedNode("directory");
        next.mode |= at.mode & SETGID;
        put(at, part, next);
      }
      if (next.kind === "symlink") {
        links += 1;
        if (links > MAX_LINKS) return undefined;
        this.#linked = true;
        if (next.target.startsWith("/")) way.length = 1;
        pending.push(
          ...next.target
            .split("/")
            .filter((piece) => piece !== "" && piece !== ".")
            .toReversed(),
        );
        continue;
      }
      if (next.kind !== "directory") return undefined;
      way.push(next);
    }
    return way.at(-1);
  }

  /** The size of the layer as docker counts it. */
  get bytes(): number {
    let total = 0;
    const seen = new Set<ExpectedNode>();
    const pending = [this.root];
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      for (const node of at.children?.values() ?? []) {
        if (node.kind === "directory") pending.push(node);
        else if (node.names === 1) total += node.counted;
        else if (!seen.has(node)) {
          seen.add(node);
          total += node.counted;
        }
      }
    }
    return total;
  }
}

function put(parent: ExpectedNode, base: string, node: ExpectedNode): void {
  parent.children?.set(base, node);
  node.names += 1;
}

/** Takes one of its names from a node, and all of theirs from what is below it. */
function forget(node: ExpectedNode): void {
  node.names -= 1;
  for (const child of node.children?.values() ?? []) forget(child);
}

function addXattrs(node: ExpectedNode, { xattrs }: TarHeader): void {
  for (const [name, value] of xattrs ?? []) node.setXattr(name, value);
}

/** The name with `..` stopped at the layer's root, as in a chroot; for archives that old daemons took. */
export function clampedName(name: string): string {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return splitPath(parts.join("/")).path;
}
