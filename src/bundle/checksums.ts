/**
 * `SHA256SUMS` beside what is carried: lines as sha256sum(1) writes and checks
 * them, to be signed or sent another way. Of a directory they name each file of
 * the bundle.
 */
import { readFile, readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TpullError } from "../../store/index.js";
import { isAbsent } from "../../store/io-error.js";
import { printable } from "../../store/reference/printable.js";
import { writeDocument } from "./blob-folder.js";
import { DOCUMENTS } from "./documents.js";
import { blobsIn, found, isBlobName } from "./own-folder.js";
import { digestOf } from "./part.js";

const SUFFIX = ".SHA256SUMS";
const MAX_SUMS_BYTES = 64 * 1024 * 1024;

export interface ChecksumOptions {
  /** Ends it with `ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Blobs in a directory are not read: what their names say is compared. For
   * who reads them anyway and compares them with their names.
   */
  readonly trustNames?: boolean;
}

/** Of whom the file beside a bundle is. */
export type ChecksumsOwner = "nobody" | "ours" | "foreign";

/** A file of a bundle, named from the folder of the file with the hashes. */
interface Summed {
  readonly name: string;
  /** What its name says its hash is. */
  readonly hex?: string;
}

/**
 * Writes the file. That of a blob in a directory is what its name says: it was
 * verified when it got it.
 * @returns its path
 * @throws TpullError `OUTPUT_NOT_WRITABLE`, `ABORTED`
 */
export async function writeChecksums(
  path: string,
  { signal }: ChecksumOptions = {},
): Promise<string> {
  const place = resolve(path) + SUFFIX;
  let text = "";
  for (const { name, hex } of await summed(path)) {
    const hash = hex ?? (await hashOf(join(dirname(place), name), signal));
    text += lineOf(hash, name);
  }
  await writeDocument(place, Buffer.from(text));
  return place;
}

/**
 * Checks what is carried by the file beside it.
 * @throws TpullError `CHECKSUMS_MISSING`, `CHECKSUM_MISMATCH`, `ABORTED`
 */
export async function checkChecksums(
  path: string,
  { signal, trustNames = false }: ChecksumOptions = {},
): Promise<void> {
  const place = resolve(path) + SUFFIX;
  const wanted = await readSums(place);
  if (wanted === undefined) {
    throw new TpullError(
      "CHECKSUMS_MISSING",
      `there is no ${printable(basename(place))} beside ${printable(path)}`,
    );
  }
  const there = await summed(path);
  const names = new Set(there.map(({ name }) => name));
  const own = basename(resolve(path));
  for (const [name, expected] of wanted) {
    if (isAbout(name, own) && !names.has(name))
      throw mismatch(place, name, expected, "none");
  }
  for (const { name, hex } of there) {
    const expected = wanted.get(name) ?? "none";
    const isKnown = trustNames && hex !== undefined;
    const actual = isKnown
      ? hex
      : await hashOf(join(dirname(place), name), signal);
    if (actual !== expected) throw mismatch(place, name, expected, actual);
  }
}

function mismatch(
  place: string,
  name: string,
  expected: string,
  actual: string,
): TpullError {
  const what =
    actual === "none"
      ? "it is not there"
      : `its hash is ${actual}, there it is ${expected}`;
  return new TpullError(
    "CHECKSUM_MISMATCH",
    `${printable(name)} is not what ${printable(basename(place))} says: ${what}`,
    { details: { expected, actual } },
  );
}

/**
 * Whose the file beside a bundle is, told by its content.
 * @param isWanted refuses to replace one that is not ours
 * @throws TpullError `OUTPUT_EXISTS`
 */
export async function checksumsOf(
  path: string,
  isWanted: boolean,
): Promise<ChecksumsOwner> {
  const place = resolve(path) + SUFFIX;
  if (found(place) === undefined) return "nobody";
  const name = basename(resolve(path));
  const names = [...((await readSums(place)) ?? new Map()).keys()];
  const isOurs = names.length > 0 && names.every((one) => isAbout(one, name));
  if (isOurs || !isWanted) return isOurs ? "ours" : "foreign";
  throw new TpullError(
    "OUTPUT_EXISTS",
    `${printable(place)} is there, and its lines are not about ${printable(name)}`,
    { hint: "Give it another name, or remove it." },
  );
}

function isAbout(name: string, bundle: string): boolean {
  return name === bundle || name.startsWith(`${bundle}/`);
}

/** Hashes by name; undefined where there is no file. A line of another form has no name. */
async function readSums(
  place: string,
): Promise<Map<string, string> | undefined> {
  const wanted = new Map<string, string>();
  const stats = found(place);
  if (stats === undefined) return undefined;
  if (!stats.isFile() || stats.size > MAX_SUMS_BYTES) return wanted;
  for (const line of (await readFile(place, "utf8")).split("\n")) {
    if (line === "") continue;
    const [, escape, hex = "", name = line] =
      /^(\\?)([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
    wanted.set(escape === "\\" ? unescaped(name) : name, hex);
  }
  return wanted;
}

/** sha256sum(1) escapes what would break a line, and says so in front of it. */
function lineOf(hex: string, name: string): string {
  const escaped = name.replaceAll(/[\\\n\r]/g, (one) => ESCAPES[one] ?? one);
  return `${escaped === name ? "" : "\\"}${hex}  ${escaped}\n`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
};

function unescaped(name: string): string {
  return name.replaceAll(/\\[\\nr]/g, (pair) => {
    const one = Object.keys(ESCAPES).find((key) => ESCAPES[key] === pair);
    return one ?? pair;
  });
}

async function summed(path: string): Promise<Summed[]> {
  const whole = resolve(path);
  const name = basename(whole);
  if (!(await stat(whole)).isDirectory()) return [{ name }];
  const documents = DOCUMENTS.filter(
    (document) => found(join(whole, document)) !== undefined,
  ).toSorted();
  return [
    ...(await blobNames(whole)).map((hex) => ({
      name: `${name}/blobs/sha256/${hex}`,
      hex,
    })),
    ...documents.map((document) => ({ name: `${name}/${document}` })),
  ];
}

async function blobNames(whole: string): Promise<string[]> {
  try {
    return (await readdir(blobsIn(whole))).filter(isBlobName).sort();
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

async function hashOf(
  path: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  // What is carried may be named by a link.
  const digest = await digestOf(await realpath(path), signal);
  return digest.slice("sha256:".length);
}
