/** One image of a run from its first step to its last, wherever it rests between them. */
import { abortedError, isTpullError } from "../store/index.js";
import { inImage } from "./image-error.js";
import { ImagePull } from "./image-pull.js";
import { type Item, aboutOf } from "./items.js";
import type { PullSession } from "./pull-session.js";
import {
  type Reference,
  canonicalName,
  parseReference,
} from "../store/reference/reference.js";

export class ImageTask implements Disposable {
  readonly item: Item;
  readonly #session: PullSession;
  /** Siblings of a failed layer are stopped by the end of their image. */
  readonly #end = new AbortController();
  readonly #stop = (): void => this.#end.abort();
  #durationMs = 0;
  #reference: Reference | undefined;
  #image: ImagePull | undefined;

  constructor(item: Item, session: PullSession) {
    this.item = item;
    this.#session = session;
    session.signal.addEventListener("abort", this.#stop, { once: true });
  }

  /** Undefined before the first step, and where the text is no reference. */
  get reference(): Reference | undefined {
    return this.#reference;
  }

  /** Bytes of manifests, the config, and blobs that were fetched only to be kept, from the network. */
  get documentBytes(): number {
    return this.#image?.documentBytes ?? 0;
  }

  /** All bytes from the network, for an image that came to no result, too: of layers once they are at rest. */
  get bytesFetched(): number {
    return this.#image?.bytesFetched ?? 0;
  }

  /** Milliseconds that its steps have taken. */
  get durationMs(): number {
    return this.#durationMs;
  }

  /**
   * Does a step. With one that fails the image has failed: there is no other.
   * @throws TpullError that names the image, after an `error` event
   */
  async step<Result>(
    work: (image: ImagePull, reference: Reference) => Promise<Result>,
  ): Promise<Result> {
    // Events and errors repeat what was given; a password in it stays here.
    const about = aboutOf(this.item);
    const { deadline, signal } = this.#session;
    const begun = performance.now();
    try {
      if (signal.aborted) throw abortedError();
      const reference = this.#referenceOf();
      return await work(this.#imageOf(reference), reference);
    } catch (error) {
      const progress = this.#image?.tally.toString();
      const cause = deadline.explain(error, about.image, progress);
      if (!isTpullError(cause)) throw cause;
      this.#image?.failed(cause);
      const failure = inImage(cause, about.image, this.#reference);
      this.#session.emit({ type: "error", ...about, error: failure.toJSON() });
      throw failure;
    } finally {
      this.#durationMs += performance.now() - begun;
    }
  }

  #referenceOf(): Reference {
    this.#reference ??= this.item.reference ?? parseReference(this.item.text);
    return this.#reference;
  }

  /** The first step says what the registry is going to be asked for. */
  #imageOf(reference: Reference): ImagePull {
    if (this.#image !== undefined) return this.#image;
    const { item } = this;
    const { signal } = this.#end;
    this.#image = new ImagePull(item, reference, this.#session, signal);
    this.#session.emit({
      type: "resolve",
      ...aboutOf(item),
      canonicalName: canonicalName(reference),
    });
    return this.#image;
  }

  /** Ends what is still under way for the image. */
  [Symbol.dispose](): void {
    this.#session.signal.removeEventListener("abort", this.#stop);
    this.#end.abort();
  }
}
