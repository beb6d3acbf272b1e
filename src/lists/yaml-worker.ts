/** The thread that parses large YAML, so that it can be stopped, and ends where it takes too much memory. */
import { parentPort, workerData } from "node:worker_threads";
import { parseYaml, YamlError } from "./yaml-parse.js";

/** What it says, once. */
export type YamlAnswer =
  { readonly documents: unknown[] } | { readonly wrong: string };

function answer(content: string): YamlAnswer {
  try {
    return { documents: parseYaml(content) };
  } catch (error) {
    if (error instanceof YamlError) return { wrong: error.message };
    throw error;
  }
}

parentPort?.postMessage(answer(workerData as string));
