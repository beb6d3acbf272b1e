// Where only so many threads can be started: usage: threads-child.mjs COUNT
import { syncBuiltinESMExports } from "node:module";
import worker from "node:worker_threads";

let left = Number(process.argv[2]);
worker.Worker = class extends worker.Worker {
  constructor(...about) {
    if (left === 0) throw new Error("EAGAIN");
    left -= 1;
    super(...about);
  }
};
syncBuiltinESMExports();
const { endThreadsAhead, startThreadsAhead, takeThread, WORKER_HEAP_MB } =
  await import("#store/ingest/threads.js");

startThreadsAhead(3);
await new Promise((resolve) => setTimeout(resolve, 500));
try {
  const thread = takeThread(WORKER_HEAP_MB);
  process.stdout.write("one is there\n");
  thread.postMessage({ role: "end" });
  takeThread(WORKER_HEAP_MB);
} catch (error) {
  const { code, message, hint } = error;
  process.stdout.write(`${code}: ${message}\n${hint}\n`);
}
await endThreadsAhead();
