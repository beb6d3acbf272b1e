/**
 * The checksum tar-split keeps for every file: CRC-64 with the ISO polynomial
 * as Go's hash/crc64 computes it (reflected 0xD800000000000000, all ones in and
 * out), stored big-endian. By ISA-L where it is installed, else by WebAssembly.
 */
import { isal } from "../native/libraries.js";

const ISO_POLYNOMIAL = "d800000000000000";

export interface Crc64 {
  reset(): void;
  update(chunk: Uint8Array): void;
  /** The eight bytes in base64, as tar-split writes them. */
  base64(): string;
}

export async function createCrc64(): Promise<Crc64> {
  return isalCrc64() ?? (await wasmCrc64());
}

const bytes: Buffer = Buffer.alloc(8);

function isalCrc64(): Crc64 | undefined {
  const library = isal();
  if (library === undefined) return undefined;
  let value: number | bigint = 0;
  const crc: Crc64 = {
    reset(): void {
      value = 0;
    },
    update(chunk): void {
      value = library.crc64_iso_refl(value, chunk, chunk.length);
    },
    base64(): string {
      bytes.writeBigUInt64BE(BigInt(value));
      return bytes.toString("base64");
    },
  };
  // The published check value; a library that disagrees is not used.
  crc.update(Buffer.from("123456789"));
  const right =
    crc.base64() === Buffer.from("b90956c775a41001", "hex").toString("base64");
  crc.reset();
  return right ? crc : undefined;
}

async function wasmCrc64(): Promise<Crc64> {
  // Loaded where it is needed only: a worker's start is part of every pull.
  const { createCRC64 } = await import("hash-wasm");
  const hasher = await createCRC64(ISO_POLYNOMIAL);
  hasher.init();
  return {
    reset(): void {
      hasher.init();
    },
    update(chunk): void {
      hasher.update(chunk);
    },
    base64(): string {
      return Buffer.from(hasher.digest("binary")).toString("base64");
    },
  };
}
