/** What a bundle that was not finished has left for the next run. */
import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { ARCHIVE, PARTS, blobsIn, found, isBlobName } from "./own-folder.js";
import { partsBeside } from "./place.js";

export interface KeptParts {
  /** The folder that they are in. */
  readonly path: string;
  readonly bytes: number;
}

/**
 * Bytes that were fetched for a bundle and wait for the next run.
 * @param to as for {@link bundleImages}
 * @returns undefined where nothing waits
 */
export function keptParts(to: string): KeptParts | undefined {
  const whole = resolve(to);
  const isDirectory =
    to.endsWith("/") ||
    statSync(whole, { throwIfNoEntry: false })?.isDirectory() === true;
  const path = isDirectory ? whole : partsBeside(whole);
  if (found(join(path, PARTS))?.isDirectory() !== true) return undefined;
  const files = [
    ...blobFiles(blobsIn(path)),
    ...blobFiles(join(path, PARTS)),
    join(path, ARCHIVE),
  ];
  const bytes = files
    .map(found)
    .reduce((sum, file) => sum + (file?.isFile() ? file.size : 0), 0);
  return bytes === 0 ? undefined : { path, bytes };
}

function blobFiles(folder: string): string[] {
  if (found(folder)?.isDirectory() !== true) return [];
  return readdirSync(folder)
    .filter(isBlobName)
    .map((name) => join(folder, name));
}
