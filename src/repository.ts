/** References that name a repository as a whole. */
import { TpullError } from "../store/index.js";
import { withoutSecrets } from "../store/reference/printable.js";
import {
  type Reference,
  parseReference,
} from "../store/reference/reference.js";

/**
 * Reads a repository's name: a reference without tag and digest.
 * @throws TpullError `REFERENCE_INVALID`, `OPTION_INVALID` for one with a tag or a digest
 */
export function parseRepository(text: string): Reference {
  const reference = parseReference(text);
  const { tag, digest } = reference;
  const extra =
    digest !== undefined
      ? "digest"
      : text.endsWith(`:${tag}`)
        ? "tag"
        : undefined;
  if (extra === undefined) return reference;
  throw new TpullError(
    "OPTION_INVALID",
    `${withoutSecrets(text)} has a ${extra}, where only a repository can be named`,
    { hint: `Leave the ${extra} out.` },
  );
}
