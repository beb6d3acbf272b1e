/** One prefetch: the images on their way, and what became of each. */
import pLimit from "p-limit";
import { isTpullError, listPartials } from "../../store/index.js";
import type { FailedPull, PrefetchedImage, PullResult } from "../events.js";
import { reserveLayers } from "../image-space.js";
import { ImageTask } from "../image-task.js";
import { IMAGES_AT_ONCE, ItemRun, failureOf } from "../item-run.js";
import { type Item, aboutOf } from "../items.js";
import { shareOut } from "../plan/share-out.js";
import type { PullSession } from "../pull-session.js";
import type { Wanted } from "../requests.js";
import { reportOf } from "./report.js";
import type { Entry, State } from "./entry.js";
import { type Done, type Found, bring, find } from "./steps.js";

/** Images that are looked up at the same time: questions are small, and wait for answers most of their time. */
const ASKED_AT_ONCE = 8;

/** An image that is to be fetched. */
type Pending = Entry & { readonly task: ImageTask };

export class PrefetchRun implements Disposable {
  readonly #session: PullSession;
  readonly #keepGoing: boolean;
  readonly #tasks: ImageTask[] = [];
  #entries: Entry[] = [];

  constructor(session: PullSession, keepGoing: boolean) {
    this.#session = session;
    this.#keepGoing = keepGoing;
  }

  /**
   * Finds all images, and then brings those that are missing.
   * @throws TpullError `NOT_ENOUGH_SPACE` before anything is fetched
   */
  async all(wanted: readonly Wanted[]): Promise<void> {
    const run = new ItemRun<Entry>(
      this.#session,
      (item) => this.#find(item),
      ASKED_AT_ONCE,
    );
    const outcomes = await run.each(wanted);
    this.#entries = outcomes.map((outcome) =>
      "result" in outcome
        ? outcome.result
        : { state: { kind: "failed", failure: outcome.failure } },
    );
    const order = this.#largestFirst();
    this.#tellPlan(order);
    if (order.length === 0 || this.#isStopped()) return;
    await this.#bringAll(order);
  }

  async #find(item: Item): Promise<Entry> {
    const task = new ImageTask(item, this.#session);
    this.#tasks.push(task);
    const state = await attempt(task, () => find(task, this.#session));
    return { task, state };
  }

  /** What is to be fetched, the image with the most bytes first. */
  #largestFirst(): Pending[] {
    const partials = listPartials(this.#session.store.root);
    const bytesOf = ({ state }: Entry): number =>
      shareOut([neededOf(state)], partials).shares[0]?.bytes ?? 0;
    return this.#entries
      .filter(isPending)
      .map((entry) => ({ entry, bytes: bytesOf(entry) }))
      .toSorted((a, b) => b.bytes - a.bytes)
      .map(({ entry }) => entry);
  }

  #tellPlan(order: readonly Pending[]): void {
    const { shares } = shareOut(
      order.map(({ state }) => neededOf(state)),
      listPartials(this.#session.store.root),
    );
    const count = (kind: State["kind"]): number =>
      this.#entries.filter(({ state }) => state.kind === kind).length;
    this.#session.emit({
      type: "plan",
      images: this.#entries.length,
      upToDate: count("done"),
      toFetch: order.length,
      failed: count("failed"),
      layersToFetch: shares.reduce((sum, { requests }) => sum + requests, 0),
      bytesToFetch: shares.reduce((sum, { bytes }) => sum + bytes, 0),
    });
  }

  /** One that is to be fetched has failed, or will not be found. */
  #isStopped(): boolean {
    if (this.#keepGoing) return false;
    return this.#entries.some(({ state }) => state.kind === "failed");
  }

  async #bringAll(order: readonly Pending[]): Promise<void> {
    const { layers } = shareOut(
      order.map(({ state }) => neededOf(state)),
      [],
    );
    const reserved = await reserveLayers(layers, this.#session, {
      subject: "the images do",
    });
    if (layers.length > 0) this.#session.expectLayers();
    const limit = pLimit(IMAGES_AT_ONCE);
    try {
      const settled = await Promise.allSettled(
        order.map((entry) => limit(() => this.#bring(entry))),
      );
      for (const one of settled) {
        if (one.status === "rejected") throw one.reason;
      }
    } finally {
      reserved.release();
    }
  }

  async #bring(entry: Pending): Promise<void> {
    const { task, state } = entry;
    if (state.kind !== "found" || this.#isStopped()) return;
    entry.state = await attempt(task, () => bring(task, state));
    task[Symbol.dispose]();
  }

  /** In the order asked for, like all that follows. */
  get images(): PrefetchedImage[] {
    return this.#entries.map(reportOf);
  }

  get results(): PullResult[] {
    return this.#entries.flatMap(({ state }) =>
      state.kind === "done" ? [state.result] : [],
    );
  }

  get failures(): FailedPull[] {
    return this.#entries.flatMap(({ state }) =>
      state.kind === "failed" ? [state.failure] : [],
    );
  }

  /** Whether it came to its end because it was stopped. */
  get isInterrupted(): boolean {
    return this.failures.some(({ error }) => error.code === "ABORTED");
  }

  [Symbol.dispose](): void {
    for (const task of this.#tasks) task[Symbol.dispose]();
  }
}

async function attempt(
  { item }: ImageTask,
  step: () => Promise<Found | Done>,
): Promise<State> {
  try {
    return await step();
  } catch (error) {
    if (!isTpullError(error)) throw error;
    return { kind: "failed", failure: failureOf(error, aboutOf(item)) };
  }
}

function isPending(entry: Entry): entry is Pending {
  return entry.task !== undefined && entry.state.kind === "found";
}

function neededOf(state: State): Found["needed"] {
  return state.kind === "found" ? state.needed : [];
}
