/** The documents of a YAML file, or of a JSON one, which is YAML, too. */
import { Worker } from "node:worker_threads";
import { TpullError, abortedError } from "../../store/index.js";
import type { YamlAnswer } from "./yaml-worker.js";

/** Up to here it takes less than a second, whatever it is. */
const SMALL_BYTES = 128 * 1024;
/** A parsed text takes up to 300 times its own length. */
const WORKER_LIMITS = { maxOldGenerationSizeMb: 1024 };

/** @throws TpullError `IMAGE_LIST_INVALID`, `ABORTED` */
export async function yamlDocuments(
  content: string,
  signal?: AbortSignal,
): Promise<unknown[]> {
  const json = jsonDocument(content);
  if (json !== undefined) return [json];
  if (content.length > SMALL_BYTES) return parsedElsewhere(content, signal);
  const { parseYaml, YamlError } = await import("./yaml-parse.js");
  try {
    return parseYaml(content);
  } catch (error) {
    throw error instanceof YamlError ? invalid(error.message) : error;
  }
}

/** The parser of JSON is a hundred times faster; undefined for what it does not take. */
function jsonDocument(content: string): unknown {
  if (!/^\s*[{[]/.test(content)) return undefined;
  try {
    return JSON.parse(content) as unknown;
  } catch {
    return undefined;
  }
}

async function parsedElsewhere(
  content: string,
  signal: AbortSignal | undefined,
): Promise<unknown[]> {
  const worker = new Worker(new URL("./yaml-worker.js", import.meta.url), {
    workerData: content,
    resourceLimits: WORKER_LIMITS,
  });
  try {
    const answer = await new Promise<YamlAnswer>((resolve, reject) => {
      const leave = (): void => reject(abortedError());
      signal?.addEventListener("abort", leave, { once: true });
      if (signal?.aborted === true) leave();
      worker.once("message", resolve);
      worker.once("error", (error: NodeJS.ErrnoException) =>
        reject(
          error.code === "ERR_WORKER_OUT_OF_MEMORY"
            ? invalid("this YAML takes more than 1 GiB of memory to read")
            : error,
        ),
      );
      worker.once("exit", () => {
        signal?.removeEventListener("abort", leave);
        reject(new Error("the thread that reads YAML ended early"));
      });
    });
    if ("documents" in answer) return answer.documents;
    throw invalid(answer.wrong);
  } finally {
    await worker.terminate();
  }
}

function invalid(message: string): TpullError {
  return new TpullError("IMAGE_LIST_INVALID", message);
}
