/**
 * docker's archive from before version 1.10: a directory for each layer, named
 * by the ID it had then, with `json` and `layer.tar`, and `repositories` for
 * the names. Its images have no config; the one that docker makes of them is
 * made here: the last layer's `json` without what belongs to the old format,
 * with the diff IDs and the history of all.
 */
import { createHash } from "node:crypto";
import {
  type Digest,
  MAX_LAYERS,
  digestOf,
  inflated,
} from "../../store/index.js";
import { goString } from "../../store/go-json.js";
import { isTooDeepForGo } from "../../store/json-shape.js";
import { printable } from "../../store/reference/printable.js";
import {
  type Reference,
  canonicalName,
} from "../../store/reference/reference.js";
import { invalidArchive, missingInArchive } from "./archive-error.js";
import { type ArchiveBlobs, MAX_CONFIG_BYTES } from "./client.js";
import { layerDescriptor, madeImage } from "./docker-archive.js";
import { readFileOf } from "./files.js";
import {
  type ArchivedImage,
  ImagesByDigest,
  archivedName,
} from "./archived-image.js";
import { topLevelMembers } from "./raw-json.js";

/** Members of the old format that are no part of an image's config. */
const DROPPED = new Set([
  "id",
  "parent",
  "Size",
  "parent_id",
  "layer_id",
  "throwaway",
  "rootfs",
  "history",
]);

/** So much of one layer's `json` is read: what docker wrote has a few kilobytes. */
const MAX_JSON_BYTES = 1024 * 1024;
/** And so much of all of them, and of the configs that are made of them, is kept. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;

/** What an image takes over of one of its layers. */
interface OldLayer {
  /** The same for all directories that lead to the same two files. */
  readonly identity: string;
  /** ID of the layer below; empty for a base. */
  readonly parent: string;
  /** Its step of the history, in JSON. */
  readonly step: string;
  readonly diffId: Digest;
  readonly descriptor: object;
  /** Where its `json` is. */
  readonly jsonName: string;
}

/** @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_INCOMPLETE`, `LAYER_INVALID`, `ABORTED` */
export async function legacyImages(
  blobs: ArchiveBlobs,
  names: ReadonlySet<string>,
): Promise<ArchivedImage[]> {
  const layers = new OldLayers(blobs);
  const chains = new Map<string, OldLayer[]>();
  const namesOf = new Map<string, Reference[]>();
  const inner = new Set<string>();
  for (const [top, name] of [...(await tagged(blobs)), ...untagged(names)]) {
    const own = namesOf.get(top) ?? [];
    namesOf.set(top, own);
    if (name !== undefined) own.push(name);
    if (chains.has(top)) continue;
    const chain = await layers.chainOf(top);
    chains.set(top, chain);
    for (const { parent } of chain) inner.add(parent);
  }
  const images = new ImagesByDigest();
  const configured = new Map<string, ArchivedImage>();
  for (const [top, chain] of chains) {
    const own = namesOf.get(top) ?? [];
    // What another one is built on is no image of its own, unless it has a name.
    if (own.length === 0 && inner.has(top)) continue;
    const key = chain.map(({ identity }) => identity).join(" ");
    const image = configured.get(key) ?? (await layers.imageOf(chain));
    configured.set(key, image);
    images.add({ ...image, names: own });
  }
  const found = images.all();
  if (found.length > 0) return found;
  throw invalidArchive("holds no image");
}

/** The last layers of images with their names. */
async function tagged(
  blobs: ArchiveBlobs,
): Promise<[id: string, name: Reference][]> {
  const bytes = await readFileOf(blobs.files, "repositories", MAX_CONFIG_BYTES);
  const repositories = objectOf(bytes, "repositories");
  const found = new Map<string, [string, Reference]>();
  for (const [repository, tags] of Object.entries(repositories)) {
    if (typeof tags !== "object" || tags === null) {
      throw invalidArchive("has a repository whose tags are no list");
    }
    for (const [tag, id] of Object.entries(tags as object)) {
      const name = archivedName(`${repository}:${tag}`);
      if (name === undefined || typeof id !== "string") {
        throw invalidArchive("has a tag that names no image");
      }
      found.set(canonicalName(name), [id, name]);
    }
  }
  return [...found.values()];
}

function untagged(names: ReadonlySet<string>): [string, undefined][] {
  const ids: [string, undefined][] = [];
  for (const name of names) {
    const id = /^([^/]+)\/json$/.exec(name)?.[1];
    if (id !== undefined) ids.push([id, undefined]);
  }
  return ids;
}

/** The layers of an archive, each read once however many directories lead to it. */
class OldLayers {
  readonly #blobs: ArchiveBlobs;
  readonly #byId = new Map<string, OldLayer>();
  readonly #byIdentity = new Map<string, OldLayer>();
  readonly #diffIds = new Map<string, Digest>();
  #kept = 0;

  constructor(blobs: ArchiveBlobs) {
    this.#blobs = blobs;
  }

  /** The layers of an image, base first. */
  async chainOf(top: string): Promise<OldLayer[]> {
    const chain: OldLayer[] = [];
    const seen = new Set<string>();
    for (let id = top; id !== "";) {
      if (!/^[0-9A-Za-z_-]{1,128}$/.test(id)) {
        throw invalidArchive(`has a layer with the ID ${printable(id)}`);
      }
      if (seen.has(id) || seen.size > MAX_LAYERS) {
        throw invalidArchive(`has no end of layers below ${printable(top)}`);
      }
      seen.add(id);
      const layer = this.#byId.get(id) ?? (await this.#layer(id));
      this.#byId.set(id, layer);
      chain.unshift(layer);
      id = layer.parent;
    }
    return chain;
  }

  /** The image with the config that docker would make. */
  async imageOf(chain: readonly OldLayer[]): Promise<ArchivedImage> {
    const top = chain.at(-1) as OldLayer;
    const json = (await this.#json(top.jsonName)).toString("utf8");
    const members = topLevelMembers(json).filter(([key]) => !DROPPED.has(key));
    const diffIds = chain.map(({ diffId }) => JSON.stringify(diffId)).join(",");
    members.push(
      ["history", `[${chain.map(({ step }) => step).join(",")}]`],
      ["rootfs", `{"type":"layers","diff_ids":[${diffIds}]}`],
    );
    const byKey = new Map(members);
    const sorted = [...byKey.keys()].sort((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    );
    const made = sorted.map((key) => `${goString(key)}:${byKey.get(key)}`);
    const config = Buffer.from(`{${made.join(",")}}`);
    const size = config.length;
    const digest = digestOf(config);
    if (this.#blobs.document(digest) === undefined) this.#keep(size);
    this.#blobs.addBytes(digest, config);
    const descriptors = chain.map(({ descriptor }) => descriptor);
    return madeImage({ digest, size }, descriptors, [], this.#blobs);
  }

  async #layer(id: string): Promise<OldLayer> {
    const { files } = this.#blobs;
    const jsonName = `${id}/json`;
    const name = `${id}/layer.tar`;
    const json = await files.find(jsonName);
    const tar = await files.find(name);
    if (tar === undefined) throw missingInArchive("an image", [name]);
    const identity = `${json?.identity ?? ""}-${tar.identity}`;
    const known = this.#byIdentity.get(identity);
    if (known !== undefined) return known;
    const members = objectOf(await this.#json(jsonName), jsonName);
    const diffId =
      this.#diffIds.get(tar.identity) ?? (await this.#diffId(name, tar.size));
    this.#diffIds.set(tar.identity, diffId);
    const step = historyStep(members);
    const { parent } = members;
    const layer = {
      identity,
      parent: typeof parent === "string" ? parent : "",
      step,
      diffId,
      descriptor: await layerDescriptor(diffId, name, this.#blobs),
      jsonName,
    };
    this.#keep(step.length);
    this.#byIdentity.set(identity, layer);
    return layer;
  }

  async #json(name: string): Promise<Buffer> {
    const bytes = await readFileOf(this.#blobs.files, name, MAX_JSON_BYTES);
    if (bytes !== undefined && !isTooDeepForGo(bytes)) return bytes;
    throw noObject(name);
  }

  /** The tar's digest is not written down anywhere. */
  async #diffId(name: string, size: number): Promise<Digest> {
    const hash = createHash("sha256");
    const { files } = this.#blobs;
    for await (const chunk of inflated(files.stream(name, 0, size))) {
      hash.update(chunk);
    }
    return `sha256:${hash.digest("hex")}` as Digest;
  }

  #keep(bytes: number): void {
    this.#kept += bytes;
    if (this.#kept <= MAX_KEPT_BYTES) return;
    throw invalidArchive("says more of its layers than any program writes");
  }
}

/** A step of the history as Go writes it: members without a value are left out, the time is not. */
function historyStep(layer: Readonly<Record<string, unknown>>): string {
  const { created, author, comment, container_config: container } = layer;
  const step: string[] = [];
  const add = (key: string, value: unknown): void => {
    if (typeof value === "string" && value !== "") {
      step.push(`"${key}":${goString(value)}`);
    }
  };
  add("created", created ?? "0001-01-01T00:00:00Z");
  add("author", author);
  add("created_by", wordsOf(container));
  add("comment", comment);
  return `{${step.join(",")}}`;
}

/** docker's `Cmd`: a list of words, or one string. */
function wordsOf(container: unknown): string {
  if (container === undefined || container === null) return "";
  const cmd =
    typeof container === "object" && "Cmd" in container
      ? container.Cmd
      : undefined;
  if (cmd === undefined || cmd === null) return "";
  const words: readonly unknown[] = Array.isArray(cmd) ? cmd : [cmd];
  if (words.every((word) => typeof word === "string")) return words.join(" ");
  throw invalidArchive("has a layer with a command that is no list of words");
}

function objectOf(
  bytes: Buffer | undefined,
  name: string,
): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(bytes?.toString("utf8") ?? "");
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // said below
  }
  throw noObject(name);
}

function noObject(name: string): Error {
  return invalidArchive(`has a ${printable(name)} that is no JSON object`);
}
