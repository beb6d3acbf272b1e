// A tpull session in a process of its own, driven by one JSON argument, so that
// tests can kill it, stop it at a point, or run it as another user. It says one
// JSON object a line; when told to hold, it goes on after a line on stdin.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { gzipSync } from "node:zlib";

const job = JSON.parse(process.argv[2]);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (event) => fs.writeSync(1, `${JSON.stringify(event)}\n`);

/** Counts the calls that change a filesystem and ends the process before one of them. */
function killAt(call) {
  let calls = 0;
  const changing = ["mkdir", "rename", "symlink", "unlink", "rmdir", "open"];
  for (const name of changing) {
    const original = fs[`${name}Sync`];
    fs[`${name}Sync`] = (...args) => {
      const reads = name === "open" && !String(args[1]).startsWith("wx");
      if (!reads && (calls += 1) === call) process.kill(process.pid, "SIGKILL");
      return original(...args);
    };
  }
  syncBuiltinESMExports();
  process.on("exit", () => say({ event: "calls", calls }));
}
if (job.killAt !== undefined && job.fail === undefined) killAt(job.killAt);
if (job.umask !== undefined) process.umask(job.umask);

async function hold(at) {
  if (job.hold !== at) return;
  say({ event: "held", at });
  await lines.next();
}

async function stage(writer, { chainId, diffId, parent, content }) {
  const claimed = await writer.claimLayer(chainId, {
    onWait: () => say({ event: "wait", chainId }),
  });
  say({ event: "present" in claimed ? "present" : "claimed", chainId });
  if ("present" in claimed) return [];
  const { claim } = claimed;
  const file = join(claim.diffDirectory, "file");
  fs.writeFileSync(file, content);
  fs.chmodSync(file, 0o644);
  fs.writeFileSync(
    join(claim.writeSetDirectory, "tar-split.json.gz"),
    gzipSync(""),
  );
  return [{ claim, diffId, parent, size: content.length }];
}

async function pull(store) {
  const writer = await store.beginWrite();
  try {
    await hold("begun");
    const staged = [];
    for (const layer of job.layers)
      staged.push(...(await stage(writer, layer)));
    await hold("staged");
    if (job.fail === "staged") return;
    const records = await writer.commitLayers(staged);
    say({ event: "committed", count: records.length });
    await hold("committed");
    if (job.fail === "committed") {
      if (job.killAt !== undefined) killAt(job.killAt);
      return;
    }
    await writer.recordDistribution(job.origins);
    const { config, imageId, naming } = job.image;
    await writer.putImage({ config: Buffer.from(config), imageId });
    await writer.tagImage(imageId, naming);
  } finally {
    await writer[Symbol.asyncDispose]();
  }
}

const { openStore } = await import("#store/index.js");
try {
  await pull(await openStore(job.root));
  say({ event: "done" });
} catch (error) {
  say({ event: "error", code: error.code, message: error.message });
}
process.stdin.destroy();
