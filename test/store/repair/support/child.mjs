// A repair in a process of its own, driven by one JSON argument, so that tests
// can kill it at any step, and record its steps. Blobs come from a folder, as
// long as they are wanted.
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
const { lstatSync, readdirSync, readFileSync, readlinkSync } = fs;
intercept(countDown, job.record ? record : () => undefined, {
  exchange: job.exchange ?? true,
});

// What workers unpack cannot be seen as it happens: it is told when everything
// is flushed, which is the last moment at which it counts as written before.
const known = new Set();
const keyOf = ({ ino, birthtimeMs }) => `${ino} ${birthtimeMs}`;
function walk(path, visit) {
  for (const name of readdirSync(path)) {
    const child = join(path, name);
    const stat = lstatSync(child);
    visit(child, stat);
    if (stat.isDirectory()) walk(child, visit);
  }
}
if (job.record) walk(job.root, (_, stat) => known.add(keyOf(stat)));

function record(operation) {
  if (operation.op === "flushAll") tellUnpacked();
  say({ operation });
  if (["mkdir", "create", "symlink"].includes(operation.op)) {
    known.add(keyOf(lstatSync(operation.path)));
  }
}

function tellUnpacked() {
  walk(join(job.root, "tpull/staging"), (path, stat) => {
    if (known.has(keyOf(stat))) return;
    known.add(keyOf(stat));
    if (stat.isDirectory()) say({ operation: { op: "mkdir", path } });
    else if (stat.isSymbolicLink()) {
      const target = readlinkSync(path);
      say({ operation: { op: "symlink", path, target } });
    } else {
      const data = readFileSync(path).toString("base64");
      say({ operation: { op: "create", path } });
      say({ operation: { op: "write", path, data } });
    }
  });
}

const { openStore, repairStore } = await import("#store/index.js");
const read = (digest) => readFileSync(join(job.blobs, digest.slice(7)));
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
  { supplier, confirm: async () => true, concurrency: job.concurrency },
);
say({ event: "done", calls, steps: steps.length, unrepaired });
