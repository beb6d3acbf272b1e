/**
 * The complete content of a directory tree, metadata included, and a readable
 * difference between two of them. Node sees neither extended attributes nor
 * names that are not UTF-8, so python3 does the reading.
 */
import { join } from "node:path";
import { requirePeer } from "./peers.js";
import { runOk } from "./run.js";

export interface TreeEntry {
  /** Relative to the listed directory, which itself is `.`. */
  readonly path: string;
  readonly type:
    "file" | "directory" | "symlink" | "char" | "block" | "fifo" | "socket";
  /** Permission bits, four octal digits. */
  readonly mode: string;
  /** `uid:gid` */
  readonly owner: string;
  /** Seconds and nine digits of nanoseconds; below 1970 the seconds are rounded down. */
  readonly mtime: string;
  /** Value by name, in hexadecimal digits; all namespaces. */
  readonly xattrs: Readonly<Record<string, string>>;
  /** Number of names of the inode; not for directories. */
  readonly links?: number;
  /** The first path, in order of listing, that is the same inode. */
  readonly inode?: string;
  readonly size?: number;
  /** Of a regular file's content. */
  readonly sha256?: string;
  readonly target?: string;
  /** `major:minor` */
  readonly device?: string;
}

/** A tree's entries by path, in byte order of the paths. */
export type Tree = ReadonlyMap<string, TreeEntry>;

const LISTER = join(import.meta.dirname, "tree.py");

/**
 * Reads whole trees, in the order of their directories.
 * @param options.prune name of directories that are listed but not entered
 */
export async function readTrees(
  directories: readonly string[],
  options: { prune?: string } = {},
): Promise<Tree[]> {
  const listing = await runOk(requirePeer("python3"), [
    LISTER,
    options.prune ?? "",
    ...directories,
  ]);
  return listing
    .split("\n\n")
    .slice(0, -1)
    .map((tree) => {
      const entries = tree.split("\n").map((l) => JSON.parse(l) as TreeEntry);
      return new Map(entries.map((entry) => [entry.path, entry]));
    });
}

export interface DiffOptions {
  /** Fields that may differ for an entry, e.g. the mtime of a directory that was made in passing. */
  readonly ignore?: (entry: TreeEntry) => readonly (keyof TreeEntry)[];
}

/**
 * One line for each difference, e.g. `etc/motd: mode 0644 / 0600`; empty when
 * the trees are equal. Names of the sides are for the reader only.
 */
export function diffTrees(
  left: Tree,
  right: Tree,
  names: readonly [string, string],
  options: DiffOptions = {},
): string[] {
  const differences: string[] = [];
  for (const path of new Set([...left.keys(), ...right.keys()])) {
    const a = left.get(path);
    const b = right.get(path);
    if (a === undefined || b === undefined) {
      differences.push(`${show(path)}: only in ${names[a ? 0 : 1]}`);
      continue;
    }
    const ignored = new Set(options.ignore?.(a) ?? []);
    const fields = new Set([...Object.keys(a), ...Object.keys(b)]);
    for (const field of fields as Set<keyof TreeEntry>) {
      const [was, is] = [JSON.stringify(a[field]), JSON.stringify(b[field])];
      if (was === is || ignored.has(field)) continue;
      differences.push(`${show(path)}: ${field} ${was} / ${is}`);
    }
  }
  return differences;
}

function show(path: string): string {
  const quoted = JSON.stringify(path);
  return quoted === `"${path}"` ? path : quoted;
}
