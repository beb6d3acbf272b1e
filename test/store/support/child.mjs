// A tpull session (a pull, or one call of the store) in a process of its own,
// driven by one JSON argument, so that tests can kill it, stop it at a point, or
// run it as another user. It says one JSON object a line; when told to hold, it
// goes on after a line on stdin.
import fs from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { gzipSync } from "node:zlib";
import { intercept } from "./intercept.mjs";

const job = JSON.parse(process.argv[2]);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (event) => fs.writeSync(1, `${JSON.stringify(event)}\n`);

let counting = job.killFrom !== "end";
let calls = 0;
/** Ends the process before the n-th operation that changes what is where. */
function countDown() {
  if (!counting) return;
  calls += 1;
  if (calls === job.killAt) process.kill(process.pid, "SIGKILL");
}
function record(operation) {
  if (job.record) say({ event: "operation", operation });
}
if (job.record || job.killAt !== undefined) intercept(countDown, record);
if (job.umask !== undefined) process.umask(job.umask);

async function hold(at) {
  if (job.hold !== at) return;
  say({ event: "held", at });
  await lines.next();
}

function write(path, bytes) {
  const file = fs.openSync(path, "wx", 0o644);
  fs.writeSync(file, bytes);
  fs.fchmodSync(file, 0o644);
  fs.closeSync(file);
}

async function stage(writer, { chainId, diffId, parent, content }) {
  const claimed = await writer.claimLayer(chainId, {
    takeComplete: true,
    onWait: () => say({ event: "wait", chainId }),
  });
  say({ event: "present" in claimed ? "present" : "claimed", chainId });
  if ("present" in claimed) return [];
  const { claim, complete } = claimed;
  if (complete) return [{ claim, ...complete }];
  const file = join(claim.diffDirectory, "file");
  write(file, Buffer.from(content));
  const record = join(claim.writeSetDirectory, "tar-split.json.gz");
  write(record, gzipSync(""));
  const layer = { diffId, parent, size: content.length, warnings: [] };
  claim.complete(layer);
  return [{ claim, ...layer }];
}

async function pull(store) {
  const writer = await store.beginWrite({
    leftovers: job.leftovers,
    keptBlobs: job.keptBlobs,
  });
  if (job.keep) writer.keepUnusedLayers();
  try {
    await hold("begun");
    for (const content of job.blobs ?? []) {
      const bytes = Buffer.from(content);
      const blob = await writer.keepBlob(api.digestOf(bytes), bytes.length);
      await blob.write(bytes.subarray(0, 10));
      await hold("keeping");
      await blob.write(bytes.subarray(10));
      const failure = await blob.keep();
      say({ event: "kept", code: failure?.code });
    }
    const staged = [];
    for (const layer of job.layers)
      staged.push(...(await stage(writer, layer)));
    await hold("staged");
    if (job.fail === "staged") {
      for (const { claim } of staged) await claim.release();
      return;
    }
    const records = await writer.commitLayers(staged);
    say({ event: "committed", count: records.length });
    await hold("committed");
    if (job.fail === "committed") return;
    await writer.recordDistribution(job.origins);
    const { config, imageId, naming } = job.image;
    await writer.putImage({ config: Buffer.from(config), imageId });
    await writer.tagImage(imageId, naming);
  } finally {
    counting = true;
    await writer[Symbol.asyncDispose]();
  }
}

const api = await import("#store/index.js");
try {
  const store = await api.openStore(job.root);
  for (let round = 0; round < (job.rounds ?? 1); round += 1) {
    if (!job.manage || job.rounds) await pull(store);
    if (!job.manage) continue;
    const { call, args } = job.manage;
    const result = await api[call](store, ...args);
    say({ event: "result", result });
  }
  say({ event: "done" });
} catch (error) {
  say({ event: "error", code: error.code, message: error.message });
}
process.stdin.destroy();
