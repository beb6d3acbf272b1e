/** Reads a layer's tar-split file and puts its tar together again, independent of the code under test. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";

interface SegmentLine {
  readonly type: 2;
  readonly payload: string | null;
  readonly position: number;
}

interface FileLine {
  readonly type: 1;
  readonly name?: string;
  readonly name_raw?: string;
  readonly size?: number;
  readonly payload: string | null;
  readonly position: number;
}

type Line = SegmentLine | FileLine;

/** The file's lines, unpacked. */
export async function readTarSplit(path: string): Promise<string[]> {
  const text = gunzipSync(await readFile(path)).toString();
  if (text !== "" && !text.endsWith("\n"))
    throw new Error(`${path} does not end with a newline`);
  return text.split("\n").slice(0, -1);
}

/** Name of a file line, byte for byte. */
function nameOf(line: FileLine): Buffer {
  return line.name_raw === undefined
    ? Buffer.from(line.name ?? "")
    : Buffer.from(line.name_raw, "base64");
}

/** Digest (`sha256:…`) of the tar that the lines and the files of `diff` make. @throws Error when a file is missing */
export async function reassembledDigest(
  lines: readonly string[],
  diff: string,
): Promise<string> {
  const hash = createHash("sha256");
  for (const [position, text] of lines.entries()) {
    const line = JSON.parse(text) as Line;
    if (line.position !== position)
      throw new Error(`line ${position} has position ${line.position}`);
    if (line.type === 2) hash.update(Buffer.from(line.payload ?? "", "base64"));
    else if (line.size)
      hash.update(
        await readFile(Buffer.concat([Buffer.from(`${diff}/`), nameOf(line)])),
      );
  }
  return `sha256:${hash.digest("hex")}`;
}

/**
 * The lines in the form that every writer agrees on: how the bytes behind the
 * last member are cut into segments is up to the reader of the stream, so they
 * are joined into one.
 */
export function comparableLines(lines: readonly string[]): string[] {
  const lastFile = lines.findLastIndex((text) => isFile(JSON.parse(text)));
  const tail = lines.slice(lastFile + 1).map((text) => {
    return Buffer.from((JSON.parse(text) as Line).payload ?? "", "base64");
  });
  const joined = Buffer.concat(tail);
  return [
    ...lines.slice(0, lastFile + 1),
    `tail of ${joined.length} bytes: ${joined.toString("base64")}`,
  ];
}

function isFile(line: Line): line is FileLine {
  return line.type === 1;
}

/** Names of the layer's members without `./` and doubled or trailing slashes, as a tree listing shows them. */
export function memberPaths(lines: readonly string[]): Set<string> {
  const files = lines.map((text) => JSON.parse(text) as Line).filter(isFile);
  return new Set(
    files.map((line) =>
      surrogateEscaped(nameOf(line))
        .split("/")
        .filter((part) => part !== "" && part !== ".")
        .join("/"),
    ),
  );
}

/** Text in which bytes that are not UTF-8 are lone surrogates, as Python reads names. */
function surrogateEscaped(bytes: Buffer): string {
  const text = bytes.toString();
  if (Buffer.from(text).equals(bytes)) return text;
  // Names in tests mix odd bytes with ASCII only.
  return [...bytes]
    .map((byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte))
    .join("");
}
