/** What a name stands for now: a digest, and one for each platform. */
import type { Digest } from "../../store/index.js";
import { parsePlatform } from "../platform.js";
import { canonicalName } from "../../store/reference/reference.js";
import { fetchTop } from "../resolve-image.js";
import { type NamedImage, imagesBehind } from "./platforms.js";
import { asking, type QueryOptions } from "./query.js";

export type { NamedImage } from "./platforms.js";

export interface ResolveOptions extends QueryOptions {
  /** os/arch[/variant], one or several: only the images that a pull would choose for them. */
  platform?: string | readonly string[];
}

export interface Resolved {
  /** The reference as it was asked for. */
  reference: string;
  /** Canonical form with host. */
  canonicalName: string;
  /** Of what the name stands for: of an index for a multi-platform image. */
  digest: Digest;
  /** `""` where the registry names none. */
  mediaType: string;
  /** Whether an index is what the name stands for. */
  isIndex: boolean;
  /** In the order of the index, or of the platforms asked for. */
  images: NamedImage[];
}

/**
 * Asks which digests a name stands for. Stores nothing. Reads the index (or
 * manifest), which Docker Hub counts as a pull; {@link resolveDigest} does not.
 * @throws TpullError with a code of the README's table
 */
export async function resolve(
  reference: string,
  options: ResolveOptions = {},
): Promise<Resolved> {
  const wanted = [options.platform ?? []]
    .flat()
    .map((one) => parsePlatform(one));
  return await asking(reference, options, async (parsed, query) => {
    const top = await fetchTop(parsed, query);
    return {
      reference: query.image,
      canonicalName: canonicalName(parsed),
      digest: top.digest,
      mediaType: top.mediaType,
      isIndex: top.document.kind === "index",
      images: await imagesBehind(top, wanted, parsed, query),
    };
  });
}

/**
 * Asks only for the digest that a name stands for: one `HEAD`, which no
 * registry counts as a pull, unless the registry has no answer to that.
 * @throws TpullError with a code of the README's table
 */
export async function resolveDigest(
  reference: string,
  options: QueryOptions = {},
): Promise<Digest> {
  return await asking(reference, options, async (parsed, { client, call }) => {
    const asked = parsed.digest ?? parsed.tag ?? "latest";
    const head = await client.head(parsed, asked, call);
    if (head !== undefined) return head.digest;
    return (await client.manifest(parsed, asked, call)).digest;
  });
}
