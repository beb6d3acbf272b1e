/** The threads of this process, told apart by their numbers. */
import type { Worker } from "node:worker_threads";
import { takeThread } from "#store/ingest/threads.js";

/** Tells a thread that was taken to end. @returns its exit status */
export function endThread(thread: Worker): Promise<unknown> {
  thread.postMessage({ role: "end" });
  return new Promise((resolve) => thread.once("exit", resolve));
}

/** The number of a thread that is started for this: numbers go up by one. */
export async function nextThreadId(): Promise<number> {
  const thread = takeThread(64);
  const { threadId } = thread;
  await endThread(thread);
  return threadId;
}
