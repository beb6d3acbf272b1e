/**
 * The threads that unpack. The start of one takes some 50 ms of a processor;
 * whoever knows early that there will be layers can have them started ahead,
 * while this thread is still loading the rest.
 */
import { Worker } from "node:worker_threads";

/** A worker's own heap is small and constant; a lower limit keeps the collector honest. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 4 };
export const WORKER_HEAP_MB = 512;

const ahead = new Set<Worker>();

/** Starts threads that {@link takeThread} will hand out. They keep no process alive. */
export function startThreadsAhead(count: number): void {
  while (ahead.size < count) {
    const thread = start(WORKER_HEAP_MB);
    thread.unref();
    ahead.add(thread);
    // One that cannot live is not missed: whoever needs one starts it, and hears why.
    const forget = (): void => void ahead.delete(thread);
    thread.on("error", forget);
    thread.once("exit", forget);
  }
}

/**
 * A thread for jobs as `job.ts` has them.
 * @param heapMb most memory for its objects, in MiB
 */
export function takeThread(heapMb: number): Worker {
  if (heapMb !== WORKER_HEAP_MB) return start(heapMb);
  for (const thread of ahead) {
    ahead.delete(thread);
    thread.ref();
    return thread;
  }
  return start(heapMb);
}

/** Ends what nobody took, in good order: threads that are stopped while they load can take the process down. */
export async function endThreadsAhead(): Promise<void> {
  const ended = [...ahead].map((thread) => {
    thread.ref();
    thread.postMessage({ role: "end" });
    return new Promise<void>((resolve) => {
      thread.once("exit", () => resolve());
    });
  });
  ahead.clear();
  await Promise.all(ended);
}

function start(heapMb: number): Worker {
  return new Worker(new URL("./worker.js", import.meta.url), {
    resourceLimits: { ...WORKER_LIMITS, maxOldGenerationSizeMb: heapMb },
  });
}
