/** One image on its way from an archive into the store: a pull's steps, but for its names. */
import { type ImageId, type Naming, TpullError } from "../../store/index.js";
import { repositoryOf } from "../../store/repositories.js";
import {
  type Reference,
  canonicalName,
  familiarName,
  familiarRepository,
} from "../../store/reference/reference.js";
import type { PullResult } from "../events.js";
import type { ImageConfig } from "../image-config.js";
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
  /** The only image of its archive's index, which nobody has chosen: it may be for any platform. */
  readonly isOnly: boolean;
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

  /** Says so where the only image is for another platform, though an index says that it is. */
  override checkPlatform(config: ImageConfig, resolved: ResolvedImage): void {
    const { isOnly } = this.#item;
    super.checkPlatform(
      config,
      isOnly ? { ...resolved, chosen: false } : resolved,
    );
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
    const namings = await this.#namings(resolved, imageId);
    if (namings.length === 0) return isNew ? "downloaded" : "up-to-date";
    const { changed } = await writer.tagImage(imageId, namings);
    return isNew || changed ? "downloaded" : "up-to-date";
  }

  /** The names that are not to stay with other images. */
  async #namings(resolved: ResolvedImage, imageId: ImageId): Promise<Naming[]> {
    const references = await this.#session.store.references();
    const holderOf = (familiar: string): ImageId | undefined => {
      const holder = references.get(repositoryOf(familiar))?.get(familiar);
      return holder === imageId || this.#retag ? undefined : holder;
    };
    const namings: Naming[] = [];
    for (const name of this.#item.names) {
      const familiar = familiarName(name);
      const holder = holderOf(familiar);
      if (holder === undefined) {
        this.#named.names.push(familiar);
        namings.push({ repository: familiarRepository(name), tag: name.tag });
      } else {
        this.#named.kept.push(familiar);
        this.#tellKept(familiar, holder);
      }
    }
    const byDigest = this.#nameByDigest(resolved);
    if (byDigest === undefined) return namings;
    const { repository, digest } = byDigest;
    const isFree = holderOf(`${repository}@${digest}`) === undefined;
    return isFree ? [...namings, byDigest] : namings;
  }

  /** What a registry has it under; of several platforms, the others than the one with the names by their own manifests. */
  #nameByDigest({
    digest: top,
    manifestDigest,
  }: ResolvedImage): Naming | undefined {
    const { fromRegistry, isOther, reference } = this.#item;
    if (!fromRegistry) return undefined;
    const digest = isOther ? manifestDigest : top;
    return { repository: familiarRepository(reference), digest };
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
