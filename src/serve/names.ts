/**
 * The grammar of repository names and tags as they stand in a registry's URLs
 * (OCI distribution-spec, "Pulling manifests").
 */
import { TpullError } from "../../store/index.js";

/** The specification leaves 255 characters to host and name together. */
const MAX_NAME_LENGTH = 255;

const NAME =
  /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** Whether `text` is a repository name without host, e.g. `library/nginx`. */
export function isRepositoryName(text: string): boolean {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text);
}

/** Whether `text` is a tag. */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/**
 * Refuses a repository name that no client could ask for.
 * @throws TpullError `REPOSITORY_INVALID`
 */
export function checkRepositoryName(name: string): void {
  if (isRepositoryName(name)) return;
  throw new TpullError(
    "REPOSITORY_INVALID",
    `${JSON.stringify(name.slice(0, 300))} is not a repository name`,
    {
      hint: "Use lower-case letters, digits and single . _ - between them, in parts separated by /, at most 255 characters, without a host.",
    },
  );
}

/**
 * Orders tags and repository names as the specification wants lists: without
 * regard to case. Names that differ in case only follow each other in a fixed
 * order, so that a page always ends at one place.
 */
export function compareNames(a: string, b: string): number {
  const [lowerA, lowerB] = [a.toLowerCase(), b.toLowerCase()];
  if (lowerA !== lowerB) return lowerA < lowerB ? -1 : 1;
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
