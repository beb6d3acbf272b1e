/** Inflates or unpacks far more than memory should ever hold: `node bomb-child.mjs KIND MEBIBYTES`. Prints bytes and peak memory. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createCrc64 } from "#store/ingest/crc64.js";
import { IsalGunzip, usableIsal } from "#store/ingest/gunzip-isal.js";
import { ZlibGunzip } from "#store/ingest/gunzip-zlib.js";
import { unpack } from "#store/ingest/unpack.js";
import { LibZstdInflater } from "#store/ingest/zstd-lib.js";
import { javascriptZstdInflater } from "#store/ingest/zstd.js";
import { libzstd } from "#store/native/libraries.js";

const MEBIBYTE = 1 << 20;
const [kind, count] = process.argv.slice(2);
const mebibytes = Number(count);

/** The same piece, `times` over. */
function repeated(piece, times) {
  let left = times;
  return { next: () => (left-- > 0 ? piece : undefined) };
}

/** A frame of eight run-length blocks of 128 KiB. */
function zstdFrame() {
  const parts = [Buffer.from("28b52ffd0038", "hex")];
  for (let i = 0; i < 8; i += 1) {
    const header = Buffer.alloc(4);
    header.writeUIntLE(((MEBIBYTE / 8) << 3) | 2 | (i === 7 ? 1 : 0), 0, 3);
    parts.push(header);
  }
  return Buffer.concat(parts);
}

const makers = {
  "ISA-L": (source) => new IsalGunzip(usableIsal(), source),
  zlib: (source) => new ZlibGunzip(source),
  libzstd: (source) => new LibZstdInflater(libzstd(), source),
  fzstd: javascriptZstdInflater,
};

async function run() {
  if (kind === "trailing") return await trailing();
  const frame = kind.includes("zstd")
    ? zstdFrame()
    : gzipSync(Buffer.alloc(MEBIBYTE));
  // As a ring hands them out: many members in one piece.
  const piece = Buffer.concat(Array.from({ length: 64 }, () => frame));
  const inflater = makers[kind](repeated(piece, mebibytes / 64));
  const into = Buffer.from(new ArrayBuffer(MEBIBYTE));
  let bytes = 0;
  for (;;) {
    const length = inflater.read(into);
    if (length === 0) break;
    bytes += length;
  }
  inflater.close();
  return bytes;
}

/** Zeros behind the end of the archive, which the record keeps. */
async function trailing() {
  const folder = mkdtempSync(join(tmpdir(), "tpull-bomb-"));
  try {
    mkdirSync(join(folder, "diff"));
    const { tarBytes } = unpack(
      repeated(Buffer.alloc(MEBIBYTE), mebibytes),
      {
        diffDirectory: join(folder, "diff"),
        tarSplitPath: join(folder, "ts.gz"),
        privileged: false,
      },
      await createCrc64(),
    );
    return tarBytes;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const bytes = await run();
const peak = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify({ bytes, peak }));
