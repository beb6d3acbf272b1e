/** All layers of a run as lines to show: which ones, and what each says. */
import { shortId, type Digest } from "../../../store/digest.js";
import { type LayerState, type PullEvent, itemName } from "../../events.js";
import { bareReference } from "../report-error.js";
import { oneLine } from "../terminal-text.js";
import type { LineContent } from "./bar-line.js";
import { LayerRow } from "./layer-row.js";
import { RateMeter } from "./rate.js";
import { formatBytes } from "./units.js";

const STATE_TEXT = {
  waiting: "waiting",
  downloading: "downloading",
  extracting: "extracting",
  staged: "extracted",
  complete: "done",
  exists: "Already exists",
} satisfies Record<LayerState, string>;

/** When not all rows fit: those where something happens come first, finished ones never. */
const PRIORITY = ["downloading", "extracting", "staged", "waiting"] as const;

export interface PullViewOptions {
  /** The layers come from an archive, and nothing is downloaded. */
  readonly fromArchive?: boolean | undefined;
}

export class PullView {
  readonly #texts: typeof STATE_TEXT;
  readonly #rows = new Map<Digest, LayerRow>();
  readonly #meter = new RateMeter();
  #received = 0;
  /** What is going on while no layer is known, or why nothing goes on. */
  #note = "";

  constructor({ fromArchive = false }: PullViewOptions = {}) {
    this.#texts = fromArchive
      ? { ...STATE_TEXT, downloading: "reading" }
      : STATE_TEXT;
  }

  onEvent(event: PullEvent, now: number): void {
    switch (event.type) {
      case "resolve":
        this.#note = `resolving ${bareReference(event.image)}`;
        break;
      case "layers":
        this.#note = "";
        for (const [index, { digest, size }] of event.layers.entries()) {
          this.#row(digest, size).setState(itemName(event), index, "waiting");
        }
        break;
      case "layer": {
        const { index, digest, state } = event;
        this.#rows.get(digest)?.setState(itemName(event), index, state);
        this.#note = "";
        break;
      }
      case "progress": {
        const row = this.#rows.get(event.digest);
        this.#received += row?.receive(event.current, now) ?? 0;
        this.#meter.note(this.#received, now);
        this.#note = "";
        break;
      }
      case "retry":
        this.#onRetry(event);
        break;
      case "result":
        // Nothing is said of the layers of an image that was there as a whole.
        for (const row of this.#rows.values()) row.settle(itemName(event));
        break;
      case "wait":
        this.#note = `waiting: ${oneLine(event.reason)}`;
        break;
      default:
    }
  }

  /**
   * The lines from top to bottom: layers, base first, then the total.
   * @param capacity most layers to show; when there are more, finished ones
   *   show only in the total
   * @param final the last picture: no speed, no time left
   */
  lines(capacity: number, now: number, final = false): LineContent[] {
    const rows = [...this.#rows.values()];
    const layers = visible(rows, capacity).map((row) =>
      layerContent(row, this.#texts, final ? undefined : now),
    );
    const note = final ? "" : this.#note;
    if (rows.length === 0) return note === "" ? [] : [{ text: note }];
    const total = totalContent(rows, final ? undefined : this.#meter, now);
    return [...layers, total, ...(note === "" ? [] : [{ text: note }])];
  }

  #row(digest: Digest, size: number): LayerRow {
    let row = this.#rows.get(digest);
    if (row === undefined) {
      row = new LayerRow(digest, size);
      this.#rows.set(digest, row);
    }
    return row;
  }

  #onRetry({ digest, delayMs, reason }: PullEvent & { type: "retry" }): void {
    const seconds = Math.ceil(delayMs / 1000);
    const row = digest === undefined ? undefined : this.#rows.get(digest);
    if (row !== undefined) row.retryInSeconds = seconds;
    else this.#note = `${oneLine(reason)}; retry in ${seconds} s`;
  }
}

function visible(rows: readonly LayerRow[], capacity: number): LayerRow[] {
  if (rows.length <= capacity) return [...rows];
  const chosen = new Set<LayerRow>();
  for (const state of PRIORITY) {
    for (const row of rows) {
      if (chosen.size < capacity && row.state === state) chosen.add(row);
    }
  }
  return rows.filter((row) => chosen.has(row));
}

function layerContent(
  row: LayerRow,
  texts: typeof STATE_TEXT,
  now: number | undefined,
): LineContent {
  const { state, current, total, retryInSeconds } = row;
  const label = shortId(row.digest);
  if (retryInSeconds !== undefined && now !== undefined && !row.isDone) {
    return { label, state: `retry in ${retryInSeconds} s`, current, total };
  }
  const text = texts[state];
  if (state === "exists") return { label, state: text };
  if (state === "downloading") {
    const rate = now === undefined ? undefined : row.meter.perSecond(now);
    return { label, state: text, current, total, ...withRate(rate) };
  }
  return { label, state: text, size: formatBytes(total) };
}

function totalContent(
  rows: readonly LayerRow[],
  meter: RateMeter | undefined,
  now: number,
): LineContent {
  const done = rows.filter((row) => row.isDone).length;
  const needed = rows.filter((row) => row.state !== "exists");
  const current = sum(needed.map((row) => row.current));
  const total = sum(needed.map((row) => row.total));
  const rate = current < total ? meter?.perSecond(now) : undefined;
  const state = `${done}/${rows.length} done`;
  return total === 0
    ? { label: "total", state }
    : { label: "total", state, current, total, ...withRate(rate) };
}

function withRate(rate: number | undefined): { rate?: number } {
  return rate === undefined ? {} : { rate };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
