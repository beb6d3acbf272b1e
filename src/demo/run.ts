/**
 * `tpull demo`: the whole way on one machine. Serves the demo image on a
 * loopback port, pulls it like any other image, and shows what was stored.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TpullError, isTpullError, openStore } from "../../store/index.js";
import type { OnEvent, PullResult } from "../events.js";
import { pullAll } from "../pull.js";
import { startRegistryServer } from "../serve/server.js";
import { buildDemoImage } from "./image.js";
import { layerTable } from "./layer-table.js";
import { treeText } from "./tree-text.js";

export interface DemoOptions {
  /** Data root to write to; without it a fresh temporary folder is made and named. */
  root?: string;
  concurrency?: number;
  signal?: AbortSignal;
  onEvent?: OnEvent;
  /** Takes the text for stdout. */
  write: (text: string) => void;
}

/**
 * @returns exit status: 0, or 1 when the pull failed (its error event says why)
 * @throws TpullError as `pullAll` does, and `LISTEN_FAILED`
 */
export async function runDemo(options: DemoOptions): Promise<number> {
  const { write } = options;
  const image = await buildDemoImage();
  const server = await startRegistryServer({ content: image.content });
  /** A folder of our own, as long as there is nothing in it to look at. */
  let litter: string | undefined;
  try {
    const root = options.root ?? (litter = await temporaryRoot());
    const reference = `${server.host}/${image.repository}:${image.tag}`;
    write(
      `An embedded registry serves a small image at ${server.url}\n` +
        `and tpull pulls it into the data root ${root}:\n\n` +
        `$ tpull --root ${root} ${reference}\n`,
    );
    const { results } = await pullAll([reference], {
      root,
      ...(options.concurrency === undefined
        ? {}
        : { concurrency: options.concurrency }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
    });
    const [result] = results;
    if (result === undefined) return 1;
    litter = undefined;
    write(`\n${await explain(root, result)}`);
    if (options.root === undefined) write(`\nRemove it with: rm -r ${root}\n`);
    return 0;
  } finally {
    if (litter !== undefined) await rm(litter, { recursive: true });
    await server.close();
  }
}

async function explain(root: string, result: PullResult): Promise<string> {
  return [
    `Image ${result.imageId} (${result.platform}), base layer first:`,
    "",
    layerTable(result.layers),
    "",
    "The data root as dockerd will find it (identifiers shortened; c 0:0 is a whiteout):",
    "",
    await treeText(root),
  ].join("\n");
}

/** A folder on a filesystem that can hold layers: not every temporary folder can. */
async function temporaryRoot(): Promise<string> {
  let refusal: unknown;
  for (const parent of [tmpdir(), "/dev/shm", "/var/tmp"]) {
    let root: string;
    try {
      root = await mkdtemp(join(parent, "tpull-demo-"));
    } catch {
      continue;
    }
    try {
      const store = await openStore(root);
      await store.checkWritable();
      return root;
    } catch (error) {
      await rm(root, { recursive: true });
      refusal ??= error;
    }
  }
  if (isTpullError(refusal)) throw refusal;
  throw new TpullError(
    "ROOT_NOT_WRITABLE",
    "no temporary folder can be written",
    {
      hint: "Name a folder with --root.",
    },
  );
}
