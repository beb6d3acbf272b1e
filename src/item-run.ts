/** The images of a run, a few at a time: references become items, items become results or failures. */
import pLimit, { type LimitFunction } from "p-limit";
import { type TpullError, isTpullError } from "../store/index.js";
import type { About, FailedPull } from "./events.js";
import { inImage } from "./image-error.js";
import type { IndexContext } from "./index-images.js";
import {
  type Item,
  type MissingItem,
  aboutOf,
  expandPlatforms,
  expandTags,
} from "./items.js";
import {
  type Reference,
  parseReference,
} from "../store/reference/reference.js";
import type { Wanted } from "./requests.js";
import type { RunSession } from "./run-session.js";

/** Images whose manifests are asked for at the same time. */
export const IMAGES_AT_ONCE = 4;

/** In the order of the references, their tags and their platforms. */
export interface Outcomes<Result> {
  results: Result[];
  failures: FailedPull[];
}

export type Outcome<Result> = { result: Result } | { failure: FailedPull };

/** What the items of a run share. */
export type ItemSession = Pick<
  RunSession,
  "client" | "signal" | "deadline" | "emit" | "retryTeller"
>;

/**
 * Does the work of a run for one item.
 * @throws TpullError that names the image, after an `error` event
 */
export type ItemWork<Result> = (item: Item) => Promise<Result>;

export class ItemRun<Result> {
  readonly #session: ItemSession;
  readonly #work: ItemWork<Result>;
  /** Two limits: who waits for the items of a reference must not hold the place of one. */
  readonly #references: LimitFunction;
  readonly #items: LimitFunction;

  /** @param atOnce references, and items, that are worked on at the same time */
  constructor(
    session: ItemSession,
    work: ItemWork<Result>,
    atOnce: number = IMAGES_AT_ONCE,
  ) {
    this.#session = session;
    this.#work = work;
    this.#references = pLimit(atOnce);
    this.#items = pLimit(atOnce);
  }

  /**
   * Does the work for all requests, and says in their order what became of it.
   * @throws only what is no TpullError
   */
  async all(requests: readonly Wanted[]): Promise<Outcomes<Result>> {
    const outcomes: Outcomes<Result> = { results: [], failures: [] };
    for (const outcome of await this.each(requests)) {
      if ("result" in outcome) outcomes.results.push(outcome.result);
      else outcomes.failures.push(outcome.failure);
    }
    return outcomes;
  }

  /**
   * The same with results and failures among each other.
   * @throws only what is no TpullError
   */
  async each(requests: readonly Wanted[]): Promise<Outcome<Result>[]> {
    const settled = await Promise.allSettled(
      requests.map((wanted) => this.#given(wanted)),
    );
    return settled.flatMap((one) => {
      if (one.status === "rejected") throw one.reason;
      return one.value;
    });
  }

  /** Of a repository each tag, of a reference only itself. */
  async #given(wanted: Wanted): Promise<Outcome<Result>[]> {
    const { reference: given, selection } = wanted;
    const outcomes: Promise<Outcome<Result>[]>[] = [];
    const about = aboutOf({ text: given });
    const context = this.#context(about);
    try {
      for await (const text of expandTags(given, selection, context)) {
        outcomes.push(this.#references(() => this.#reference(text, wanted)));
      }
    } catch (error) {
      outcomes.push(Promise.resolve([this.#failed(error, about, given)]));
    }
    const settled = await Promise.allSettled(outcomes);
    return settled.flatMap((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    });
  }

  async #reference(
    text: string,
    { selection, pin }: Wanted,
  ): Promise<Outcome<Result>[]> {
    const about = aboutOf({ text });
    let items: (Item | MissingItem)[];
    try {
      items = await expandPlatforms(
        { text, selection, pin },
        this.#context(about),
        (skipped) =>
          this.#session.emit({
            type: "warning",
            ...about,
            code: "PLATFORM_SKIPPED",
            message: `left out, since a data root of Linux cannot hold them: ${skipped.join(", ")}`,
          }),
      );
    } catch (error) {
      return [this.#failed(error, about, text)];
    }
    const outcomes = await Promise.allSettled(
      items.map((item) =>
        "error" in item
          ? this.#failed(item.error, aboutOf(item), text)
          : this.#items(() => this.#item(item)),
      ),
    );
    return outcomes.map((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    });
  }

  async #item(item: Item): Promise<Outcome<Result>> {
    try {
      return { result: await this.#work(item) };
    } catch (error) {
      if (!isTpullError(error)) throw error;
      return { failure: failureOf(error, aboutOf(item)) };
    }
  }

  /** What failed before there was an item: its event is sent here. */
  #failed(
    error: unknown,
    about: About,
    given: string,
  ): { failure: FailedPull } {
    const cause = this.#session.deadline.explain(error, about.image);
    if (!isTpullError(cause)) throw cause;
    const named = inImage(cause, about.image, referenceOf(given));
    this.#session.emit({ type: "error", ...about, error: named.toJSON() });
    return { failure: failureOf(named, about) };
  }

  #context(about: About): IndexContext {
    const { client, signal } = this.#session;
    return {
      image: about.image,
      client,
      call: { signal, onRetry: this.#session.retryTeller(about) },
    };
  }
}

/** A failure as results carry it. */
export function failureOf(
  error: TpullError,
  { image, target }: About,
): FailedPull {
  return {
    reference: image,
    ...(target === undefined ? {} : { target }),
    error: error.toJSON(),
  };
}

function referenceOf(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}
