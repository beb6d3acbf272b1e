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
import { printable } from "../../store/reference/printable.js";
import { canonicalName } from "../../store/reference/reference.js";
import { invalidArchive, missingInArchive } from "./archive-error.js";
import { type ArchiveBlobs, MAX_CONFIG_BYTES } from "./client.js";
import { layerDescriptor, madeImage } from "./docker-archive.js";
import { readFileOf } from "./files.js";
import { type ArchivedImage, archivedName } from "./archived-image.js";
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

interface OldLayer {
  readonly json: string;
  readonly diffId: Digest;
  readonly name: string;
}

/** @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_INCOMPLETE`, `LAYER_INVALID` */
export async function legacyImages(
  blobs: ArchiveBlobs,
  names: ReadonlySet<string>,
): Promise<ArchivedImage[]> {
  const layers = new Map<string, OldLayer>();
  const images = new Map<string, ArchivedImage & { names: unknown[] }>();
  const tops = [...(await tagged(blobs)), ...untagged(names)];
  const parents = new Map<string, string>();
  for (const [top, name] of tops) {
    const known = images.get(top);
    if (known !== undefined) {
      if (name !== undefined) known.names.push(name);
      continue;
    }
    const chain = await chainOf(top, blobs, layers, parents);
    const image = await configured(chain, blobs);
    images.set(top, { ...image, names: name === undefined ? [] : [name] });
  }
  // What another one is built on is no image of its own, unless it has a name.
  const inner = new Set(parents.values());
  const found = [...images]
    .filter(([id, { names: own }]) => own.length > 0 || !inner.has(id))
    .map(([, image]) => image as ArchivedImage);
  if (found.length > 0) return found;
  throw invalidArchive("holds no image");
}

/** The last layers of images with their names. */
async function tagged(
  blobs: ArchiveBlobs,
): Promise<[id: string, name: NonNullable<ReturnType<typeof archivedName>>][]> {
  const bytes = await readFileOf(blobs.files, "repositories", MAX_CONFIG_BYTES);
  const repositories = objectOf(bytes, "repositories");
  const found = new Map<
    string,
    [string, NonNullable<ReturnType<typeof archivedName>>]
  >();
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

/** The layers of an image, base first. */
async function chainOf(
  top: string,
  blobs: ArchiveBlobs,
  layers: Map<string, OldLayer>,
  parents: Map<string, string>,
): Promise<OldLayer[]> {
  const chain: OldLayer[] = [];
  const seen = new Set<string>();
  for (let id: string | undefined = top; id !== undefined && id !== "";) {
    if (!/^[0-9A-Za-z_-]{1,128}$/.test(id)) {
      throw invalidArchive(`has a layer with the ID ${printable(id)}`);
    }
    if (seen.has(id) || seen.size > MAX_LAYERS) {
      throw invalidArchive(`has no end of layers below ${printable(top)}`);
    }
    seen.add(id);
    const layer = layers.get(id) ?? (await oldLayer(id, blobs));
    layers.set(id, layer);
    chain.unshift(layer);
    const { parent } = JSON.parse(layer.json) as { parent?: unknown };
    if (typeof parent === "string" && parent !== "") parents.set(id, parent);
    id = parents.get(id);
  }
  return chain;
}

async function oldLayer(id: string, blobs: ArchiveBlobs): Promise<OldLayer> {
  const { files } = blobs;
  const bytes = await readFileOf(files, `${id}/json`, MAX_CONFIG_BYTES);
  objectOf(bytes, `${id}/json`);
  const name = `${id}/layer.tar`;
  const size = await files.size(name);
  if (size === undefined) throw missingInArchive("an image", [name]);
  // The tar's digest is not written down anywhere.
  const hash = createHash("sha256");
  for await (const chunk of inflated(files.stream(name, 0, size))) {
    hash.update(chunk);
  }
  const diffId = `sha256:${hash.digest("hex")}` as Digest;
  return { json: bytes?.toString("utf8") ?? "", diffId, name };
}

/** The image with the config that docker would make. */
async function configured(
  chain: readonly OldLayer[],
  blobs: ArchiveBlobs,
): Promise<ArchivedImage> {
  const top = chain.at(-1) as OldLayer;
  const members = topLevelMembers(top.json).filter(
    ([key]) => !DROPPED.has(key),
  );
  const diffIds = chain.map(({ diffId }) => JSON.stringify(diffId)).join(",");
  members.push(
    ["history", `[${chain.map(historyStep).join(",")}]`],
    ["rootfs", `{"type":"layers","diff_ids":[${diffIds}]}`],
  );
  const byKey = new Map(members);
  const sorted = [...byKey.keys()].sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  const json = sorted.map((key) => `${goString(key)}:${byKey.get(key)}`);
  const config = Buffer.from(`{${json.join(",")}}`);
  const descriptors: object[] = [];
  for (const { diffId, name } of chain) {
    descriptors.push(await layerDescriptor(diffId, name, blobs));
  }
  const digest = digestOf(config);
  blobs.addBytes(digest, config);
  return madeImage({ digest, size: config.length }, descriptors, [], blobs);
}

/** A step of the history as Go writes it: members without a value are left out, the time is not. */
function historyStep({ json }: OldLayer): string {
  const { created, author, comment, container_config } = JSON.parse(json) as {
    created?: unknown;
    author?: unknown;
    comment?: unknown;
    container_config?: { Cmd?: unknown } | null;
  };
  const words = container_config?.Cmd;
  const createdBy = Array.isArray(words) ? words.join(" ") : "";
  const step: string[] = [];
  const add = (key: string, value: unknown): void => {
    if (typeof value === "string" && value !== "") {
      step.push(`"${key}":${goString(value)}`);
    }
  };
  add("created", created ?? "0001-01-01T00:00:00Z");
  add("author", author);
  add("created_by", createdBy);
  add("comment", comment);
  return `{${step.join(",")}}`;
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
  throw invalidArchive(`has a ${printable(name)} that is no JSON object`);
}
