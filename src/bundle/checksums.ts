/**
 * `SHA256SUMS` beside what is carried: lines as sha256sum(1) writes and checks
 * them, to be signed or sent another way. Of a directory they name the files
 * from which every other follows by its digest.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { TpullError } from "../../store/index.js";
import { isAbsent } from "../../store/io-error.js";
import { printable } from "../../store/reference/printable.js";
import { writeDocument } from "./blob-folder.js";

const SUFFIX = ".SHA256SUMS";
const DOCUMENTS = ["index.json", "manifest.json", "oci-layout", "repositories"];

/** Writes the file. @returns its path */
export async function writeChecksums(path: string): Promise<string> {
  const place = resolve(path) + SUFFIX;
  let text = "";
  for (const name of await namesOf(path)) {
    text += `${await hashOf(join(dirname(place), name))}  ${name}\n`;
  }
  await writeDocument(place, Buffer.from(text));
  return place;
}

/**
 * Checks what is carried by the file beside it.
 * @throws TpullError `CHECKSUMS_MISSING`, `CHECKSUM_MISMATCH`
 */
export async function checkChecksums(path: string): Promise<void> {
  const place = resolve(path) + SUFFIX;
  const wanted = new Map<string, string>();
  try {
    for (const line of (await readFile(place, "utf8")).split("\n")) {
      const [, hex, name] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
      if (hex !== undefined && name !== undefined) wanted.set(name, hex);
    }
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw new TpullError(
      "CHECKSUMS_MISSING",
      `there is no ${printable(basename(place))} beside ${printable(path)}`,
    );
  }
  for (const name of await namesOf(path)) {
    const expected = wanted.get(name) ?? "none";
    const actual = await hashOf(join(dirname(place), name));
    if (actual === expected) continue;
    throw new TpullError(
      "CHECKSUM_MISMATCH",
      `${printable(name)} is not what ${printable(basename(place))} says: its hash is ${actual}, there it is ${expected}`,
      { details: { expected, actual } },
    );
  }
}

/** What is hashed, named from the folder of the file with the hashes. */
async function namesOf(path: string): Promise<string[]> {
  const whole = resolve(path);
  const name = basename(whole);
  if (!(await stat(whole)).isDirectory()) return [name];
  const names: string[] = [];
  for (const document of DOCUMENTS) {
    try {
      await stat(join(whole, document));
      names.push(`${name}/${document}`);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  }
  return names;
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  const chunks = createReadStream(path, { highWaterMark: 1024 * 1024 });
  for await (const chunk of chunks) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
