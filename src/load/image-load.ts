/** One image on its way from an archive into the store: a pull's steps, but for its names. */
import { type ImageId, TpullError } from "../../store/index.js";
import {
  type Reference,
  canonicalName,
  familiarName,
  familiarRepository,
} from "../../store/reference/reference.js";
import type { PullResult } from "../events.js";
import { ImagePull } from "../image-pull.js";
import type { Item } from "../items.js";
import type { LayerOutcome } from "../layer-request.js";
import type { PullSession } from "../pull-session.js";
import type { ResolvedImage } from "../resolve-image.js";

export interface LoadItem extends Item {
  readonly reference: Reference;
  /** What it is called in the archive. */
  readonly names: readonly Reference[];
  /** Whether a registry has it under its digests, in the repository of `reference`. */
  readonly fromRegistry: boolean;
  /** One of several platforms that are loaded, and not the one that has the names. */
  readonly isOther: boolean;
}

export class ImageLoad extends ImagePull {
  readonly #item: LoadItem;
  readonly #session: PullSession;
  readonly #retag: boolean;
  #named: { names: string[]; kept: string[] } = { names: [], kept: [] };

  constructor(
    item: LoadItem,
    session: PullSession,
    options: { readonly signal: AbortSignal; readonly retag: boolean },
  ) {
    super(item, item.reference, session, options.signal);
    this.#item = item;
    this.#session = session;
    this.#retag = options.retag;
  }

  override async publish(
    resolved: ResolvedImage,
    outcomes: readonly LayerOutcome[],
    config: Buffer,
  ): Promise<PullResult["status"]> {
    const { store } = this.#session;
    const imageId = resolved.manifest.config.digest as string as ImageId;
    const isNew = (await store.imageConfig(imageId)) === undefined;
    const writer = await this.#session.writer();
    if (this.#item.fromRegistry) {
      await writer.recordDistribution(await this.origins(resolved, outcomes));
    }
    await writer.putImage({ config, imageId });
    if (this.#item.fromRegistry) {
      await writer.keepManifest(imageId, resolved.manifestBytes);
    }
    let changed = isNew;
    for (const name of this.#item.names) {
      const familiar = familiarName(name);
      const holder = await this.#holderOf(familiar, imageId);
      if (holder !== undefined) {
        this.#named.kept.push(familiar);
        this.#tellKept(familiar, holder);
        continue;
      }
      const { tag } = name;
      const repository = familiarRepository(name);
      const named = await writer.tagImage(imageId, { repository, tag });
      this.#named.names.push(familiar);
      changed ||= named.changed;
    }
    if (await this.#nameByDigest(resolved, imageId)) changed = true;
    return changed ? "downloaded" : "up-to-date";
  }

  /** What a registry has it under; of several platforms, the others than the one with the names by their own manifests. */
  async #nameByDigest(
    { digest: top, manifestDigest }: ResolvedImage,
    imageId: ImageId,
  ): Promise<boolean> {
    const { fromRegistry, isOther, reference } = this.#item;
    if (!fromRegistry) return false;
    const digest = isOther ? manifestDigest : top;
    const repository = familiarRepository(reference);
    const holder = await this.#holderOf(`${repository}@${digest}`, imageId);
    if (holder !== undefined) return false;
    const writer = await this.#session.writer();
    const { changed } = await writer.tagImage(imageId, { repository, digest });
    return changed;
  }

  /** Another image that has the name, and is to keep it. */
  async #holderOf(
    familiar: string,
    imageId: ImageId,
  ): Promise<ImageId | undefined> {
    const holder = await this.#session.store.reference(familiar);
    return holder === imageId || this.#retag ? undefined : holder;
  }

  #tellKept(name: string, holder: ImageId): void {
    this.#session.emit({
      type: "warning",
      image: this.#item.text,
      code: "NAME_KEPT",
      message: `the name ${name} stays with the image ${holder.slice(7, 19)}, which has it here; --retag lets it go over`,
    });
  }

  override result(
    ...args: Parameters<ImagePull["result"]>
  ): ReturnType<ImagePull["result"]> {
    return { ...super.result(...args), loaded: this.#named };
  }

  /** An image without a name is known by what the archive has it by. */
  protected override names(): ReturnType<ImagePull["names"]> {
    const own = super.names();
    const [first] = this.#item.names;
    return first === undefined
      ? { ...own, canonicalName: own.reference, familiarName: own.reference }
      : {
          ...own,
          canonicalName: canonicalName(first),
          familiarName: familiarName(first),
        };
  }
}

/** What went wrong is the archive's fault, not a registry's: says so where the pull's own words would not. */
export function inArchiveWords(error: TpullError): TpullError {
  const hint = HINTS.get(error.code);
  return new TpullError(
    error.code,
    error.message.replace(
      "the registry sent other bytes than asked for: they hash",
      "its bytes in the archive are not those of its digest: they hash",
    ),
    {
      hint: hint ?? error.hint,
      cause: error.cause,
      retryable: error.retryable,
      details: error.details,
    },
  );
}

const DAMAGED =
  "The archive is damaged; nothing of it was loaded. Save or copy it again.";
const HINTS = new Map([
  ["DIGEST_MISMATCH", DAMAGED],
  ["SIZE_MISMATCH", DAMAGED],
  ["DIFF_ID_MISMATCH", DAMAGED],
  ["LAYER_INVALID", DAMAGED],
  ["MANIFEST_INVALID", DAMAGED],
]);
