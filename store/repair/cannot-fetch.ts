/** Content that would have to be fetched, and is not. */
import { TpullError } from "../errors.js";
import type { BlobPlace } from "./repair-types.js";

/** `FETCH_NEEDED`: the content is lost here, and nobody was to fetch it; `ORIGIN_UNKNOWN` where nobody could. */
export function cannotFetch(places: readonly BlobPlace[]): TpullError {
  if (places.length === 0) return unknownOrigin();
  const names = places.map(
    ({ repository, digest }) => `${repository}@${digest}`,
  );
  return new TpullError(
    "FETCH_NEEDED",
    `its content is lost and would have to be fetched from ${names[0]}`,
    { details: { sources: names } },
  );
}

/** `ORIGIN_UNKNOWN`: nothing in the root tells where the layer came from. */
function unknownOrigin(): TpullError {
  return new TpullError(
    "ORIGIN_UNKNOWN",
    "its content is lost, and nothing in the root tells where it came from",
    { hint: "Pull an image again that has this layer, or remove the images." },
  );
}
