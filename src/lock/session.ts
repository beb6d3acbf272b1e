/** What names stand for, asked of registries for a whole list: a few at a time over one client. */
import pLimit from "p-limit";
import {
  type Digest,
  type TpullError,
  abortedError,
  isTpullError,
} from "../../store/index.js";
import type { Reference } from "../../store/reference/reference.js";
import { inImage } from "../image-error.js";
import type { IndexContext } from "../index-images.js";
import { type RunOptions, RunSession } from "../run-session.js";

/** Names that are asked for at the same time; each is one or two small requests. */
const NAMES_AT_ONCE = 8;

export class LockSession extends RunSession {
  readonly #limit = pLimit(NAMES_AT_ONCE);
  readonly #caller: AbortSignal | undefined;

  /** @throws TpullError `OPTION_INVALID` */
  constructor(options: RunOptions) {
    super(options);
    this.#caller = options.signal;
  }

  /**
   * Does the work for each name, in parallel; the results are in the order of
   * the names.
   * @throws TpullError `ABORTED` when the caller stopped it; what is no TpullError
   */
  async each<Name, Result>(
    names: readonly Name[],
    work: (name: Name) => Promise<Result>,
  ): Promise<Result[]> {
    const settled = await Promise.allSettled(
      names.map((name) => this.#limit(() => work(name))),
    );
    if (this.#caller?.aborted) throw abortedError();
    return settled.map((one) => {
      if (one.status === "fulfilled") return one.value;
      throw one.reason;
    });
  }

  /** How registries are asked about a name. */
  context(image: string): IndexContext {
    const onRetry = this.retryTeller({ image });
    const call = { signal: this.signal, onRetry };
    return { image, client: this.client, call };
  }

  /**
   * The digest that a tag stands for, or that a digest is there: one `HEAD`,
   * which no registry counts as a pull, unless the registry has no answer to it.
   * @param item tag or digest
   */
  async digest(
    reference: Reference,
    item: string,
    image: string,
  ): Promise<Digest> {
    const { client, call } = this.context(image);
    const head = await client.head(reference, item, call);
    if (head !== undefined) return head.digest;
    return (await client.manifest(reference, item, call)).digest;
  }

  /**
   * The failure of one name, as it may stand alone.
   * @throws what is no TpullError
   */
  failure(error: unknown, image: string, reference?: Reference): TpullError {
    const cause = this.deadline.explain(error, image);
    if (!isTpullError(cause)) throw cause;
    return inImage(cause, image, reference);
  }
}
