/** What can be wrong with a blob's bytes on their way. */
import { TpullError } from "../../store/errors.js";
import type { Digest } from "../../store/digest.js";
import { isHtml } from "./error-body.js";
import { contentType } from "./headers.js";
import type { HttpResponse } from "./http.js";
import { redactUrl } from "./redact.js";

/** What is needed of a descriptor to fetch its blob. */
export interface BlobAddress {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/**
 * `SIZE_MISMATCH`: the registry's blob is longer or shorter than the descriptor says.
 * @param name host/repository
 * @param found how many bytes there are, in words
 */
export function wrongBlobSize(
  name: string,
  blob: BlobAddress,
  response: HttpResponse,
  found: string,
): TpullError {
  const { host } = response.url;
  const page = isHtml(contentType(response.headers))
    ? " (a web page came instead)"
    : "";
  return new TpullError(
    "SIZE_MISMATCH",
    `${name}: blob ${blob.digest} has ${found} bytes at ${host}, but the manifest says ${blob.size}${page}`,
    {
      hint: "The image is damaged at the registry, or something on the way replaces it.",
      details: {
        host,
        layer: blob.digest,
        expected: blob.size,
        actual: found,
      },
    },
  );
}

/** `NETWORK_RESET`, retryable: the body is not what its own headers announce. */
export function cutBody(response: HttpResponse, what: string): TpullError {
  return new TpullError(
    "NETWORK_RESET",
    `GET ${redactUrl(response.url)}: the server ${what}`,
    { retryable: true, details: { host: response.url.host } },
  );
}

/** `DIGEST_MISMATCH` of a whole blob. */
export function wrongBlobDigest(
  name: string,
  blob: BlobAddress,
  actual: Digest,
): TpullError {
  return new TpullError(
    "DIGEST_MISMATCH",
    `${name}: the registry sends a blob whose digest is ${actual}, not ${blob.digest}`,
    {
      hint: "The image is damaged at the registry, or something on the way changes it.",
      details: { layer: blob.digest, expected: blob.digest, actual },
    },
  );
}
