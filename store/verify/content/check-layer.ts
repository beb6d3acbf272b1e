/**
 * One layer, read from beginning to end: its archive is put together again and
 * hashed, and everything that was unpacked of it is compared with what the
 * archive's headers say. Each file is read once; memory grows with the number
 * of files, not with their size. Synchronous, in a worker.
 */
import { isTpullError } from "../../errors.js";
import type { Crc64 } from "../../ingest/crc64.js";
import { errnoOf } from "../../io-error.js";
import { ArchiveCheck, type ArchiveToCheck } from "./check-archive.js";
import type { CheckPulse, TreeRules } from "./compare-file.js";
import { TreeComparison } from "./compare-tree.js";
import { diffModeProblem } from "./diff-mode.js";
import { LayerFiles } from "../../ingest/layer-files.js";
import { type Problem, Problems } from "./problems.js";

/** A layer as a worker gets it. */
export interface LayerToCheck extends ArchiveToCheck {
  readonly diffDirectory: string;
  /** The `size` file, as far as it is a number, and its path for findings. */
  readonly size: number | undefined;
  readonly shownSize: string;
  readonly rules: TreeRules;
}

export interface CheckedLayer {
  readonly problems: readonly Problem[];
  /** Bytes of files that were read. */
  readonly bytes: number;
  /** Files, directories and all else in the tree. */
  readonly files: number;
  /** Files this user must not look at: then the content is not proven. */
  readonly forbidden: number;
}

/** What the machine is short of says nothing of the layer. */
const LACKING: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

/** @throws TpullError `ABORTED`; what the system fails at that has nothing to do with the layer */
export function checkLayer(
  layer: LayerToCheck,
  crc: Crc64,
  pulse: CheckPulse,
): CheckedLayer {
  return new LayerCheck(layer, crc, pulse).run();
}

class LayerCheck {
  readonly #layer: LayerToCheck;
  readonly #crc: Crc64;
  readonly #pulse: CheckPulse;
  readonly #problems = new Problems();
  readonly #archive: ArchiveCheck;
  #bytes = 0;
  #files = 0;
  #forbidden = 0;

  constructor(layer: LayerToCheck, crc: Crc64, pulse: CheckPulse) {
    this.#layer = layer;
    this.#crc = crc;
    this.#pulse = {
      stopped: pulse.stopped,
      onContent: (bytes) => {
        this.#bytes += bytes;
        pulse.onContent(bytes);
      },
    };
    this.#archive = new ArchiveCheck(layer, this.#problems, crc, this.#pulse);
  }

  run(): CheckedLayer {
    const { diffDirectory, shownDirectory } = this.#layer;
    try {
      const files = new LayerFiles(diffDirectory);
      try {
        this.#archive.run(files);
      } finally {
        files.close();
      }
      if (this.#archive.whole) this.#tree();
    } catch (error) {
      const reason = isTpullError(error)
        ? error.details["errno"]
        : errnoOf(error);
      if (typeof reason !== "string" || LACKING.has(reason)) throw error;
      if (reason === "EACCES") this.#forbidden += 1;
      else {
        const message = `it cannot be read (${reason})`;
        this.#problems.add("OVERLAY_MISSING", shownDirectory, message);
      }
    }
    return {
      problems: this.#problems.finish(shownDirectory),
      bytes: this.#bytes,
      files: this.#files,
      forbidden: this.#forbidden + this.#archive.forbidden,
    };
  }

  #tree(): void {
    const { rules, diffDirectory, shownDirectory } = this.#layer;
    const report = {
      problems: this.#problems,
      path: shownDirectory,
      pulse: this.#pulse,
    };
    const comparison = new TreeComparison(rules, report, this.#crc);
    const seen = comparison.run(this.#archive.tree, diffDirectory);
    this.#files = seen.files;
    this.#forbidden += seen.forbidden;
    this.#compareDiff();
    this.#compareSize(seen.bytes);
  }

  #compareDiff(): void {
    const { diffDirectory, shownDirectory, rules } = this.#layer;
    const problem = diffModeProblem(
      diffDirectory,
      this.#archive.tree.rootMembers,
      rules.unprivileged,
    );
    if (problem !== undefined) {
      this.#problems.add("OVERLAY_MODE", shownDirectory, problem);
    }
  }

  /** Where docker cannot look at the files themselves, it adds up what their headers say. */
  #compareSize(found: bigint): void {
    const { size, shownSize } = this.#layer;
    if (size === undefined) return;
    const { bytes, headerBytes } = this.#archive.tree;
    if ([bytes, headerBytes, Number(found)].includes(size)) return;
    this.#problems.add(
      "LAYER_SIZE_WRONG",
      shownSize,
      `it says ${size}, and the files have ${bytes} bytes`,
    );
  }
}
