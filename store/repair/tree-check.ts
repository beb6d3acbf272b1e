/** Whether a layer's files are right although its archive record was not. */
import { lstatSync } from "node:fs";
import type { DiffId } from "../digest.js";
import { IngestPool } from "../ingest/pool.js";
import type { StoredLayer } from "../ingest/tar-split-source.js";
import { privilege } from "../privilege.js";

/** Findings of a check that are about something else than files and record. */
const BESIDE: ReadonlySet<string> = new Set([
  "LAYER_SIZE_WRONG",
  "LAYER_IRREPRODUCIBLE",
  "OVERLAY_MODE",
]);

/** Compares files with a record that is known to be right. Rather than in doubt it says no. */
export class TreeCheck implements AsyncDisposable {
  #pool: IngestPool | undefined;

  async fits(
    diffId: DiffId,
    { diffDirectory, tarSplitPath }: StoredLayer,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    this.#pool ??= new IngestPool();
    const seesTrusted = privilege() === "native";
    const unprivileged = lstatSync(diffDirectory).uid !== 0;
    const { problems, forbidden } = await this.#pool.check(
      {
        diffId,
        diffDirectory,
        tarSplitPath,
        shownDirectory: "",
        shownTarSplit: "",
        size: undefined,
        shownSize: "",
        rules: {
          seesTrusted,
          seesMarks: seesTrusted || unprivileged,
          nanoseconds: true,
          unprivileged,
          inPlace: false,
        },
      },
      new SharedArrayBuffer(8),
      signal,
    );
    return forbidden === 0 && problems.every(({ code }) => BESIDE.has(code));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool?.[Symbol.asyncDispose]();
  }
}
