import { expect, test } from "vitest";
import {
  endThreadsAhead,
  startThreadsAhead,
  takeThread,
  WORKER_HEAP_MB,
} from "#store/ingest/threads.js";

test("a thread that was started ahead is handed out, and the rest is ended", async () => {
  startThreadsAhead(2);
  const first = takeThread(WORKER_HEAP_MB);
  expect(first.threadId).toBeGreaterThan(0);
  await endThreadsAhead();
  // What was handed out is the taker's: it goes on until it is told.
  expect(first.threadId).toBeGreaterThan(0);
  const fresh = takeThread(WORKER_HEAP_MB);
  expect(fresh.threadId).toBeGreaterThan(first.threadId + 1);
  for (const thread of [first, fresh]) {
    const ended = new Promise((resolve) => {
      thread.once("exit", resolve);
    });
    thread.postMessage({ role: "end" });
    expect(await ended).toBe(0);
  }
});

test("a smaller heap is a thread of its own", async () => {
  startThreadsAhead(1);
  const small = takeThread(64);
  expect(small.resourceLimits?.maxOldGenerationSizeMb).toBe(64);
  small.postMessage({ role: "end" });
  await endThreadsAhead();
});
