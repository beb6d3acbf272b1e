import { join } from "node:path";
import { expect, test, vi } from "vitest";
import {
  endThreadsAhead,
  startThreadsAhead,
  takeThread,
  WORKER_HEAP_MB,
} from "#store/ingest/threads.js";
import { runOk } from "../../helpers/run.js";
import { endThread, nextThreadId } from "./support/threads.js";

test("a thread that was started ahead is handed out, and the rest is ended", async () => {
  startThreadsAhead(1);
  const first = takeThread(WORKER_HEAP_MB);
  startThreadsAhead(1);
  await endThreadsAhead();
  // What was handed out is the taker's: it goes on until it is told.
  expect(first.threadId).toBeGreaterThan(0);
  const fresh = takeThread(WORKER_HEAP_MB);
  expect(fresh.threadId).toBe(first.threadId + 2);
  for (const thread of [first, fresh]) expect(await endThread(thread)).toBe(0);
});

test("one is started when the one before has begun", async () => {
  const before = await nextThreadId();
  startThreadsAhead(3);
  expect(await nextThreadId()).toBe(before + 2);
  // Those that nobody takes keep nothing waiting; looking for them does.
  await vi.waitFor(async () => {
    expect(await nextThreadId()).toBeGreaterThan(before + 4);
  });
  const taken = [1, 2, 3].map(() => takeThread(WORKER_HEAP_MB));
  const ids = taken.map(({ threadId }) => threadId);
  const last = await nextThreadId();
  expect(Math.max(...ids)).toBeLessThan(last);
  await Promise.all(taken.map(endThread));
  await endThreadsAhead();
  // No more than were asked for.
  expect(await nextThreadId()).toBe(last + 1);
});

test("who needs a thread before its turn has it, and it is not started again", async () => {
  startThreadsAhead(2);
  const taken = [takeThread(WORKER_HEAP_MB), takeThread(WORKER_HEAP_MB)];
  const [first, second] = taken.map(({ threadId }) => threadId);
  expect(second).toBe(first! + 1);
  await Promise.all(
    taken.map(
      (thread) => new Promise((resolve) => thread.once("online", resolve)),
    ),
  );
  expect(await nextThreadId()).toBe(second! + 1);
  await Promise.all(taken.map(endThread));
  await endThreadsAhead();
});

test("a smaller heap is a thread of its own", async () => {
  startThreadsAhead(1);
  const small = takeThread(64);
  expect(small.resourceLimits?.maxOldGenerationSizeMb).toBe(64);
  expect(await endThread(small)).toBe(0);
  await endThreadsAhead();
});

test.each([
  [0, ""],
  [1, "one is there\n"],
])(
  "where %i can be started, whoever needs another hears why",
  async (count, first) => {
    const said = await runOk(process.execPath, [
      join(import.meta.dirname, "threads-child.mjs"),
      String(count),
    ]);
    expect(said.slice(0, first.length)).toBe(first);
    expect(said.slice(first.length)).toMatch(
      /^WORKER_FAILED: a thread to unpack cannot be started: EAGAIN\n.*ulimit -u/,
    );
  },
);
