/** What of a service is taken, and why something is not. */
import { printable } from "../../store/reference/printable.js";
import type { Service } from "./compose-service.js";
import { invalidList } from "./listed.js";
import { isMapping, type Mapping } from "./mapping.js";

/** A field's text with its variables put in. */
export type FieldText = (given: unknown, field: string) => string;

export function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/**
 * Why a service is not active: it has profiles, and none of them is.
 * @param active `*` is every one
 * @throws TpullError `IMAGE_LIST_INVALID`
 */
export function otherProfile(
  fields: Mapping,
  text: FieldText,
  from: string,
  active: readonly string[],
): string | undefined {
  const given = fields["profiles"] ?? [];
  if (!Array.isArray(given)) {
    throw invalidList(`${from}, profiles`, "is no list of names");
  }
  const profiles = given.map((each) => text(each, "profiles"));
  if (profiles.length === 0 || active.includes("*")) return undefined;
  if (profiles.some((profile) => active.includes(profile))) return undefined;
  return `belongs to ${profiles.join(", ")}, a profile that was not asked for`;
}

/**
 * Why an active service's image is not taken. As `docker compose pull` decides:
 * what can be built is pulled nevertheless, unless its policy says otherwise,
 * or who asks. Images that are never pulled are taken, though: somebody has to
 * bring them to where they are needed.
 */
export function notPulled(
  { fields, elsewhere }: Service,
  text: FieldText,
  ignoreBuildable: boolean,
): string | undefined {
  const isBuilt = isSet(fields["build"]);
  if (!isSet(fields["image"])) {
    if (isBuilt) return "is built, not pulled";
    return elsewhere === undefined
      ? "has no image"
      : `extends a service of ${printable(elsewhere)}, which would have to be fetched`;
  }
  const given = fields["pull_policy"];
  const policy = isSet(given) ? text(given, "pull_policy") : "";
  if (policy === "build" || (policy === "never" && isBuilt)) {
    return `is built, not pulled: its pull_policy is ${policy}`;
  }
  return isBuilt && ignoreBuildable
    ? "can be built, and such services were to be left out"
    : undefined;
}

/**
 * The images that a service has as volumes (`type: image`), unless they are
 * those of services, which are looked at by themselves.
 */
export function imageVolumes(
  fields: Mapping,
  text: FieldText,
  services: Mapping,
): string[] {
  const volumes: unknown = fields["volumes"];
  if (!Array.isArray(volumes)) return [];
  return volumes
    .filter((each) => isMapping(each) && each["type"] === "image")
    .map((volume: Mapping) => text(volume["source"], "volumes"))
    .filter((source) => !Object.hasOwn(services, source));
}
