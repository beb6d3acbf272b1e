/** A blob that is read whole: an image's config. */
import { digestOf } from "../../store/digest.js";
import { TpullError } from "../../store/errors.js";
import { wrongBlobDigest } from "./blob-errors.js";
import { streamBlob, type BlobRequest } from "./blob.js";
import { inlineData } from "./inline-data.js";
import type { Descriptor } from "./manifest.js";
import { distrust } from "./route.js";
import type { Session } from "./session.js";

/** Longest blob that is read whole. */
export const MAX_SMALL_BLOB_BYTES: number = 8 * 1024 * 1024;

export interface SmallBlobRequest extends Omit<
  BlobRequest,
  "from" | "to" | "onAhead" | "onResume"
> {
  readonly blob: Pick<Descriptor, "digest" | "size" | "data">;
}

/** See `RegistryClient.bytes`. */
export async function fetchSmallBlob(
  session: Session,
  request: SmallBlobRequest,
): Promise<Buffer> {
  const { registry, repository, blob } = request;
  const name = `${registry}/${repository}`;
  checkSize(name, blob);
  const inlined = inlineData(blob);
  if (inlined !== undefined) return inlined;

  let joined = false;
  const onResume = (): void => {
    joined = true;
  };
  for (let tries = 1; ; tries++) {
    const chunks: Uint8Array[] = [];
    const hosts = new Set<string>();
    const stream = streamBlob(session, {
      ...request,
      from: 0,
      to: blob.size,
      onResume,
      onAhead: () => undefined,
      onReceived: (host, length) => {
        hosts.add(host);
        request.onReceived(host, length);
      },
    });
    for await (const chunk of stream) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const actual = digestOf(bytes);
    if (actual === blob.digest) return bytes;
    const error = wrongBlobDigest(name, blob, actual);
    if (await distrust(session, { registry, repository, blob }, hosts, error)) {
      continue;
    }
    // Pieces of several replies may not belong together; those of one do.
    if (!joined || tries > 1) throw error;
  }
}

function checkSize(
  name: string,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
): void {
  if (size === 0) {
    throw new TpullError(
      "SIZE_MISMATCH",
      `${name}: blob ${digest} is said to have no bytes, which no config can`,
      { details: { actual: 0 } },
    );
  }
  if (size > MAX_SMALL_BLOB_BYTES) {
    throw new TpullError(
      "BLOB_TOO_LARGE",
      `${name}: blob ${digest} is said to have ${size} bytes, but a config may have ${MAX_SMALL_BLOB_BYTES}`,
      { details: { expected: MAX_SMALL_BLOB_BYTES, actual: size } },
    );
  }
}
