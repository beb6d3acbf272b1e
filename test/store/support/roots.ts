/** Data roots under test: where they live, what is in them, and whether that fits together. */
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach } from "vitest";
import {
  openStore,
  type StoreWriter,
  type WriteOptions,
} from "#store/index.js";

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) {
    await rm(folder, { recursive: true, force: true });
  }
});

/** A directory that is removed after the test; anyone may write in it. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tpull-store-"));
  await chmod(folder, 0o777);
  folders.push(folder);
  return folder;
}

/** A path at which no root exists yet. */
export async function newRoot(): Promise<string> {
  return join(await temporaryFolder(), "root");
}

/** A root with these directories (ending in /) and files. */
export async function rootWith(...paths: string[]): Promise<string> {
  const root = await newRoot();
  await mkdir(root);
  for (const path of paths) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    if (path.endsWith("/")) await mkdir(join(root, path), { recursive: true });
    else await writeFile(join(root, path), "");
  }
  return root;
}

/** Runs one writing session to its end. */
export async function writing<T>(
  root: string,
  work: (writer: StoreWriter) => Promise<T>,
  options: WriteOptions = {},
): Promise<T> {
  const store = await openStore(root);
  await using writer = await store.beginWrite(options);
  return await work(writer);
}

/** For a session that sweeps whatever others left, however new. */
export const SWEEPING: WriteOptions = { leftovers: { maxAgeMs: -1000 } };

/** One line for everything in a tree: path, type, mode, and content where it is small. */
export async function listing(root: string): Promise<string[]> {
  const lines: string[] = [];
  for (const path of await pathsBelow(root)) {
    const found = await lstat(path);
    const mode = (found.mode & 0o7777).toString(8).padStart(4, "0");
    const name = path.slice(root.length) || "/";
    let what = "directory";
    if (found.isSymbolicLink()) what = `-> ${await readlink(path)}`;
    else if (found.isFile()) {
      what = JSON.stringify(await readFile(path, "latin1"));
    }
    lines.push(`${name} ${mode} ${what}`);
  }
  return lines;
}

async function pathsBelow(path: string): Promise<string[]> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return [];
  if (!found.isDirectory()) return [path];
  const names = (await readdir(path)).sort();
  const below = await Promise.all(
    names.map((name) => pathsBelow(join(path, name))),
  );
  return [path, ...below.flat()];
}

/** The hexadecimal chain IDs of all layers in a root. */
export async function layersIn(root: string): Promise<string[]> {
  return (await names(join(root, "image/overlay2/layerdb/sha256"))).sort();
}

/** What does not belong in a root where no session runs: half-done things, and what nothing refers to. */
export async function litter(root: string): Promise<string[]> {
  const found: string[] = [];
  const driver = join(root, "image/overlay2");
  const overlay = join(root, "overlay2");
  for (const path of [
    "tpull/staging",
    "tpull/partial",
    "tpull/unused",
    "overlay2/.tpull-staging",
    "image/overlay2/layerdb/tmp",
  ]) {
    for (const name of await names(join(root, path))) {
      found.push(`${path}/${name}`);
    }
  }
  for (const path of (await pathsBelow(driver)).filter((one) =>
    one.includes(".tmp-"),
  )) {
    found.push(path.slice(root.length));
  }
  const caches = new Map<string, string>();
  for (const chain of await names(join(driver, "layerdb/sha256"))) {
    const layer = join(driver, "layerdb/sha256", chain);
    caches.set(await readFile(join(layer, "cache-id"), "utf8"), layer);
  }
  const links = new Map<string, string>();
  for (const name of await names(overlay)) {
    if (name === "l" || name === ".tpull-staging") continue;
    if (!caches.has(name)) {
      found.push(`overlay2/${name} without layer`);
      continue;
    }
    const link = await readFile(join(overlay, name, "link"), "utf8");
    links.set(link, `../${name}/diff`);
  }
  for (const name of caches.keys()) {
    if (![...links.values()].includes(`../${name}/diff`)) {
      found.push(`layer without overlay2/${name}`);
    }
  }
  for (const link of await names(join(overlay, "l"))) {
    const target = await readlink(join(overlay, "l", link));
    if (links.get(link) !== target) found.push(`overlay2/l/${link}`);
    links.delete(link);
  }
  for (const link of links.keys()) found.push(`no overlay2/l/${link}`);
  return found;
}

async function names(path: string): Promise<string[]> {
  return await readdir(path).catch(() => []);
}
