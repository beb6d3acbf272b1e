/** A service of a compose file with what it takes over from those that it extends. */
import { dirname, resolve } from "node:path";
import {
  type ComposeFiles,
  isRemote,
  type Variables,
} from "./compose-files.js";
import { expandedText } from "./compose-values.js";
import { invalidList } from "./listed.js";
import { isMapping, type Mapping } from "./mapping.js";

export interface Service {
  readonly fields: Mapping;
  /** A file on the way that is somewhere else, where the rest stands. */
  readonly elsewhere?: string;
}

export interface ServiceContext {
  /** Of the file that the service is in. */
  readonly services: Mapping;
  /** What paths in that file are relative to. */
  readonly directory: string;
  readonly variables: Variables;
  readonly files: ComposeFiles;
  /** Before the places in messages. */
  readonly prefix: string;
}

/** How many services may extend each other in a row. */
const LONGEST_CHAIN = 50;

/**
 * Follows `extends`, into other files, too: their paths are relative to where
 * they lie.
 * @throws TpullError `IMAGE_LIST_INVALID`
 */
export async function wholeService(
  name: string,
  { services, directory, variables, files, prefix }: ServiceContext,
): Promise<Service> {
  const asked = `${prefix}service ${name}`;
  let fields: Mapping = {};
  let here = { file: "", services, directory };
  let next: string | undefined = name;
  const seen = new Set<string>();
  while (next !== undefined) {
    const from = here.file === "" ? `${prefix}service ${next}` : asked;
    const key = JSON.stringify([here.file, next]);
    if (seen.has(key) || seen.size === LONGEST_CHAIN) {
      throw invalidList(from, "extends itself");
    }
    seen.add(key);
    const one = own(here.services, next, asked, here.file);
    fields = mergedService(one, fields);
    const { file, service } = baseOf(one["extends"], from, variables);
    if (file !== undefined && isRemote(file)) {
      return { fields, elsewhere: file };
    }
    if (file !== undefined) {
      const read = await files.compose(resolve(here.directory, file));
      const others = read.document["services"];
      if (!isMapping(others)) {
        throw invalidList(
          asked,
          `extends a service of ${file}, which has none`,
        );
      }
      const directory = dirname(resolve(here.directory, file));
      here = { file: read.path, services: others, directory };
    }
    next = service;
  }
  return { fields };
}

function own(
  services: Mapping,
  name: string,
  from: string,
  file: string,
): Mapping {
  if (!Object.hasOwn(services, name)) {
    const where = file === "" ? "" : ` of ${file}`;
    throw invalidList(from, `extends ${name}${where}, which is not there`);
  }
  const one = services[name] ?? {};
  if (!isMapping(one)) throw invalidList(from, "is no mapping");
  return one;
}

/** `extends: NAME`, or a mapping with `service` and perhaps `file`. */
function baseOf(
  given: unknown,
  from: string,
  variables: Variables,
): { file?: string; service?: string } {
  if (given === undefined || given === null) return {};
  const entry = isMapping(given) ? given : { service: given };
  const where = `${from}, extends`;
  const service = expandedText(entry["service"], where, variables);
  const { file } = entry;
  return file === undefined || file === null
    ? { service }
    : { service, file: expandedText(file, where, variables) };
}

/** Fields that are joined where a service is laid over another; of all others that are read, the upper one counts. */
const JOINED = ["profiles", "volumes"];

/** One service over another. */
export function mergedService(below: Mapping, above: Mapping): Mapping {
  const joined = JOINED.flatMap((field) => {
    const [lower, upper] = [below[field], above[field] ?? []];
    return Array.isArray(lower) && Array.isArray(upper)
      ? [[field, [...lower, ...upper]]]
      : [];
  });
  return { ...below, ...above, ...Object.fromEntries(joined) };
}
