/** What of an archive's images is loaded: of an index the platforms that were asked for. */
import { missingInArchive } from "../archive/archive-error.js";
import type { ArchiveClient } from "../archive/client.js";
import type { ArchivedImage } from "../archive/archived-image.js";
import {
  type IndexContext,
  type IndexImage,
  imageEntries,
  listImages,
  noSuchPlatform,
} from "../index-images.js";
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  platformOf,
} from "../platform.js";
import type { PullSession } from "../pull-session.js";
import type { Index } from "../registry/manifest.js";
import { type Top, fetchTop } from "../resolve-image.js";
import type { LoadItem } from "./image-load.js";

/**
 * As in a pull, the names go to one of several platforms: this machine's, or
 * else the first.
 * @throws TpullError `PLATFORM_NOT_FOUND`, `ARCHIVE_INCOMPLETE`, `MANIFEST_*`, `DIGEST_MISMATCH`
 */
export async function itemsOf(
  archived: ArchivedImage,
  text: string,
  session: PullSession,
  client: ArchiveClient,
): Promise<LoadItem[]> {
  const { selection, signal } = session;
  const { digest, names, origin } = archived;
  const at = origin ?? names[0];
  const reference = {
    registry: at?.registry ?? "",
    repository: at?.repository ?? "",
    digest,
  };
  const context: IndexContext = { image: text, client, call: { signal } };
  const top = await fetchTop(reference, context);
  const [platform = hostPlatform()] = selection.platforms;
  const item = {
    text,
    reference,
    names,
    fromRegistry: origin !== undefined,
    isOther: false,
    isOnly: false,
    platform,
    platformGiven: selection.given && !selection.all,
    top,
  };
  if (top.document.kind === "image") {
    return [selection.all ? { ...item, fromIndex: true } : item];
  }
  const index = await present(top.document, text, client);
  const inside: Top = { ...top, document: index };
  const isOne = !selection.all && selection.platforms.length === 1;
  if (isOne && selection.given) return [{ ...item, top: inside }];
  const images = await listImages(index, reference, context);
  if (isOne) {
    // Nobody chose a platform: the only image that there is will be meant.
    const [only] = images.length === 1 ? images : [];
    return [
      only === undefined
        ? { ...item, top: inside }
        : { ...item, top: inside, entry: only.descriptor, isOnly: true },
    ];
  }
  const chosen = selection.all
    ? images.filter(isForLinux)
    : selection.platforms.map((wanted) => {
        const [image] = choosePlatform(images, wanted);
        if (image !== undefined) return image;
        throw noSuchPlatform(text, formatPlatform(wanted), images);
      });
  const [keeper] = choosePlatform(chosen, hostPlatform());
  const named = keeper ?? chosen[0];
  return [...new Set(chosen)].map((image) => ({
    ...item,
    target: image.name ?? formatPlatform(platform),
    platform: platformOf(image.platform) ?? platform,
    fromIndex: true as const,
    top: inside,
    entry: image.descriptor,
    names: image === named ? names : [],
    isOther: image !== named,
  }));
}

/** The entries of an index that the archive holds: docker writes whole indexes and what it has of them. */
async function present(
  index: Index,
  text: string,
  client: ArchiveClient,
): Promise<Index> {
  const manifests = [];
  for (const { descriptor } of imageEntries(index)) {
    if (await client.blobs.has(descriptor.digest)) manifests.push(descriptor);
  }
  if (manifests.length > 0) return { ...index, manifests };
  throw missingInArchive(
    text,
    index.manifests.map(({ digest }) => digest),
  );
}

function isForLinux({ platform }: IndexImage): boolean {
  return (platformOf(platform)?.os ?? "linux") === "linux";
}
