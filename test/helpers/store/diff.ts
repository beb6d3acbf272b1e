/**
 * Compares two data roots: the metadata byte for byte, the layers' trees with
 * everything a file system keeps. Names that are random by design (cache-ids,
 * short links) are replaced by the layer they stand for, and only times of
 * creation are left out.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { storedLayers, type StoredLayer } from "./data-root.js";
import { comparableLines, memberPaths, readTarSplit } from "./tar-split.js";
import { diffTrees, readTrees, type Tree, type TreeEntry } from "../tree.js";

/** dockerd makes these when it first needs them. */
const MADE_ON_DEMAND = new Set([
  "image/overlay2/layerdb/tmp",
  "image/overlay2/layerdb/mounts",
]);

/** The kernel makes this where it mounts a layer, as dockerd does to copy one. */
const OF_A_MOUNT = /^overlay2\/[0-9a-f]{64}\/work\//;

/** Everything in both stores but the contents of layers, with comparable names. */
async function readMetadata(root: string): Promise<Tree> {
  const rename = await renaming(root);
  const stores = ["image", "overlay2"];
  const trees = await readTrees(
    stores.map((store) => join(root, store)),
    { prune: "diff" },
  );
  const entries = new Map<string, TreeEntry>();
  for (const [i, tree] of trees.entries()) {
    for (const entry of tree.values()) {
      const path = join(stores[i]!, entry.path);
      if (MADE_ON_DEMAND.has(path) || OF_A_MOUNT.test(path)) continue;
      const { links: _, inode: __, ...kept } = withoutMountMarks(entry);
      const named = {
        ...kept,
        mtime: "",
        path: rename(path),
        ...(entry.target === undefined ? {} : { target: rename(entry.target) }),
        ...(entry.type === "file"
          ? { size: 0, sha256: rename(await comparableText(join(root, path))) }
          : {}),
      };
      entries.set(named.path, named);
    }
  }
  return entries;
}

/** The kernel's bookkeeping on the top directory of a layer that was mounted. */
function withoutMountMarks(entry: TreeEntry): TreeEntry {
  const xattrs = Object.entries(entry.xattrs).filter(
    ([name]) => !/^trusted\.overlay\.(uuid|impure|origin|upper)$/.test(name),
  );
  return { ...entry, xattrs: Object.fromEntries(xattrs) };
}

/** The file's text: of metadata, a difference is to be read. */
async function comparableText(path: string): Promise<string> {
  if (path.endsWith("/tar-split.json.gz"))
    return comparableLines(await readTarSplit(path)).join("\n");
  return await readFile(path, "latin1");
}

/** Replaces random names by what they stand for. */
async function renaming(root: string): Promise<(text: string) => string> {
  const names = new Map<string, string>();
  for (const layer of (await storedLayers(root)).values()) {
    names.set(layer.cacheId, `<layer ${layer.chain}>`);
    names.set(layer.link, `<link ${layer.chain}>`);
  }
  return (text) =>
    text.replace(/\b([0-9a-f]{64}|[A-Z2-7]{26})\b/g, (name) => {
      return names.get(name) ?? name;
    });
}

/** Differences in the metadata of two whole data roots. */
export async function diffMetadata(
  left: string,
  right: string,
  names: readonly [string, string],
): Promise<string[]> {
  return diffTrees(await readMetadata(left), await readMetadata(right), names);
}

/**
 * Differences between the files that two data roots hold of an image's layers.
 * @param chains chain IDs, `sha256:…`
 */
export async function diffLayers(
  left: string,
  right: string,
  chains: readonly string[],
  names: readonly [string, string],
): Promise<string[]> {
  const layers = await Promise.all(
    [left, right].map(async (root) => {
      const stored = await storedLayers(root);
      return chains.map((chain) => stored.get(chain.slice("sha256:".length)));
    }),
  );
  const missing = chains.flatMap((chain, i) =>
    layers.every((side) => side[i]) ? [] : [`${chain} is not in both roots`],
  );
  if (missing.length > 0) return missing;
  const found = layers.flat() as StoredLayer[];
  const trees = await readTrees(
    found.map(({ folder }) => join(folder, "diff")),
  );
  const differences: string[] = [];
  for (let i = 0; i < chains.length; i++) {
    const { chain, record } = found[i]!;
    const lines = await readTarSplit(join(record, "tar-split.json.gz"));
    const members = memberPaths(lines);
    const [a, b] = [trees[i]!, trees[i + chains.length]!].map(withoutTopMarks);
    const inLayer = diffTrees(a!, b!, names, {
      ignore: (entry) => (hasOwnTime(entry, members) ? [] : ["mtime"]),
    });
    differences.push(
      ...inLayer.map((d) => `layer ${chain.slice(0, 12)}: ${d}`),
    );
  }
  return differences;
}

function withoutTopMarks(tree: Tree): Tree {
  return new Map(tree).set(".", withoutMountMarks(tree.get(".")!));
}

/** A folder made in passing and a whiteout get the time at which they were made. */
function hasOwnTime(entry: TreeEntry, members: ReadonlySet<string>): boolean {
  return entry.path !== "." && members.has(entry.path);
}
