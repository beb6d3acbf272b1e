/**
 * Tar archives written header by header: every field can be set to anything,
 * also to what no archiver writes. A layer for a test is
 * `archive([file("a", "text"), directory("d/"), …])`.
 */
import { Buffer } from "node:buffer";

const BLOCK = 512;

/** Type flags by name; any other one-character flag may be given too. */
export const TYPE = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
  pax: "x",
  paxGlobal: "g",
  gnuLongName: "L",
  gnuLongLink: "K",
} as const;

/** Text is UTF-8; bytes are taken as they are. */
export type Bytes = string | Uint8Array;

export interface Member {
  readonly name: Bytes;
  /** Type flag; default `0`, a regular file. */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Seconds since 1970. What octal digits cannot hold is written in base 256. */
  readonly mtime?: number;
  readonly linkname?: Bytes;
  readonly devmajor?: number;
  readonly devminor?: number;
  readonly data?: Bytes;
  /** The header's size field, where it shall not be the length of the data. */
  readonly size?: number;
  /** Default `ustar`; `gnu` has GNU tar's magic and no prefix; `v7` has no magic at all. */
  readonly format?: "ustar" | "gnu" | "v7";
  /** The ustar prefix field. */
  readonly prefix?: Bytes;
  /** PAX records that go before the header. */
  readonly pax?: Readonly<Record<string, Bytes>>;
  /** GNU `L` and `K` members that go before the header. */
  readonly gnuName?: Bytes;
  readonly gnuLink?: Bytes;
  /** Spoils the header's checksum. */
  readonly badChecksum?: boolean;
}

const MAGIC = { ustar: "ustar\u000000", gnu: "ustar  \0", v7: "" } as const;

/** All blocks of a member: extended headers, header, data and padding. */
export function member(fields: Member): Buffer {
  const data = bytes(fields.data ?? "");
  const extended: Buffer[] = [];
  if (fields.gnuLink !== undefined)
    extended.push(gnuLong(TYPE.gnuLongLink, fields.gnuLink));
  if (fields.gnuName !== undefined)
    extended.push(gnuLong(TYPE.gnuLongName, fields.gnuName));
  if (fields.pax !== undefined)
    extended.push(
      member({
        name: "./PaxHeaders/member",
        type: TYPE.pax,
        data: paxRecords(fields.pax),
      }),
    );
  return Buffer.concat([...extended, header(fields, data.length), pad(data)]);
}

/** A PAX global header, which is about all members that follow. */
export function paxGlobal(records: Readonly<Record<string, Bytes>>): Buffer {
  const data = paxRecords(records);
  return member({ name: "pax_global_header", type: TYPE.paxGlobal, data });
}

function header(fields: Member, dataLength: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const put = (at: number, width: number, value: Bytes) =>
    block.set(bytes(value).subarray(0, width), at);
  put(0, 100, fields.name);
  put(100, 8, numeric(fields.mode ?? 0o644, 8));
  put(108, 8, numeric(fields.uid ?? 0, 8));
  put(116, 8, numeric(fields.gid ?? 0, 8));
  put(124, 12, numeric(fields.size ?? dataLength, 12));
  put(136, 12, numeric(fields.mtime ?? 1_700_000_000, 12));
  put(148, 8, " ".repeat(8));
  put(156, 1, fields.type ?? TYPE.file);
  put(157, 100, fields.linkname ?? "");
  put(257, 8, MAGIC[fields.format ?? "ustar"]);
  if (fields.devmajor !== undefined) put(329, 8, numeric(fields.devmajor, 8));
  if (fields.devminor !== undefined) put(337, 8, numeric(fields.devminor, 8));
  if (fields.prefix !== undefined) put(345, 155, fields.prefix);
  let sum = fields.badChecksum ? 1 : 0;
  for (const byte of block) sum += byte;
  put(148, 8, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** Octal digits and a NUL, or base 256 where the digits do not suffice. */
function numeric(value: number, width: number): Buffer {
  const digits = value.toString(8);
  if (value >= 0 && digits.length < width)
    return Buffer.from(`${digits.padStart(width - 1, "0")}\0`);
  const field = Buffer.alloc(width);
  let rest = BigInt.asUintN(8 * width, BigInt(value));
  for (let i = width - 1; i >= 0; i--, rest >>= 8n)
    field[i] = Number(rest & 0xffn);
  field[0] = (field[0] ?? 0) | 0x80;
  return field;
}

/** Body of a PAX header: each record begins with its own length in decimal digits. */
export function paxRecords(records: Readonly<Record<string, Bytes>>): Buffer {
  return Buffer.concat(
    Object.entries(records).map(([key, value]) => {
      const body = Buffer.concat([
        Buffer.from(` ${key}=`),
        bytes(value),
        Buffer.from("\n"),
      ]);
      let length = body.length;
      while (String(length).length + body.length !== length)
        length = String(length).length + body.length;
      return Buffer.concat([Buffer.from(String(length)), body]);
    }),
  );
}

function gnuLong(type: string, value: Bytes): Buffer {
  const data = Buffer.concat([bytes(value), Buffer.alloc(1)]);
  return member({ name: "././@LongLink", type, format: "gnu", data });
}

export interface ArchiveOptions {
  /** Default: the two zero blocks that end an archive. */
  readonly end?: Bytes;
}

/** An archive of members, plain ones or blocks that are already made. */
export function archive(
  members: readonly (Member | Buffer)[],
  options: ArchiveOptions = {},
): Buffer {
  const blocks = members.map((m) => (Buffer.isBuffer(m) ? m : member(m)));
  return Buffer.concat([
    ...blocks,
    bytes(options.end ?? Buffer.alloc(2 * BLOCK)),
  ]);
}

type Extra = Omit<Member, "name" | "type">;

export function file(name: Bytes, data: Bytes, extra: Extra = {}): Member {
  return { name, data, ...extra };
}

export function directory(name: Bytes, extra: Extra = {}): Member {
  return { name, type: TYPE.directory, mode: 0o755, ...extra };
}

export function symlink(name: Bytes, target: Bytes, extra: Extra = {}): Member {
  return {
    name,
    type: TYPE.symlink,
    linkname: target,
    mode: 0o777,
    ...extra,
  };
}

export function hardlink(
  name: Bytes,
  target: Bytes,
  extra: Extra = {},
): Member {
  return { name, type: TYPE.hardlink, linkname: target, ...extra };
}

function bytes(value: Bytes): Buffer {
  return typeof value === "string" ? Buffer.from(value) : Buffer.from(value);
}

function pad(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc(-data.length & (BLOCK - 1))]);
}
