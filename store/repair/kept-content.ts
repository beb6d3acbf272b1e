/** A layer's content from a blob that a pull has kept as the registry served it. */
import { OpenBlob } from "../blobs/open-blob.js";
import { type Digest, shortId } from "../digest.js";
import { isTpullError } from "../errors.js";
import type { StagedClaim } from "../staging.js";
import type { Bringing, Brought } from "./bring-layer.js";
import { OUR_OWN } from "./failures.js";
import type { KnownLayer } from "./known-layers.js";

/** How such a blob is told of. */
export function keptName(digest: Digest): string {
  return `the kept blob ${shortId(digest)}`;
}

/** @returns undefined where none is kept, or none is what it should be */
export async function unpacked(
  { layout, stager, blobs, signal }: Bringing,
  claim: StagedClaim,
  layer: KnownLayer,
): Promise<Brought | undefined> {
  const { diffId, parent } = layer;
  for (const digest of blobs.kept(layer)) {
    using blob = OpenBlob.open(layout, digest);
    if (blob === undefined) continue;
    blob.touch();
    await claim.prepare();
    try {
      const expected = { digest, size: blob.size, diffId, parent };
      const staged = await stager.blob(claim, blob.read(), expected, {
        signal,
      });
      const from = keptName(digest);
      return { claim, staged, action: "restored", from, bytes: 0 };
    } catch (error) {
      // Whatever is wrong with it, it can be fetched.
      if (!isTpullError(error) || OUR_OWN.has(error.code)) throw error;
    }
  }
  return undefined;
}
