/** The images of a compose file (compose-spec, 05-services). */
import { type ImageList, invalidList } from "./listed.js";
import { isMapping, type Mapping } from "./mapping.js";
import { expand, VariableMissingError } from "./variables.js";

export interface ComposeOptions {
  /** Services with profiles are taken only if one of theirs is here; `*` is every one. */
  readonly profiles: readonly string[];
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** How many services may extend each other in a row. */
const LONGEST_CHAIN = 50;

/**
 * @param document the file as YAML reads it
 * @throws TpullError `IMAGE_LIST_INVALID`
 */
export function composeImages(
  document: Mapping,
  { profiles, variables }: ComposeOptions,
): ImageList {
  const list: ImageList = { images: [], skipped: [] };
  const services = document["services"] ?? {};
  if (!isMapping(services)) throw invalidList("services", "is no mapping");
  if (document["include"] !== undefined) {
    list.skipped.push({
      from: "include",
      why: "other files are not read: name them, too",
    });
  }
  for (const name of Object.keys(services)) {
    const from = `service ${name}`;
    const skip = (why: string): void => void list.skipped.push({ from, why });
    const { service, elsewhere } = whole(name, services);
    const own = stringsOf(service["profiles"], `${from}, profiles`);
    if (
      own.length > 0 &&
      !profiles.includes("*") &&
      !own.some((profile) => profiles.includes(profile))
    ) {
      skip(`belongs to ${own.join(", ")}, a profile that was not asked for`);
    } else if (service["build"] !== undefined && service["build"] !== null) {
      skip("is built, not pulled");
    } else if (service["image"] === undefined || service["image"] === null) {
      skip(
        elsewhere === undefined
          ? "has no image"
          : `extends a service of ${elsewhere}, which is not read`,
      );
    } else {
      const reference = value(service["image"], `${from}, image`, variables);
      const platform =
        service["platform"] === undefined || service["platform"] === null
          ? ""
          : value(service["platform"], `${from}, platform`, variables);
      list.images.push({
        reference,
        ...(platform === "" ? {} : { platform }),
        from,
      });
    }
  }
  return list;
}

/** A service with what it takes over from those of this file that it extends. */
function whole(
  name: string,
  services: Mapping,
): { service: Mapping; elsewhere?: string } {
  let service: Mapping = {};
  let next: string | undefined = name;
  for (let count = 0; next !== undefined; count++) {
    const one: unknown = Object.hasOwn(services, next) ? services[next] : {};
    const from = `service ${next}`;
    if (count === LONGEST_CHAIN) throw invalidList(from, "extends itself");
    if (one !== null && !isMapping(one))
      throw invalidList(from, "is no mapping");
    // Profiles are the one thing that is not taken over (compose-spec, extends).
    const { profiles, ...rest } = one ?? {};
    service = { ...rest, ...service };
    if (count === 0 && profiles !== undefined)
      service = { ...service, profiles };
    const base: unknown = one?.["extends"];
    if (isMapping(base) && typeof base["file"] === "string") {
      return { service, elsewhere: base["file"] };
    }
    const basis: unknown = isMapping(base) ? base["service"] : base;
    next = typeof basis === "string" ? basis : undefined;
  }
  return { service };
}

function value(
  given: unknown,
  where: string,
  variables: ComposeOptions["variables"],
): string {
  if (typeof given !== "string") throw invalidList(where, "is no text");
  try {
    const { text, unset } = expand(given, variables, true);
    if (text === "" || /[:/@]$/.test(text)) {
      const why =
        unset.length === 0 ? "" : `, since ${unset.join(", ")} is not set`;
      throw invalidList(where, `${given} comes to "${text}"${why}`);
    }
    return text;
  } catch (error) {
    if (error instanceof VariableMissingError) {
      throw invalidList(where, error.message);
    }
    throw error;
  }
}

function stringsOf(given: unknown, where: string): string[] {
  if (given === undefined || given === null) return [];
  const list: unknown[] = Array.isArray(given) ? given : [];
  const strings = list.filter((each) => typeof each === "string");
  if (!Array.isArray(given) || strings.length < list.length) {
    throw invalidList(where, "is no list of names");
  }
  return strings;
}
