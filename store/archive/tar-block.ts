/** Header blocks of an archive of images. The same name and size give the same bytes: no time, no owner. */

const BLOCK = 512;
/** What eleven octal digits hold; larger sizes are written in base 256, as GNU tar does. */
const MAX_OCTAL = 8 ** 11;

export interface ArchiveMember {
  /** At most 100 bytes of ASCII; of a directory with a slash at its end. */
  readonly name: string;
  /** Bytes of content; 0 for a directory. */
  readonly size: number;
}

/** The header of a regular file, or of a directory. */
export function headerBlock({ name, size }: ArchiveMember): Buffer {
  const block = Buffer.alloc(BLOCK);
  const isDirectory = name.endsWith("/");
  block.write(name, 0, 100, "latin1");
  block.write(isDirectory ? "0000755\0" : "0000644\0", 100, "latin1");
  block.write("0000000\0", 108, "latin1"); // uid
  block.write("0000000\0", 116, "latin1"); // gid
  if (size < MAX_OCTAL) {
    block.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
  } else {
    block.writeBigUInt64BE(BigInt(size), 128);
    block[124] = 0x80;
  }
  block.write("00000000000\0", 136, "latin1"); // modified
  block.write(" ".repeat(8), 148, "latin1");
  block.write(isDirectory ? "5" : "0", 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Bytes from the end of content to the next block. */
export function paddingAfter(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** What ends an archive. */
export const ARCHIVE_END: Buffer = Buffer.alloc(2 * BLOCK);
