/**
 * The threads that unpack. The start of one takes some 50 ms of a processor;
 * whoever knows early that there will be layers can have them started ahead,
 * while this thread is still loading the rest.
 */
import { Worker } from "node:worker_threads";
import { TpullError } from "../errors.js";

/** A worker's own heap is small and constant; a lower limit keeps the collector honest. */
const WORKER_LIMITS = { maxYoungGenerationSizeMb: 4 };
export const WORKER_HEAP_MB = 512;

const ahead = new Set<Worker>();
/** How many of those that were asked for have not been started yet. */
let toCome = 0;

/**
 * Starts threads that {@link takeThread} will hand out, one after the other:
 * all at once they would take the processors away from the thread that loads
 * the rest of the program, which everything waits for. They keep no process alive.
 */
export function startThreadsAhead(count: number): void {
  toCome = Math.max(0, count - ahead.size);
  startNext();
}

function startNext(): void {
  if (toCome === 0) return;
  toCome -= 1;
  // One that cannot live is not missed: whoever needs one starts it, and hears why.
  let thread: Worker;
  try {
    thread = start(WORKER_HEAP_MB);
  } catch {
    toCome = 0;
    return;
  }
  thread.unref();
  ahead.add(thread);
  const forget = (): void => void ahead.delete(thread);
  thread.on("error", forget);
  thread.once("exit", forget);
  thread.once("online", startNext);
}

/**
 * A thread for jobs as `job.ts` has them.
 * @param heapMb most memory for its objects, in MiB
 * @throws TpullError `WORKER_FAILED`
 */
export function takeThread(heapMb: number): Worker {
  if (heapMb !== WORKER_HEAP_MB) return start(heapMb);
  for (const thread of ahead) {
    ahead.delete(thread);
    thread.ref();
    return thread;
  }
  // The next one, before its turn.
  if (toCome > 0) toCome -= 1;
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
  toCome = 0;
  await Promise.all(ended);
}

function start(heapMb: number): Worker {
  try {
    return new Worker(new URL("./worker.js", import.meta.url), {
      resourceLimits: { ...WORKER_LIMITS, maxOldGenerationSizeMb: heapMb },
    });
  } catch (error) {
    throw new TpullError(
      "WORKER_FAILED",
      `a thread to unpack cannot be started: ${(error as Error).message}`,
      {
        hint: "The user has too many processes or the machine too little memory: see ulimit -u, ulimit -v and the limits of the container.",
        cause: error,
      },
    );
  }
}
