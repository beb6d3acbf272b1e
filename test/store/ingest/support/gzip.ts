/** gzip streams with parts of any kind. */
import { crc32, deflateRawSync } from "node:zlib";

/** Flags of a member's header; each adds its field. */
export const FLAG = { text: 1, headerCrc: 2, extra: 4, name: 8, comment: 16 };

/** A member whose header has the fields of these flags. */
export function gzipMember(body: Buffer, flags = 0): Buffer {
  const fields = [Buffer.from([0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3])];
  if (flags & FLAG.extra) fields.push(Buffer.from("\x05\0extra"));
  if (flags & FLAG.name) fields.push(Buffer.from("layer.tar\0"));
  if (flags & FLAG.comment) fields.push(Buffer.from("a comment\0"));
  const header = Buffer.concat(fields);
  const checksum = Buffer.alloc(flags & FLAG.headerCrc ? 2 : 0);
  if (checksum.length > 0) checksum.writeUInt16LE(crc32(header) & 0xffff);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(body));
  trailer.writeUInt32LE(body.length, 4);
  return Buffer.concat([header, checksum, deflateRawSync(body), trailer]);
}

/** The bytes with one of them changed; a negative place counts from the end. */
export function spoiled(bytes: Buffer, place: number, xor = 0xff): Buffer {
  const copy = Buffer.from(bytes);
  const at = place < 0 ? bytes.length + place : place;
  copy[at] = (copy[at] ?? 0) ^ xor;
  return copy;
}
