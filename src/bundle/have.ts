/** What the other side has already: the layers that a bundle may leave out. */
import { tmpdir } from "node:os";
import { open, readFile, stat } from "node:fs/promises";
import {
  type DiffId,
  TpullError,
  isDigest,
  isTpullError,
} from "../../store/index.js";
import { isJsonBeyond, isTooDeepForGo } from "../../store/json-shape.js";
import { printable } from "../../store/reference/printable.js";
import { ELSEWHERE, temporaryFile } from "../archive/temporary-file.js";
import { openArchive } from "../archive/open.js";
import { type ArchiveFiles, readFileOf } from "../archive/files.js";

/** Longest inventory that is read. */
const MAX_INVENTORY_BYTES = 64 * 1024 * 1024;
const INVENTORY_LIMITS = { depth: 16, values: 1_000_000 };
const MAX_CONFIG_BYTES = 8 * 1024 * 1024;

const NEITHER = "is neither an inventory nor an archive of images";

/**
 * The diff IDs that a file names: an inventory, as `tpull inventory` prints it,
 * or an archive of images, such as an older bundle.
 * @throws TpullError `HAVE_INVALID`, `ARCHIVE_*`
 */
export async function readHave(
  path: string,
  signal: AbortSignal,
): Promise<Set<DiffId>> {
  const inventory = await inventoryIn(path);
  if (inventory !== undefined) return inventory;
  await using files = await archiveAt(path, signal);
  const found = new Set<DiffId>();
  const seen = new Set<string>();
  for (const name of files.names()) {
    // Configs are small, and nothing else that is small looks like one.
    const { size = Infinity, identity = "" } = (await files.find(name)) ?? {};
    if (size > MAX_CONFIG_BYTES || seen.has(identity)) continue;
    seen.add(identity);
    let first: number | undefined;
    for await (const chunk of files.stream(name, 0, Math.min(1, size))) {
      first = chunk[0];
    }
    if (first !== 0x7b) continue;
    const bytes = await readFileOf(files, name, MAX_CONFIG_BYTES);
    for (const id of diffIdsIn(bytes)) found.add(id);
  }
  if (found.size === 0) throw invalid(path, NEITHER);
  return found;
}

/** @throws TpullError `HAVE_INVALID` for what is neither of the two */
async function archiveAt(
  path: string,
  signal: AbortSignal,
): Promise<ArchiveFiles> {
  try {
    return await openArchive(path, {
      temporaryFile,
      temporaryFolder: tmpdir(),
      elsewhere: ELSEWHERE,
      signal,
    });
  } catch (error) {
    if (!isTpullError(error) || error.code !== "ARCHIVE_INVALID") throw error;
    throw invalid(path, NEITHER);
  }
}

async function inventoryIn(path: string): Promise<Set<DiffId> | undefined> {
  let text: Buffer;
  try {
    const stats = await stat(path);
    if (!stats.isFile() || stats.size > MAX_INVENTORY_BYTES) return undefined;
    const file = await open(path, "r");
    try {
      const head = Buffer.alloc(1);
      await file.read(head, 0, 1, 0);
      if (head.toString() !== "{") return undefined;
    } finally {
      await file.close();
    }
    text = await readFile(path);
  } catch (error) {
    throw invalid(path, `cannot be read: ${(error as Error).message}`);
  }
  let value: unknown;
  try {
    if (isJsonBeyond(text, INVENTORY_LIMITS)) throw new Error("too deep");
    value = JSON.parse(text.toString("utf8"));
  } catch {
    throw invalid(path, "is no JSON that an inventory would be");
  }
  const { inventory, diffIds } = value as {
    inventory?: unknown;
    diffIds?: unknown;
  };
  if (inventory !== 1 || !Array.isArray(diffIds) || !diffIds.every(isDigest)) {
    throw invalid(path, "is no inventory that this version of tpull reads");
  }
  return new Set(diffIds as string[] as DiffId[]);
}

function invalid(path: string, what: string): TpullError {
  return new TpullError("HAVE_INVALID", `${printable(path)} ${what}`, {
    hint: "--have takes what 'tpull inventory' prints on the other side, or an archive of images such as an older bundle.",
  });
}

function diffIdsIn(bytes: Buffer | undefined): DiffId[] {
  if (bytes === undefined || isTooDeepForGo(bytes)) return [];
  try {
    const { rootfs } = JSON.parse(bytes.toString("utf8")) as {
      rootfs?: { diff_ids?: unknown };
    };
    const ids = rootfs?.diff_ids;
    return Array.isArray(ids)
      ? (ids.filter(isDigest) as string[] as DiffId[])
      : [];
  } catch {
    return [];
  }
}
