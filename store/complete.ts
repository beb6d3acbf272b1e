/**
 * Layers that are whole but not in the store yet. A small file in the staging
 * directory, written last, says so; with it the layer outlives its process and
 * serves the next one that wants it.
 *
 * Nothing of such a layer is flushed: a commit does that. So the note counts
 * only as long as what was written is certainly still there, which is as long
 * as this kernel runs and has the filesystem mounted.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
} from "node:fs";
import { renameDomain, unmark, writeNew } from "./atomic.js";
import {
  type ChainId,
  type DiffId,
  type Digest,
  chainId as chainIdOf,
  isDigest,
} from "./digest.js";
import type { TreeWarning } from "./ingest/layer-tree.js";
import { errnoOf, isAbsent } from "./io-error.js";
import type { StagingPaths } from "./layout.js";
import { privilege } from "./privilege.js";
import { readText } from "./read.js";

/** What a commit has to know of a layer that is unpacked and verified. */
export interface WholeLayer {
  readonly diffId: DiffId;
  /** Absent for a base layer. */
  readonly parent?: ChainId | undefined;
  /** Bytes of all unpacked files as docker counts them. */
  readonly size: number;
  /** The blob that has proved to be this layer; absent when it was copied. */
  readonly blob?: Digest | undefined;
  readonly warnings: readonly TreeWarning[];
}

/** Raised when a layer that an older version unpacked must not be used any more. */
export const STAGING_FORMAT: number = 1;
const MAX_BYTES = 64 * 1024;
const MODE = 0o600;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/**
 * Names what must not change for an unflushed layer to stay whole: the run of
 * the kernel, the mount it was written to, and the rights it was written with.
 * Undefined where that cannot be told.
 * @param base the directory of all staging directories
 */
export async function eraOf(base: string): Promise<string | undefined> {
  const boot = readText(BOOT_ID)?.trim();
  if (boot === undefined || boot === "") return undefined;
  return `${boot} ${await renameDomain(base)} ${privilege()}`;
}

/** Notes that a staged layer is whole. Not flushed. */
export function writeComplete(
  paths: StagingPaths,
  era: string,
  layer: WholeLayer,
): void {
  const { diffId, parent, size, blob, warnings } = layer;
  const note = {
    format: STAGING_FORMAT,
    era,
    diffId,
    parent,
    size,
    blob,
    warnings,
  };
  writeNew(paths.complete, JSON.stringify(note), MODE);
}

/** Takes the note away; from here on the layer may be taken apart. */
export function forgetComplete(paths: StagingPaths): void {
  unmark(paths.complete);
}

/** When the layer was noted as whole, in milliseconds since 1970; undefined without a note. */
export function completeSince(paths: StagingPaths): number | undefined {
  try {
    return lstatSync(paths.complete).mtimeMs;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * The note of a staged layer, if it is one of ours and still true.
 * @param era see {@link eraOf}; any when undefined is not enough: then there is none
 */
export function readComplete(
  paths: StagingPaths,
  chainId: ChainId,
  era: string | undefined,
): WholeLayer | undefined {
  const text = readOwn(paths);
  if (text === undefined || era === undefined) return undefined;
  const note = parse(text);
  if (note === undefined || note.era !== era) return undefined;
  const { layer } = note;
  return chainIdOf(layer.parent, layer.diffId) === chainId ? layer : undefined;
}

/** The blob of a layer that a note calls whole, true or not. */
export function blobOfComplete(paths: StagingPaths): Digest | undefined {
  const text = readOwn(paths);
  return text === undefined ? undefined : parse(text)?.layer.blob;
}

/** Reads the note unless somebody else may have written it. */
function readOwn({ directory, complete }: StagingPaths): string | undefined {
  const user = process.geteuid?.();
  const isOurs = ({ uid, mode }: { uid: number; mode: number }): boolean =>
    uid === user && (mode & 0o022) === 0;
  let fd: number;
  try {
    if (!isOurs(lstatSync(directory))) return undefined;
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    fd = openSync(complete, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const code = errnoOf(error);
    if (isAbsent(error) || code === "ELOOP" || code === "ENXIO") {
      return undefined;
    }
    throw error;
  }
  try {
    const found = fstatSync(fd);
    const fits = found.isFile() && found.size <= MAX_BYTES && isOurs(found);
    return fits ? readFileSync(fd, "utf8") : undefined;
  } finally {
    closeSync(fd);
  }
}

function parse(text: string): { era: string; layer: WholeLayer } | undefined {
  let note: Record<string, unknown>;
  try {
    note = Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { format, era, diffId, parent, size, blob, warnings } = note;
  if (format !== STAGING_FORMAT || typeof era !== "string") return undefined;
  if (!isDigest(diffId)) return undefined;
  if (parent !== undefined && !isDigest(parent)) return undefined;
  if (blob !== undefined && !isDigest(blob)) return undefined;
  if (!Number.isSafeInteger(size) || (size as number) < 0) return undefined;
  if (!Array.isArray(warnings) || !warnings.every(isWarning)) return undefined;
  return {
    era,
    layer: {
      diffId: diffId as string as DiffId,
      ...(parent === undefined ? {} : { parent: parent as string as ChainId }),
      size: size as number,
      ...(blob === undefined ? {} : { blob }),
      warnings,
    },
  };
}

function isWarning(value: unknown): value is TreeWarning {
  const { kind, count, example } = Object(value) as Record<string, unknown>;
  return (
    (kind === "device" || kind === "xattr") &&
    Number.isSafeInteger(count) &&
    typeof example === "string"
  );
}
