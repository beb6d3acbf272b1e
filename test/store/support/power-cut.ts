/**
 * What a power cut may leave of a recorded session. The model is harsh but fair:
 *
 * - What was written to a file is lost unless the file, or all, was flushed since.
 * - A change of a directory (a rename: of both of its directories) is there for
 *   certain once that directory, or all, was flushed.
 * - Changes that were not flushed are lost from any one of them to the last: a
 *   filesystem that was not asked to hurry writes them in their order, but a
 *   flush of one directory overtakes the changes of others.
 */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Operation } from "./sessions.js";

/** Directory, bytes of a file, or target of a link. */
type Node = Map<string, Node> | { data: Buffer } | { target: string };

/** A session up to a cut, and the state of its directory that is left. */
export interface Cut {
  readonly title: string;
  /** Lays the state out in an empty folder; resolves to the root in it. */
  restore(folder: string): string;
}

/**
 * Every state that a cut at any moment may leave, each once.
 * @param settled how many operations, the last of them a flush of everything,
 *   were over before; no cut comes before their end
 */
export function powerCuts(
  root: string,
  operations: readonly Operation[],
  settled: number = 0,
): Cut[] {
  const above = dirname(root);
  const changes = changesOf(above, operations);
  const cuts = new Map<string, Cut>();

  for (let end = settled; end <= changes.length; end += 1) {
    const done = changes.slice(0, end);
    for (let kept = settled; kept <= end; kept += 1) {
      if (kept > settled && isSettled(changes[kept - 1]!, end)) continue;
      const tree: Node = new Map();
      for (const [at, { operation, durableFrom }] of done.entries()) {
        const isThere = operation.op !== "write" && at < kept;
        if (durableFrom < end || isThere) {
          apply(tree, above, operation);
        }
      }
      const key = describe(tree);
      if (cuts.has(key)) continue;
      const restore = (folder: string): string => {
        layOut(tree, folder);
        return join(folder, relative(above, root));
      };
      const title = `after ${end} operations, keeping ${kept} of them`;
      cuts.set(key, { title, restore });
    }
  }
  return [...cuts.values()];
}

/** Whether a change is there, or not, however much is kept of what was not flushed. */
function isSettled({ operation, durableFrom }: Change, end: number): boolean {
  return durableFrom < end || operation.op === "write";
}

function isFlush({ op }: Operation): boolean {
  return op === "flush" || op === "flushAll";
}

interface Change {
  readonly operation: Operation;
  /** The directories, or the file, that it changes. */
  readonly touched: readonly Node[];
  /** Index of the flush that makes it durable; infinite where none does. */
  durableFrom: number;
}

function changesOf(above: string, operations: readonly Operation[]): Change[] {
  const tree: Node = new Map();
  const changes: Change[] = [];
  for (const [at, operation] of operations.entries()) {
    if (isFlush(operation)) {
      const flushed =
        operation.op === "flush"
          ? find(tree, relative(above, operation.path))
          : undefined;
      for (const change of changes) {
        if (flushed !== undefined && !change.touched.includes(flushed))
          continue;
        change.durableFrom = Math.min(change.durableFrom, at);
      }
    }
    const touched = apply(tree, above, operation);
    changes.push({ operation, touched, durableFrom: Number.POSITIVE_INFINITY });
  }
  return changes;
}

/**
 * Carries an operation out, if what it needs is there.
 * @returns the directories or the file that it changed
 */
function apply(tree: Node, above: string, operation: Operation): Node[] {
  if (operation.op === "flush" || operation.op === "flushAll") return [];
  if ("from" in operation) {
    const from = slot(tree, relative(above, operation.from));
    const to = slot(tree, relative(above, operation.to));
    return operation.op === "rename" ? rename(from, to) : exchange(from, to);
  }
  const path = relative(above, operation.path);
  if (operation.op === "write") {
    const file = find(tree, path);
    if (file === undefined || !("data" in file)) return [];
    file.data = Buffer.concat([
      file.data,
      Buffer.from(operation.data, "base64"),
    ]);
    return [file];
  }
  const { directory, name } = slot(tree, path);
  if (directory === undefined) return [];
  if (operation.op === "remove") {
    // Where the removal of what was in a directory is lost and its own is not, all of it is gone.
    directory.delete(name);
  } else if (!directory.has(name)) {
    directory.set(name, created(operation));
  }
  return [directory];
}

function created(operation: Operation): Node {
  if (operation.op === "mkdir") return new Map();
  if (operation.op === "symlink") return { target: operation.target };
  return { data: Buffer.alloc(0) };
}

interface Slot {
  /** Undefined when there is no such directory. */
  readonly directory: Map<string, Node> | undefined;
  readonly name: string;
}

function rename(from: Slot, to: Slot): Node[] {
  const moved = from.directory?.get(from.name);
  if (moved === undefined || from.directory === undefined) return [];
  if (to.directory === undefined || isOccupied(to.directory.get(to.name))) {
    return [];
  }
  from.directory.delete(from.name);
  to.directory.set(to.name, moved);
  return [from.directory, to.directory];
}

function exchange(one: Slot, other: Slot): Node[] {
  const [first, second] = [one, other].map(({ directory, name }) =>
    directory?.get(name),
  );
  if (one.directory === undefined || other.directory === undefined) return [];
  if (first === undefined || second === undefined) return [];
  one.directory.set(one.name, second);
  other.directory.set(other.name, first);
  return [one.directory, other.directory];
}

function slot(tree: Node, path: string): Slot {
  const directory = find(tree, dirname(path));
  return {
    directory: directory instanceof Map ? directory : undefined,
    name: path.slice(path.lastIndexOf("/") + 1),
  };
}

function find(tree: Node, path: string): Node | undefined {
  let found: Node | undefined = tree;
  for (const name of path.split("/")) {
    if (name === "." || name === "") continue;
    found = found instanceof Map ? found.get(name) : undefined;
  }
  return found;
}

function isOccupied(node: Node | undefined): boolean {
  return node instanceof Map && node.size > 0;
}

/** Equal for equal trees. */
function describe(node: Node): string {
  if (!(node instanceof Map)) {
    return "data" in node ? node.data.toString("base64") : `>${node.target}`;
  }
  const entries = [...node].map(([name, child]) => [name, describe(child)]);
  return JSON.stringify(entries.sort(([a], [b]) => (a! < b! ? -1 : 1)));
}

function layOut(node: Node, path: string): void {
  if (node instanceof Map) {
    mkdirSync(path, { recursive: true });
    for (const [name, child] of node) layOut(child, join(path, name));
  } else if ("data" in node) {
    writeFileSync(path, node.data);
  } else {
    symlinkSync(node.target, path);
  }
}
