/** Failures of one image or layer, in messages that can stand alone. */
import { TpullError, isTpullError } from "../store/index.js";
import type { BlobSource } from "./layer-request.js";
import {
  type Reference,
  canonicalRepository,
} from "../store/reference/reference.js";

/**
 * The error with the image it is about: its message begins with the reference
 * as it was given. What the registry client says begins with the repository;
 * that would name the image twice.
 * @param reference undefined where the text is none: the message quotes it then
 */
export function inImage(
  error: TpullError,
  image: string,
  reference: Reference | undefined,
): TpullError {
  const message =
    reference === undefined || begins(error.message, image)
      ? error.message
      : `${image}: ${withoutName(error.message, reference)}`;
  return new TpullError(error.code, message, {
    hint: error.hint,
    cause: error.cause,
    retryable: error.retryable,
    details: { ...error.details, image },
  });
}

function begins(message: string, image: string): boolean {
  return (
    message.startsWith(image) && /^[:@ ]/.test(message.slice(image.length))
  );
}

/** `docker.io/library/nginx:1: gone` → `gone`; `docker.io/library/nginx has none` → `the repository has none`. */
function withoutName(message: string, reference: Reference): string {
  const name = canonicalRepository(reference);
  if (!begins(message.replace(",", " "), name)) return message;
  const { tag, digest } = reference;
  const asked = digest === undefined ? `:${tag ?? ""}: ` : `@${digest}: `;
  const rest = message.slice(name.length);
  if (rest.startsWith(asked)) return rest.slice(asked.length);
  if (rest.startsWith("@")) return `the manifest ${rest.slice(1)}`;
  if (rest.startsWith(" ")) return `the repository${rest}`;
  return rest.replace(/^[:,] /, "");
}

/** The error with the layer it is about, which the stages below do not know. */
export function inLayer(
  error: unknown,
  { digest, size }: BlobSource["descriptor"],
): unknown {
  if (!isTpullError(error) || error.code === "ABORTED") return error;
  if (error.details.layer !== undefined) return error;
  return new TpullError(error.code, `layer ${digest}: ${error.message}`, {
    hint: error.hint,
    cause: error.cause,
    retryable: error.retryable,
    details: { ...error.details, layer: digest, size },
  });
}
