/** The two lists of dockerd's configuration that say where images come from. */
import { stat } from "node:fs/promises";
import { isTable, readStrings } from "./fields.js";
import { readText } from "./config-file.js";
import type { Report } from "./report.js";

export interface DaemonLists {
  /** `registry-mirrors`: of Docker Hub. */
  readonly mirrors: readonly string[];
  /** `insecure-registries` */
  readonly insecure: readonly string[];
}

export const NO_LISTS: DaemonLists = { mirrors: [], insecure: [] };

/** The first of the files that is there. */
export async function firstFile(
  files: readonly string[],
): Promise<string | undefined> {
  for (const file of files) {
    const found = await stat(file).catch(() => undefined);
    if (found?.isFile()) return file;
  }
  return undefined;
}

/** @throws TpullError as the report has it */
export async function readDaemonJson(
  file: string,
  report: Report,
): Promise<DaemonLists> {
  const text = await readText(file, report);
  // dockerd takes an empty file for one that says nothing.
  if (text.trim() === "") return NO_LISTS;
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw report.fail("not JSON", undefined, error);
  }
  if (!isTable(document)) throw report.fail("not a JSON object");
  return {
    mirrors: readStrings(document, "registry-mirrors", report) ?? [],
    insecure: readStrings(document, "insecure-registries", report) ?? [],
  };
}
