/**
 * The images of a store with all that decides whether one may go. Removals are
 * made in it first, one after the other, as dockerd makes them in memory; what
 * has changed is then carried out together, or only shown.
 */
import { type ChainId, type ImageId, isDigest } from "../digest.js";
import { readNames } from "../read.js";
import {
  readRepositories,
  type Repositories,
  validReferences,
} from "../repositories.js";
import type { Layout } from "../layout.js";
import { compareNames } from "../survey/name-order.js";
import type { Survey } from "../survey/survey.js";
import { type Container, readContainers } from "./containers.js";
import { LayerUsers } from "./layer-users.js";

/** What is different from the store as it was read. */
export interface Changes {
  /** All names that are left; undefined where none went. */
  readonly names: Repositories | undefined;
  /** Images that went, in order. */
  readonly images: readonly ImageId[];
  /** Images that went on without the parent they were built from. */
  readonly parentless: readonly ImageId[];
  /** Layers that no image has any more, those on top first. */
  readonly orphans: readonly ChainId[];
}

export class ImageTable {
  readonly survey: Survey;
  readonly layout: Layout;
  readonly #repositories: Repositories;
  /** Image ID as the file has it, then reference, then the repository it is filed under. */
  readonly #names: Map<string, Map<string, string>> = new Map();
  /** Images that are filed, whole or not. */
  readonly #filed: Set<string>;
  readonly #removed: Set<ImageId> = new Set();
  readonly #parentless: Set<ImageId> = new Set();
  readonly #orphans: ChainId[] = [];
  readonly #isFree: (path: string) => boolean;
  #untagged = false;
  #containers: readonly Container[] | undefined;
  #children: Map<ImageId, Set<ImageId>> | undefined;
  #users: LayerUsers | undefined;

  /**
   * @param isFree whether nobody holds a lock on a directory; for forecasts
   * @throws TpullError `REPOSITORIES_INVALID`
   */
  constructor(survey: Survey, isFree?: (path: string) => boolean) {
    this.survey = survey;
    this.#isFree = isFree ?? (() => true);
    this.layout = survey.layout;
    this.#filed = new Set(survey.imageIds);
    this.#repositories = readRepositories(this.layout);
    for (const [repository, references] of this.#repositories) {
      for (const [reference, id] of references) {
        const own = this.#names.get(id) ?? new Map<string, string>();
        this.#names.set(id, own.set(reference, repository));
      }
    }
  }

  /** IDs of all images that are filed, whole or not, sorted. */
  get imageIds(): readonly ImageId[] {
    return this.survey.imageIds.filter((id) => this.has(id));
  }

  /** Familiar repository, then reference, then image. */
  get references(): ReadonlyMap<string, ReadonlyMap<string, ImageId>> {
    return validReferences(this.#repositories);
  }

  has(id: string): id is ImageId {
    return this.#filed.has(id);
  }

  /** The image that the file has for a reference, which need not be one at all. */
  idOf(reference: string): string | undefined {
    for (const references of this.#repositories.values()) {
      const id = references.get(reference);
      if (id !== undefined) return id;
    }
    return undefined;
  }

  /** All references to an image in dockerd's order, which is that of their canonical forms. */
  namesOf(id: string): string[] {
    return [...(this.#names.get(id)?.keys() ?? [])].sort(compareNames);
  }

  get containers(): readonly Container[] {
    this.#containers ??= readContainers(this.layout);
    return this.#containers;
  }

  /** The containers that were made from an image. Of one that cannot be read its top layer decides. */
  containersOf(id: ImageId): Container[] {
    return this.containers.filter(({ imageId, top }) =>
      imageId === undefined
        ? top !== undefined && top === this.users.chainOf(id).at(-1)
        : imageId === id,
    );
  }

  /** The containers that were made from an image or have it as a volume. */
  usersOf(id: ImageId): Container[] {
    const made = new Set(this.containersOf(id));
    return this.containers.filter(
      (container) => made.has(container) || container.volumes.includes(id),
    );
  }

  /** Images that were built from this one. Like dockerd, an image that is not whole has none and is none. */
  childrenOf(id: ImageId): ImageId[] {
    if (this.survey.image(id) === undefined) return [];
    return this.#childrenOf(id).filter(
      (child) => this.survey.image(child) !== undefined,
    );
  }

  #childrenOf(id: ImageId): ImageId[] {
    this.#children ??= this.#readChildren();
    const children = this.#children.get(id) ?? [];
    return [...children].filter((child) => this.has(child));
  }

  #readChildren(): Map<ImageId, Set<ImageId>> {
    const children = new Map<ImageId, Set<ImageId>>();
    for (const name of readNames(this.layout.imagedbMetadata)) {
      const child = `sha256:${name}`;
      if (!this.has(child)) continue;
      const parent = this.parentOf(child);
      if (parent === undefined) continue;
      const own = children.get(parent) ?? new Set<ImageId>();
      children.set(parent, own.add(child));
    }
    return children;
  }

  /** The image that an image was built from. */
  parentOf(id: ImageId): ImageId | undefined {
    const parent = this.survey.metadata(id, "parent");
    return isDigest(parent) ? (parent as string as ImageId) : undefined;
  }

  get users(): LayerUsers {
    this.#users ??= new LayerUsers(this.layout, this.#isFree);
    return this.#users;
  }

  /** Takes a reference away, if it is there. */
  untag(reference: string): void {
    const id = this.idOf(reference);
    if (id === undefined) return;
    const repository = this.#names.get(id)?.get(reference);
    if (repository === undefined) return;
    this.#repositories.get(repository)?.delete(reference);
    this.#names.get(id)?.delete(reference);
    this.#untagged = true;
  }

  /**
   * Takes an image away that has no names any more.
   * @returns the layers that go with it, those on top first
   */
  remove(id: ImageId): readonly ChainId[] {
    for (const child of this.#childrenOf(id)) this.#parentless.add(child);
    const { orphans, freed } = this.users.release(id);
    this.#orphans.push(...orphans);
    this.#filed.delete(id);
    this.#removed.add(id);
    return freed;
  }

  get changes(): Changes {
    return {
      names: this.#untagged ? this.#repositories : undefined,
      images: [...this.#removed],
      parentless: [...this.#parentless].filter((id) => this.has(id)),
      orphans: this.#orphans,
    };
  }
}
