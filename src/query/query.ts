/** One question to a registry: errors name what was asked, and nothing is stored. */
import { isTpullError } from "../../store/index.js";
import { inImage } from "../image-error.js";
import type { IndexContext } from "../index-images.js";
import { withoutSecrets } from "../../store/reference/printable.js";
import {
  type Reference,
  parseReference,
} from "../../store/reference/reference.js";
import type { CallOptions } from "../registry/client.js";
import { type RunOptions, RunSession } from "../run-session.js";

export type QueryOptions = RunOptions;

export class Query extends RunSession implements IndexContext {
  /** The reference as it was given, without what may be a password. */
  readonly image: string;
  readonly call: CallOptions;

  /** @throws TpullError `OPTION_INVALID` */
  constructor(text: string, options: QueryOptions) {
    super(options);
    this.image = withoutSecrets(String(text));
    this.call = {
      signal: this.signal,
      onRetry: this.retryTeller({ image: this.image }),
    };
  }

  /** The error as it may stand alone. */
  explain(error: unknown, reference: Reference | undefined): unknown {
    const cause = this.deadline.explain(error, this.image);
    return isTpullError(cause) ? inImage(cause, this.image, reference) : cause;
  }
}

/** Asks about one image. */
export async function asking<Answer>(
  text: string,
  options: QueryOptions,
  work: (reference: Reference, query: Query) => Promise<Answer>,
): Promise<Answer> {
  await using query = new Query(text, options);
  let reference: Reference | undefined;
  try {
    reference = parseReference(text);
    return await work(reference, query);
  } catch (error) {
    throw query.explain(error, reference);
  }
}
