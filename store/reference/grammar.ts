/**
 * The parts of a reference and what may be wrong with each. Every check throws
 * `REFERENCE_INVALID` with the problem alone; parseReference puts the reference
 * in front. Hosts have their own file.
 */
import { TpullError } from "../errors.js";
import { afterCredentials, characterName, quoted } from "./printable.js";

/** Longest repository path, `library/` included, without the registry host. */
export const MAX_REPOSITORY_CHARACTERS = 255;
/** Longest tag. */
export const MAX_TAG_CHARACTERS = 128;

const PATH_COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]*$/;
/** Everything that has a place somewhere in a reference. */
const FOREIGN_CHARACTER = /[^A-Za-z0-9_.:/@[\]-]/u;
/** Hex digits of the digests that docker can parse. */
const HEX_DIGITS = new Map([
  ["sha256", 64],
  ["sha384", 96],
  ["sha512", 128],
]);

const FORM =
  "A reference is [host/]repository[:tag][@digest], like nginx or registry.example.com/team/app:1.2.";
const DIGEST_FORM = "A digest is sha256: and 64 lower-case hex digits.";

/** @param problem what is wrong, to stand after `invalid reference "…": ` */
export function invalidReference(
  problem: string,
  hint: string = FORM,
): TpullError {
  return new TpullError("REFERENCE_INVALID", problem, { hint });
}

/**
 * Checks that need the whole text. It runs first, so that no later message can
 * show what stands before an `@` or after a `?`: that may be a password.
 */
export function checkWhole(text: string): void {
  if (text === "") throw invalidReference("it is empty");
  const [scheme] = /^[A-Za-z][A-Za-z0-9+.-]*:\/\//.exec(text) ?? [];
  if (scheme !== undefined) {
    const rest = text.slice(scheme.length);
    const usable =
      !FOREIGN_CHARACTER.test(rest) && afterCredentials(rest) === undefined;
    throw invalidReference(
      `it starts with ${quoted(scheme)}, and a reference has no scheme`,
      usable ? `Leave that out: ${quoted(rest)}.` : undefined,
    );
  }
  if (afterCredentials(text) !== undefined) {
    throw invalidReference(
      'what follows the "@" is not a digest',
      "Only a digest, at the very end, follows an @. User names and passwords do not belong here: they are read from docker's config.json.",
    );
  }
  const foreign = FOREIGN_CHARACTER.exec(text);
  if (foreign !== null) {
    throw invalidReference(
      `${characterName(foreign[0])} at position ${foreign.index + 1} cannot be part of a reference`,
    );
  }
  if (text.indexOf("@") !== text.lastIndexOf("@")) {
    throw invalidReference('it has more than one "@"');
  }
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw invalidReference(
      "64 hex digits are an image ID or a digest, not a repository",
      "Write repository@sha256:<digits>, with the digest of a manifest.",
    );
  }
  if (text.startsWith("/") || /^\.{1,2}\//.test(text)) {
    throw invalidReference("it starts like the path of a file");
  }
  if (text.includes("//")) {
    throw invalidReference('it has an empty part: "//"');
  }
}

/**
 * Path of a repository.
 * @param path as normalised, so with `library/` where that was added
 * @param written the reference's text before tag and digest, for the suggestion
 */
export function checkRepository(path: string, written: string): void {
  if (/[A-Z]/.test(path)) {
    throw invalidReference(
      "the repository must be lower case",
      `Did you mean ${quoted(lowerCasePath(written))}?`,
    );
  }
  if (path.length > MAX_REPOSITORY_CHARACTERS) {
    throw invalidReference(
      `the repository is ${path.length} characters long, and at most ${MAX_REPOSITORY_CHARACTERS} are allowed`,
    );
  }
  if (path.endsWith("/")) {
    throw invalidReference('the repository ends with "/"');
  }
  for (const component of path.split("/")) {
    if (PATH_COMPONENT.test(component)) continue;
    throw invalidReference(
      `the part ${quoted(component)} of the repository ${componentProblem(component)}`,
      'Each part is made of lower-case letters and digits; ".", "_", "__" or any number of "-" may stand between them.',
    );
  }
}

/** A first part without dot and colon can only have been meant as a repository. */
function lowerCasePath(written: string): string {
  const slash = written.indexOf("/");
  const first = slash < 0 ? "" : written.slice(0, slash);
  return /[.:]/.test(first)
    ? first + written.slice(slash).toLowerCase()
    : written.toLowerCase();
}

function componentProblem(component: string): string {
  const first = component.at(0) ?? "";
  const last = component.at(-1) ?? "";
  if (/[._-]/.test(first)) return `begins with "${first}"`;
  if (/[._-]/.test(last)) return `ends with "${last}"`;
  const other = /[^a-z0-9._-]/.exec(component);
  if (other !== null) return `has ${characterName(other[0])} in it`;
  const runs = component.match(/[._-]{2,}/g) ?? [];
  const run = runs.find((run) => !/^(?:__|-+)$/.test(run)) ?? "";
  return `has ${quoted(run)} in it`;
}

/** What follows the `:` behind the repository. */
export function checkTag(tag: string): void {
  if (tag === "") {
    throw invalidReference(
      'no tag follows the ":"',
      'Leave the ":" out to get the tag latest.',
    );
  }
  if (tag.length > MAX_TAG_CHARACTERS) {
    throw invalidReference(
      `the tag is ${tag.length} characters long, and at most ${MAX_TAG_CHARACTERS} are allowed`,
    );
  }
  if (TAG.test(tag)) return;
  const wrong = /[^\w.-]/.exec(tag);
  throw invalidReference(
    wrong === null
      ? `the tag ${quoted(tag)} begins with "${tag.charAt(0)}"`
      : `the tag ${quoted(tag)} has ${characterName(wrong[0])} in it`,
    'A tag is made of letters, digits, "_", "." and "-", and begins with a letter, a digit or "_".',
  );
}

/** What follows the `@`. Digests that are well formed but not sha256 pass here. */
export function checkDigest(digest: string): void {
  if (digest === "") {
    throw invalidReference('no digest follows the "@"', DIGEST_FORM);
  }
  const colon = digest.indexOf(":");
  const algorithm = digest.slice(0, Math.max(colon, 0));
  const hex = digest.slice(colon + 1);
  const digits = HEX_DIGITS.get(algorithm.toLowerCase());
  if (colon < 0) {
    throw invalidReference(
      `${quoted(digest)} is not a digest`,
      /^[0-9a-f]{64}$/.test(digest)
        ? "Put sha256: in front of it."
        : DIGEST_FORM,
    );
  }
  if (digits === undefined) {
    throw invalidReference(
      `${quoted(algorithm)} is not a known digest algorithm`,
      DIGEST_FORM,
    );
  }
  if (!/^[0-9A-Fa-f]*$/.test(hex)) {
    throw invalidReference(
      `the ${algorithm} digest ${quoted(hex)} has characters that are not hex digits`,
      DIGEST_FORM,
    );
  }
  if (hex.length !== digits) {
    throw invalidReference(
      `the ${algorithm} digest has ${hex.length} hex digits instead of ${digits}`,
      "A digest is copied whole; a short one names nothing.",
    );
  }
  if (digest !== digest.toLowerCase()) {
    throw invalidReference(
      "the digest must be lower case",
      `Write ${digest.toLowerCase()}.`,
    );
  }
}
