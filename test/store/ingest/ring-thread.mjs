/** The other side of a ring, on a thread of its own: does one job a message and says what came of it. */
import { createHash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import { RingReader, RingWriter } from "#store/ingest/ring.js";

/** Reads to the end; `delay` spins between the pieces. */
function consume({ memory, most, stopAfter }) {
  const reader = new RingReader(memory, most);
  const hash = createHash("sha256");
  let bytes = 0;
  for (let piece = reader.next(); piece; piece = reader.next()) {
    hash.update(piece);
    bytes += piece.length;
    if (stopAfter !== undefined && bytes >= stopAfter) {
      reader.abandon();
      return { bytes, abandoned: true };
    }
  }
  return { bytes, digest: hash.digest("hex") };
}

/** Writes bytes that count up, `piece` at most at a time. */
function produce({ memory, total, piece }) {
  const writer = new RingWriter(memory);
  const hash = createHash("sha256");
  let bytes = 0;
  while (bytes < total) {
    const room = writer.reserve();
    const length = Math.min(room.length, piece, total - bytes);
    for (let i = 0; i < length; i += 1) room[i] = (bytes + i) * 7;
    hash.update(room.subarray(0, length));
    writer.commit(length);
    bytes += length;
  }
  writer.end();
  return { bytes, digest: hash.digest("hex") };
}

parentPort.on("message", (job) => {
  parentPort.postMessage({ begun: true });
  try {
    parentPort.postMessage(job.produce ? produce(job) : consume(job));
  } catch (error) {
    parentPort.postMessage({ failed: error.code ?? error.name });
  }
});
