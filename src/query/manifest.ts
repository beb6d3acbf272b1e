/** The manifest or index behind a name, byte for byte. */
import type { Digest } from "../../store/index.js";
import { parsePlatform } from "../platform.js";
import { canonicalName } from "../../store/reference/reference.js";
import { parseManifest } from "../registry/manifest.js";
import { imagesBehind } from "./platforms.js";
import { asking, type QueryOptions } from "./query.js";

export interface ManifestOptions extends QueryOptions {
  /** os/arch[/variant]: goes down to the manifest of that image. */
  platform?: string;
}

export interface RawManifest {
  /** The reference as it was asked for. */
  reference: string;
  /** Canonical form with host. */
  canonicalName: string;
  /** Of the bytes. */
  digest: Digest;
  /** As the registry names it; `""` when it names none. */
  mediaType: string;
  /** As the registry has them, verified against the digest. */
  bytes: Buffer;
}

/**
 * Fetches a manifest or an index, of whatever it is: also of an artifact that
 * could not be pulled. Stores nothing.
 * @throws TpullError with a code of the README's table
 */
export async function fetchManifest(
  reference: string,
  options: ManifestOptions = {},
): Promise<RawManifest> {
  const platform =
    options.platform === undefined
      ? undefined
      : parsePlatform(options.platform);
  return await asking(reference, options, async (parsed, query) => {
    const { client, call, image } = query;
    const names = { reference: image, canonicalName: canonicalName(parsed) };
    const asked = parsed.digest ?? parsed.tag ?? "latest";
    const top = await client.manifest(parsed, asked, call);
    const { bytes, digest, mediaType } = top;
    if (platform === undefined) return { ...names, digest, mediaType, bytes };
    const document = parseManifest(bytes, mediaType, image);
    const [chosen] = await imagesBehind(
      { digest, mediaType, bytes, document },
      [platform],
      parsed,
      query,
    );
    if (chosen === undefined || chosen.digest === digest) {
      return { ...names, digest, mediaType, bytes };
    }
    const own = await client.manifest(parsed, chosen.digest, call);
    return {
      ...names,
      digest: own.digest,
      mediaType: own.mediaType,
      bytes: own.bytes,
    };
  });
}
