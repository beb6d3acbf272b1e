/** Unpacks a tar file in a process of its own: `node unpack-child.mjs TAR DIFF TAR_SPLIT`. Prints what came of it. */
import { closeSync, openSync, readSync } from "node:fs";
import { createCrc64 } from "#store/ingest/crc64.js";
import { TarSplitSource } from "#store/ingest/tar-split-source.js";
import { unpack } from "#store/ingest/unpack.js";
import { privilege } from "#store/privilege.js";

const [tar, diffDirectory, tarSplitPath] = process.argv.slice(2);
const target = {
  diffDirectory,
  tarSplitPath,
  privileged: privilege() === "native",
};
const fd = openSync(tar, "r");
const piece = Buffer.from(new ArrayBuffer(65_536));
const source = {
  next() {
    const length = readSync(fd, piece, 0, piece.length, null);
    return length === 0 ? undefined : piece.subarray(0, length);
  },
};
const said = { uid: process.getuid(), privileged: target.privileged };
try {
  said.result = unpack(source, target, await createCrc64());
} catch (error) {
  said.error = { code: error.code, message: error.message, stack: error.stack };
}
closeSync(fd);
if (said.result) said.again = bytesGivenBack();
said.peakBytes = process.resourceUsage().maxRSS * 1024;
console.log(JSON.stringify(said));

function bytesGivenBack() {
  const stored = new TarSplitSource(target, () => false);
  let bytes = 0;
  try {
    for (let part = stored.next(); part; part = stored.next()) {
      bytes += part.length;
    }
    return bytes;
  } catch (error) {
    return error.message;
  } finally {
    stored.close();
  }
}
