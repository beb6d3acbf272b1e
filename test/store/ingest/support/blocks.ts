/** Tar blocks with single fields changed, which no archiver writes. */
import { member, type Member } from "../../../helpers/tar-writer.js";

const CHECKSUM = 148;

/** A member whose header block was changed; its checksum is right again. */
export function edited(fields: Member, edit: (block: Buffer) => void): Buffer {
  const blocks = member(fields);
  const data = Buffer.from(fields.data ?? "").length;
  const at = blocks.length - 512 - Math.ceil(data / 512) * 512;
  const block = blocks.subarray(at, at + 512);
  edit(block);
  writeChecksum(block, (byte) => byte);
  return blocks;
}

/** A member whose checksum sums signed bytes, as tars of the eighties did. */
export function signedChecksum(fields: Member | Buffer): Buffer {
  const blocks = Buffer.isBuffer(fields) ? Buffer.from(fields) : member(fields);
  writeChecksum(blocks.subarray(0, 512), (byte) => (byte << 24) >> 24);
  return blocks;
}

function writeChecksum(block: Buffer, as: (byte: number) => number): void {
  block.fill(0x20, CHECKSUM, CHECKSUM + 8);
  let sum = 0;
  for (const byte of block) sum += as(byte);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, CHECKSUM, "latin1");
}
