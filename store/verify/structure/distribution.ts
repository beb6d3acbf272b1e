/** `distribution`: what is remembered of where layers came from, in two maps that have to agree. */
import { join } from "node:path";
import { type DiffId, type Digest, hexOf, isDigest } from "../../digest.js";
import {
  formatV2Metadata,
  MAX_V2METADATA,
  type V2Metadata,
} from "../../distribution.js";
import type { Layout } from "../../layout.js";
import {
  canonicalRepository,
  parseReference,
} from "../../reference/reference.js";
import { isObject } from "../../survey/image-config.js";
import type { About, Report } from "../report.js";
import type { Modes } from "./modes.js";
import { bytesOf, exactly, FORM, namesIn } from "./small-file.js";
import { addTo } from "../lists.js";
import type { Structure } from "./structure.js";

const MODES = [0o644];
/** Of docker's first image format; daemons leave them where they are. */
const OLD = ["v1-metadata-by-id", "layerid-by-v1id"];

export function checkDistribution(
  structure: Structure,
  modes: Modes,
  report: Report,
): void {
  const { layout } = structure;
  checkFolders(layout, report);
  const origins = readOrigins(structure, modes, report);
  const diffIds = readDiffIds(structure, modes, report);
  compareMaps(structure, origins, diffIds, report);
  checkKnown(structure, origins, report);
}

function checkFolders(layout: Layout, report: Report): void {
  const parts = [layout.diffIdByDigestParent, layout.v2MetadataParent];
  for (const name of namesIn(layout.distribution) ?? []) {
    const path = join(layout.distribution, name);
    if (!parts.includes(path) && !OLD.includes(name)) report.stray(path);
  }
  for (const part of parts) {
    for (const name of namesIn(part) ?? []) {
      if (name !== "sha256") report.stray(join(part, name));
    }
  }
}

/** Blobs by the diff ID they are noted with; those of a file that cannot be read are missing. */
type Origins = ReadonlyMap<DiffId, ReadonlySet<Digest> | "unreadable">;

function readOrigins(
  structure: Structure,
  modes: Modes,
  report: Report,
): Origins {
  const { layout } = structure;
  const origins = new Map<DiffId, Set<Digest> | "unreadable">();
  for (const name of namesIn(layout.v2Metadata) ?? []) {
    const id = `sha256:${name}`;
    if (!isDigest(id)) {
      report.stray(join(layout.v2Metadata, name));
      continue;
    }
    const diffId = id as string as DiffId;
    const path = layout.v2MetadataOf(diffId);
    const about: About = { images: structure.usersOfDiff(diffId) };
    modes.check("STORE_MODE", path, MODES, about);
    const file = bytesOf(path);
    const text = "problem" in file ? "" : file.bytes.toString();
    const list = "problem" in file ? file.problem : parseStrictly(text);
    if (typeof list === "string") {
      report.add("DISTRIBUTION_DAMAGED", path, list, about);
      origins.set(diffId, "unreadable");
      continue;
    }
    for (const { SourceRepository: repository } of list) {
      if (isCanonical(repository)) continue;
      const message = `the repository ${JSON.stringify(repository)} is not written out as docker looks for it`;
      report.add("DISTRIBUTION_DAMAGED", path, message, about);
    }
    if (text !== formatV2Metadata(list)) {
      const message = "it is not written as dockerd writes it";
      report.add("DISTRIBUTION_DAMAGED", path, message, about);
    }
    origins.set(diffId, new Set(list.map(({ Digest }) => Digest as Digest)));
  }
  return origins;
}

/** The entries, or why there are none. */
function parseStrictly(text: string): V2Metadata[] | string {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return "it is not JSON";
  }
  if (!Array.isArray(list)) return "it is no list";
  if (list.length > MAX_V2METADATA) {
    return `it has ${list.length} entries, and docker keeps ${MAX_V2METADATA}`;
  }
  const entries: V2Metadata[] = [];
  for (const entry of list as unknown[]) {
    const fields = isObject(entry) ? entry : {};
    const { Digest, SourceRepository, HMAC } = fields;
    if (
      Object.keys(fields).length !== 3 ||
      !isDigest(Digest) ||
      typeof SourceRepository !== "string" ||
      typeof HMAC !== "string" ||
      (HMAC !== "" && !FORM.hex.test(HMAC))
    ) {
      return "an entry is not a blob and its repository";
    }
    entries.push({ Digest, SourceRepository, HMAC });
  }
  return entries;
}

function isCanonical(repository: string): boolean {
  try {
    return canonicalRepository(parseReference(repository)) === repository;
  } catch {
    // docker allows a few hosts that nothing can connect to.
    return /^(?:[^/]*[.:][^/]*|localhost)\/./.test(repository);
  }
}

function readDiffIds(
  structure: Structure,
  modes: Modes,
  report: Report,
): Map<Digest, DiffId | undefined> {
  const { layout } = structure;
  const diffIds = new Map<Digest, DiffId | undefined>();
  for (const name of namesIn(layout.diffIdByDigest) ?? []) {
    const digest = `sha256:${name}`;
    if (!isDigest(digest)) {
      report.stray(join(layout.diffIdByDigest, name));
      continue;
    }
    const path = layout.diffIdOf(digest);
    const { value, problem } = exactly(path, FORM.digest);
    const diffId = value as DiffId | undefined;
    const images = diffId === undefined ? [] : structure.usersOfDiff(diffId);
    modes.check("STORE_MODE", path, MODES, { images });
    if (problem !== undefined) {
      report.add("DISTRIBUTION_DAMAGED", path, problem, { images });
    }
    diffIds.set(digest, diffId);
  }
  return diffIds;
}

/**
 * Every blob a layer was seen as has to lead back to it. The other way round a
 * push may have forgotten a repository, or a list of fifty the oldest entry; but
 * a list there has to be.
 */
function compareMaps(
  structure: Structure,
  origins: Origins,
  diffIds: ReadonlyMap<Digest, DiffId | undefined>,
  report: Report,
): void {
  const { layout } = structure;
  for (const [digest, diffId] of diffIds) {
    if (diffId === undefined || origins.has(diffId)) continue;
    const message = `it is missing, and the blob ${digest} is noted to be this layer`;
    report.add("DISTRIBUTION_MISSING", layout.v2MetadataOf(diffId), message, {
      images: structure.usersOfDiff(diffId),
    });
  }
  for (const [diffId, digests] of origins) {
    if (digests === "unreadable") continue;
    for (const digest of digests) {
      const path = layout.diffIdOf(digest);
      const images = structure.usersOfDiff(diffId);
      if (!diffIds.has(digest)) {
        const message = `it is missing, and the layer ${diffId} is noted to be this blob`;
        report.add("DISTRIBUTION_MISSING", path, message, { images });
        continue;
      }
      const found = diffIds.get(digest);
      if (found === undefined || found === diffId) continue;
      const message = `it holds ${found}, and the layer ${diffId} is noted to be this blob`;
      report.add("DISTRIBUTION_DAMAGED", path, message, { images });
    }
  }
}

/** Of an image that was pulled or pushed, each layer is noted. */
function checkKnown(
  { layout, configs, names }: Structure,
  origins: Origins,
  report: Report,
): void {
  const missing = new Map<DiffId, (typeof configs)[number]["imageId"][]>();
  for (const { imageId, diffIds, problem } of configs) {
    if (problem !== undefined) continue;
    if (!names.of(imageId).some((name) => name.includes("@"))) continue;
    for (const diffId of new Set(diffIds)) {
      if (origins.has(diffId)) continue;
      addTo(missing, diffId, imageId);
    }
  }
  for (const [diffId, images] of missing) {
    const path = join(layout.v2Metadata, hexOf(diffId));
    const message = "it is missing, and the layer came from a registry";
    report.add("DISTRIBUTION_MISSING", path, message, { images });
  }
}
