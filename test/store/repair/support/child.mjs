// A repair in a process of its own, driven by one JSON argument, so that tests
// can kill it at any step. Blobs come from a folder, as long as they are wanted.
import fs from "node:fs";
import { join } from "node:path";
import { intercept } from "../../support/intercept.mjs";

const job = JSON.parse(process.argv[2]);
const say = (event) => fs.writeSync(1, `${JSON.stringify(event)}\n`);

let calls = 0;
function countDown() {
  calls += 1;
  if (calls === job.killAt) process.kill(process.pid, "SIGKILL");
}
intercept(countDown, () => undefined, { exchange: job.exchange ?? true });

const { openStore, repairStore } = await import("#store/index.js");
const read = (digest) => fs.readFileSync(join(job.blobs, digest.slice(7)));
const supplier = {
  async layer({ digest }) {
    const bytes = read(digest);
    return { size: bytes.length, chunks: [bytes] };
  },
  async config(imageId, [from]) {
    return { bytes: read(imageId), from };
  },
  async manifest() {
    return undefined;
  },
};
const { steps, unrepaired } = await repairStore(
  await openStore(job.root),
  { findings: job.findings },
  { supplier, confirm: async () => true },
);
say({ event: "done", calls, steps: steps.length, unrepaired });
