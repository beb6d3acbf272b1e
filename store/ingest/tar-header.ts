/**
 * One tar header block and the extended headers in front of it, read the way
 * Go's archive/tar reads them: that reader decides what dockerd sees in a
 * layer, so where tar dialects disagree (POSIX.1-2001 pax, GNU, star, v7) its
 * answer is the right one here.
 *
 * Text is kept as "binary" strings, one character a byte, because names in
 * archives need not be UTF-8.
 */
import { TpullError } from "../errors.js";

export const BLOCK = 512;

/** Type flags (POSIX.1-1988, pax and GNU). */
export const Type = {
  regular: "0",
  regularV7: "\0",
  hardlink: "1",
  symlink: "2",
  charDevice: "3",
  blockDevice: "4",
  directory: "5",
  fifo: "6",
  contiguous: "7",
  paxHeader: "x",
  paxGlobal: "g",
  gnuLongName: "L",
  gnuLongLink: "K",
  gnuSparse: "S",
} as const;

/** Seconds since 1970 and nanoseconds 0..999,999,999. */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A member as its headers together describe it. */
export interface TarHeader {
  /** Verbatim, binary: with trailing slash or leading `./` if the archive has them. */
  name: string;
  linkName: string;
  type: string;
  /** Permission bits and setuid, setgid, sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of payload that follow; 0 for types that have none, whatever the field says. */
  size: number;
  mtime: Time;
  atime: Time | undefined;
  deviceMajor: number;
  deviceMinor: number;
  /** From `SCHILY.xattr.` records; names and values binary. */
  xattrs: Map<string, string> | undefined;
  /** The payload is a condensed form of a file with holes. */
  sparse: boolean;
}

/** Extended headers collected for the next real header. */
export interface Extensions {
  pax?: Map<string, string>;
  gnuName?: string;
  gnuLink?: string;
}

export function invalidTar(message: string): TpullError {
  return new TpullError(
    "LAYER_INVALID",
    `the layer's tar is invalid: ${message}`,
  );
}

/** The text of a field up to its first NUL. */
function text(block: Buffer, start: number, length: number): string {
  if (block[start] === 0) return "";
  const all = block.toString("latin1", start, start + length);
  const end = all.indexOf("\0");
  return end < 0 ? all : all.slice(0, end);
}

/**
 * A numeric field: octal text, or base-256 two's complement when the first bit
 * is set (GNU, star). Beyond 2^53 the result is near the value only.
 */
function numeric(block: Buffer, start: number, length: number): number {
  const first = block[start] ?? 0;
  if ((first & 0x80) === 0) return octal(block, start, length);
  // -a - 1 is a with every bit turned over.
  const inverted = (first & 0x40) === 0 ? 0 : 0xff;
  let value = (first ^ inverted) & 0x7f;
  for (let i = 1; i < length; i += 1) {
    value = value * 256 + ((block[start + i] ?? 0) ^ inverted);
  }
  if (value >= 2 ** 63) throw invalidTar("a number does not fit");
  return inverted === 0 ? value : -value - 1;
}

function octal(block: Buffer, start: number, length: number): number {
  let at = start;
  let end = start + length;
  while (at < end && isBlank(block[at])) at += 1;
  while (end > at && isBlank(block[end - 1])) end -= 1;
  let value = 0;
  for (; at < end; at += 1) {
    const byte = block[at] ?? 0;
    if (byte === 0) break;
    const digit = byte - 0x30;
    if (digit < 0 || digit > 7) throw invalidTar("a header field is not octal");
    value = value * 8 + digit; // twelve digits at most
  }
  return value;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0;
}

const CHECKSUM = 148;
const CHECKSUM_BYTES = 8;

/** A header as numbers of four bytes, of which an addition takes two at a time. */
const words = new Int32Array(BLOCK / 4);
const wordBytes = new Uint8Array(words.buffer);

/** Old tars summed signed bytes; both sums are accepted, as everywhere. */
function checksumMatches(block: Buffer): boolean {
  wordBytes.set(block);
  let high = 0;
  // Two sums of 16 bits each in one number, which 256 bytes of 255 do not fill.
  let pairs = 0;
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] as number;
    pairs = (pairs + (word & 0x00ff00ff) + ((word >>> 8) & 0x00ff00ff)) | 0;
    high |= word;
  }
  let sum = (pairs & 0xffff) + (pairs >>> 16);
  for (let i = CHECKSUM; i < CHECKSUM + CHECKSUM_BYTES; i += 1) {
    sum += 0x20 - (block[i] as number); // the field itself counts as blanks
  }
  const wanted = octal(block, CHECKSUM, CHECKSUM_BYTES);
  if (wanted === sum) return true;
  return (high & 0x80808080) !== 0 && wanted === sum - 256 * highBytes(block);
}

/** How many bytes outside of the checksum would be negative if they were signed. */
function highBytes(block: Buffer): number {
  let count = 0;
  for (let i = 0; i < BLOCK; i += 1) {
    const isChecksum = i >= CHECKSUM && i < CHECKSUM + CHECKSUM_BYTES;
    if (!isChecksum && (block[i] as number) > 0x7f) count += 1;
  }
  return count;
}

type Dialect = "v7" | "ustar" | "star" | "gnu";

const USTAR_MAGIC = Buffer.from("ustar\0");
const GNU_MAGIC = Buffer.from("ustar  \0");
const STAR_TRAILER = Buffer.from("tar\0");

function dialect(block: Buffer): Dialect {
  if (holds(block, 257, USTAR_MAGIC)) {
    return holds(block, 508, STAR_TRAILER) ? "star" : "ustar";
  }
  return holds(block, 257, GNU_MAGIC) ? "gnu" : "v7";
}

function holds(block: Buffer, at: number, bytes: Buffer): boolean {
  for (let i = 0; i < bytes.length; i += 1) {
    if (block[at + i] !== bytes[i]) return false;
  }
  return true;
}

/** Type flag of a block whose checksum is right. @throws `LAYER_INVALID` */
export function blockType(block: Buffer): string {
  if (!checksumMatches(block)) throw invalidTar("a header's checksum is wrong");
  return String.fromCharCode(block[156] ?? 0);
}

/** Payload length as the block itself says, for extended headers. */
export function blockSize(block: Buffer): number {
  const size = numeric(block, 124, 12);
  checkSize(size);
  return size;
}

function checkSize(size: number): void {
  if (size < 0) throw invalidTar("a size is negative");
  if (!Number.isSafeInteger(size)) throw invalidTar("a size does not fit");
}

const HEADER_ONLY: ReadonlySet<string> = new Set([
  Type.hardlink,
  Type.symlink,
  Type.charDevice,
  Type.blockDevice,
  Type.directory,
  Type.fifo,
]);

/** Joins a member's last header block with the extended headers before it. */
export function memberHeader(
  block: Buffer,
  type: string,
  extensions: Extensions,
): TarHeader {
  const kind = dialect(block);
  const header: TarHeader = {
    name: text(block, 0, 100),
    linkName: text(block, 157, 100),
    type,
    mode: numeric(block, 100, 8),
    uid: numeric(block, 108, 8),
    gid: numeric(block, 116, 8),
    size: numeric(block, 124, 12),
    mtime: { seconds: numeric(block, 136, 12), nanoseconds: 0 },
    atime: undefined,
    deviceMajor: 0,
    deviceMinor: 0,
    xattrs: undefined,
    sparse: type === Type.gnuSparse,
  };
  if (kind !== "v7") {
    header.deviceMajor = numeric(block, 329, 8);
    header.deviceMinor = numeric(block, 337, 8);
    applyDialect(header, block, kind);
  }
  if (extensions.pax !== undefined) applyPax(header, extensions.pax);
  // An empty one leaves the block's own value, like an empty pax record.
  if (extensions.gnuName) header.name = extensions.gnuName;
  if (extensions.gnuLink) header.linkName = extensions.gnuLink;

  if (header.type === Type.regularV7) {
    header.type = header.name.endsWith("/") ? Type.directory : Type.regular;
  }
  checkSize(header.size);
  if (HEADER_ONLY.has(header.type)) header.size = 0;
  header.mode &= 0o7777;
  return header;
}

function applyDialect(
  header: TarHeader,
  block: Buffer,
  kind: Exclude<Dialect, "v7">,
): void {
  if (kind === "gnu") {
    gnuAccessTime(header, block);
    return;
  }
  const prefix = text(block, 345, kind === "star" ? 131 : 155);
  if (prefix !== "") header.name = `${prefix}/${header.name}`;
  if (kind === "star") {
    header.atime = { seconds: numeric(block, 476, 12), nanoseconds: 0 };
  }
}

/**
 * GNU keeps access and change time where ustar has its prefix. Writers in Go
 * before 1.8 put a prefix there all the same: what is no pair of numbers is
 * taken for one, if it is ASCII.
 */
function gnuAccessTime(header: TarHeader, block: Buffer): void {
  try {
    if (block[345] !== 0) {
      header.atime = { seconds: numeric(block, 345, 12), nanoseconds: 0 };
    }
    if (block[357] !== 0) numeric(block, 357, 12);
  } catch {
    header.atime = undefined;
    const prefix = text(block, 345, 155);
    // oxlint-disable-next-line no-control-regex -- ASCII is what is meant
    if (prefix !== "" && /^[\u0000-\u007f]*$/.test(prefix)) {
      header.name = `${prefix}/${header.name}`;
    }
  }
}

const XATTR_PREFIX = "SCHILY.xattr.";

function applyPax(header: TarHeader, records: Map<string, string>): void {
  for (const [key, value] of records) {
    if (value === "") continue; // an empty record leaves the block's own value
    switch (key) {
      case "path":
        header.name = value;
        break;
      case "linkpath":
        header.linkName = value;
        break;
      case "uid":
        header.uid = paxInteger(key, value);
        break;
      case "gid":
        header.gid = paxInteger(key, value);
        break;
      case "size":
        header.size = paxInteger(key, value);
        break;
      case "mtime":
        header.mtime = paxTime(key, value);
        break;
      case "atime":
        header.atime = paxTime(key, value);
        break;
      default:
        if (key.startsWith(XATTR_PREFIX)) {
          header.xattrs ??= new Map();
          header.xattrs.set(key.slice(XATTR_PREFIX.length), value);
        }
    }
  }
  if (isSparse(records)) header.sparse = true;
}

/** GNU's pax forms of sparse files: 0.0 and 0.1 need not give their version. Other versions mean nothing. */
function isSparse(records: Map<string, string>): boolean {
  const major = records.get("GNU.sparse.major") ?? "";
  const minor = records.get("GNU.sparse.minor") ?? "";
  if (major !== "" || minor !== "")
    return /^(0\.[01]|1\.0)$/.test(`${major}.${minor}`);
  return (
    (records.get("GNU.sparse.map") ?? "") !== "" ||
    records.has("GNU.sparse.offset")
  );
}

function paxInteger(key: string, value: string): number {
  const number = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) {
    throw invalidTar(`pax record ${key} is not a number`);
  }
  return number;
}

/** Decimal seconds with any fraction; digits beyond the ninth are cut. */
function paxTime(key: string, value: string): Time {
  const match = /^([+-]?)(\d+)(?:\.(\d*))?$/.exec(value);
  const whole = Number(match?.[2]);
  if (match === null || whole >= 2 ** 63) {
    throw invalidTar(`pax record ${key} is not a time`);
  }
  const nanoseconds = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] !== "-") return { seconds: whole, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -whole, nanoseconds: 0 }
    : { seconds: -whole - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}

/** `length key=value\n` records of a pax header. @throws `LAYER_INVALID` */
export function parsePax(data: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < data.length) {
    const space = data.indexOf(0x20, at);
    const digits = space < 0 ? "" : data.toString("latin1", at, space);
    const length = /^\d{1,10}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    if (
      length < 5 ||
      end > data.length ||
      end <= space + 1 ||
      data[end - 1] !== 0x0a
    ) {
      throw invalidTar("a pax record is malformed");
    }
    const equals = data.indexOf(0x3d, space + 1);
    if (equals < 0 || equals >= end)
      throw invalidTar("a pax record is malformed");
    const key = data.toString("latin1", space + 1, equals);
    const value = data.toString("latin1", equals + 1, end - 1);
    if (
      key === "" ||
      (/^(path|linkpath|uname|gname)$/.test(key) ? value : key).includes("\0")
    ) {
      throw invalidTar("a pax record holds a NUL");
    }
    records.set(key, value);
    at = end;
  }
  return records;
}

/** The text of a GNU long name or long link: up to the first NUL. */
export function gnuText(data: Buffer): string {
  const end = data.indexOf(0);
  return data.toString("latin1", 0, end < 0 ? data.length : end);
}
