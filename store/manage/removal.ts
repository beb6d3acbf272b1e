/**
 * Which names and images go when one is to be removed: the decisions of dockerd
 * (moby, `daemon/images/image_delete.go`), made in an {@link ImageTable}. A
 * refusal is thrown before anything is changed in it.
 */
import type { ChainId, ImageId } from "../digest.js";
import { isTpullError } from "../errors.js";
import {
  familiarName,
  familiarRepository,
  parseReference,
  type Reference,
} from "../reference/reference.js";
import { repositoryOf } from "../repositories.js";
import { findImageId } from "../survey/find-image.js";
import { hasChildren, hasNames, imageInUse, nameInUse } from "./conflict.js";
import type { ImageTable } from "./image-table.js";

export interface RemovalOptions {
  /**
   * Removes an image that is named by its ID although it has several names, and
   * names and images that stopped containers use. Default false.
   */
  readonly force?: boolean | undefined;
  /** Keeps the images without a name that an image was built from. Default false. */
  readonly noPrune?: boolean | undefined;
}

/** What a removal comes to. */
export interface Removal {
  /** References that were taken away, in dockerd's order. */
  readonly untagged: string[];
  /** Image IDs, each followed by the chain IDs of the layers that went with it, those on top first. */
  readonly deleted: (ImageId | ChainId)[];
}

/**
 * Removes what a person named.
 * @param given name[:tag], name@digest, or an image ID or the beginning of one
 * @throws TpullError `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`, `IMAGE_IN_USE`,
 *   `IMAGE_HAS_CHILDREN`, `IMAGE_HAS_NAMES`
 */
export function removeNamed(
  table: ImageTable,
  given: string,
  options: RemovalOptions = {},
): Removal {
  const { id, reference } = find(table, given);
  if (reference === undefined) return removeById(table, id as ImageId, options);
  if (isPrefixOf(given, id) && table.has(id)) {
    return removeById(table, id, options);
  }
  return removeReference(table, { id, reference, given }, options);
}

interface Found {
  /** As the file has it: a stray name may stand for anything. */
  readonly id: string;
  /** The key in the file; undefined where an ID was given. */
  readonly reference: string | undefined;
}

function find(table: ImageTable, given: string): Found {
  try {
    return findImageId(table, given);
  } catch (error) {
    if (!isTpullError(error) || error.code !== "IMAGE_NOT_FOUND") throw error;
    // What stands in the file but stands for nothing, or is not in dockerd's own form.
    const parsed = parse(given);
    for (const key of [parsed && familiarName(parsed), given]) {
      const id = key && table.idOf(key);
      if (id !== undefined) return { id, reference: key };
    }
    throw error;
  }
}

function parse(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

/** dockerd takes whatever an image's ID begins with for its ID, even where it is a name, too. */
function isPrefixOf(given: string, id: string): boolean {
  return (
    id.startsWith(given) || id.slice(id.indexOf(":") + 1).startsWith(given)
  );
}

/** The name goes; the image with it if that was the last one and nothing needs it. */
export function removeReference(
  table: ImageTable,
  { id, reference, given }: { id: string; reference: string; given: string },
  { force = false, noPrune = false }: RemovalOptions = {},
): Removal {
  const removal: Removal = { untagged: [], deleted: [] };
  const names = table.namesOf(id);
  if (!force && isSingleReference(names)) {
    const [user] = table.usersOf(id as ImageId);
    if (user !== undefined) throw nameInUse(given, id as ImageId, user);
  }
  table.untag(reference);
  removal.untagged.push(shownName(given, reference));
  if (!isDigested(reference)) {
    const left = table
      .namesOf(id)
      .filter((name) => isOfRepository(name, reference));
    if (left.every(isDigested)) untagAll(table, left, removal);
  }
  if (table.namesOf(id).length > 0 || !table.has(id)) return removal;
  removeQuietly(table, id, { force, noPrune }, removal);
  return removal;
}

/** The image goes with all its names, if they are clearly meant. */
export function removeById(
  table: ImageTable,
  id: ImageId,
  { force = false, noPrune = false }: RemovalOptions = {},
): Removal {
  const removal: Removal = { untagged: [], deleted: [] };
  const names = table.namesOf(id);
  const meant = isSingleReference(names);
  refuse(table, id, { names: !force && !meant, stopped: !force });
  removeImage(table, id, noPrune, removal);
  return removal;
}

/** Where something stands in the way, the image stays, and its parents with it. */
function removeQuietly(
  table: ImageTable,
  id: ImageId,
  { force, noPrune }: { force: boolean; noPrune: boolean },
  removal: Removal,
): void {
  try {
    refuse(table, id, { names: !force, stopped: !force });
  } catch (error) {
    if (isTpullError(error)) return;
    throw error;
  }
  removeImage(table, id, noPrune, removal);
}

function removeImage(
  table: ImageTable,
  id: ImageId,
  noPrune: boolean,
  removal: Removal,
): void {
  const parent = table.parentOf(id);
  untagAll(table, table.namesOf(id), removal);
  removal.deleted.push(id, ...table.remove(id));
  if (noPrune || parent === undefined || !table.has(parent)) return;
  removeQuietly(table, parent, { force: false, noPrune: false }, removal);
}

/** @throws TpullError the first reason why an image cannot go, in dockerd's order */
function refuse(
  table: ImageTable,
  id: ImageId,
  also: { readonly names: boolean; readonly stopped: boolean },
): void {
  const [child] = table.childrenOf(id);
  if (child !== undefined) throw hasChildren(id, child);
  const containers = table.containersOf(id);
  const running = containers.find((container) => container.running);
  if (running !== undefined) throw imageInUse(id, running);
  const names = also.names ? table.namesOf(id) : [];
  if (names.length > 0) throw hasNames(id, names);
  const [stopped] = also.stopped ? containers : [];
  if (stopped !== undefined) throw imageInUse(id, stopped);
}

function untagAll(
  table: ImageTable,
  names: readonly string[],
  { untagged }: Removal,
): void {
  for (const name of names) {
    table.untag(name);
    untagged.push(name);
  }
}

/** At most one tag, and all digests in the repository of that tag. */
function isSingleReference(names: readonly string[]): boolean {
  if (names.length <= 1) return names.length === 1;
  const tags = names.filter((name) => !isDigested(name));
  if (tags.length > 1) return false;
  const digested = names.filter(isDigested);
  const [single = digested[0]!] = tags;
  return digested.every((name) => isOfRepository(name, single));
}

function isDigested(reference: string): boolean {
  return reference.includes("@");
}

function isOfRepository(name: string, other: string): boolean {
  return repositoryOf(name) === repositoryOf(other);
}

/** dockerd repeats a tag that was given beside a digest. */
function shownName(given: string, reference: string): string {
  const parsed = parse(given);
  if (parsed?.tag === undefined || parsed.digest === undefined)
    return reference;
  return `${familiarRepository(parsed)}:${parsed.tag}@${parsed.digest}`;
}
