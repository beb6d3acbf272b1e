/** `layerdb`: the entries of layers and of containers. */
import { join } from "node:path";
import {
  type ChainId,
  chainId as chainIdOf,
  type DiffId,
  isDigest,
} from "../../digest.js";
import { LAYER_FILE, type Layout } from "../../layout.js";
import type { About, Report } from "../report.js";
import type { Modes } from "./modes.js";
import { bytesOf, type Exact, exactly, FORM, namesIn } from "./small-file.js";
import type { Structure } from "./structure.js";

/** A layer's entry as it lies there. */
export interface LayerEntry {
  readonly chainId: ChainId;
  readonly names: ReadonlySet<string>;
  readonly diff: Exact;
  readonly size: Exact;
  readonly cacheId: Exact;
  /** Absent where there is no such file. */
  readonly parent: Exact | undefined;
}

/** A container's entry: what it is mounted from. */
export interface MountEntry {
  readonly container: string;
  readonly mountId: Exact;
  readonly initId: Exact | undefined;
  /** Chain ID of the image it runs; absent for a container of none. */
  readonly parent: Exact | undefined;
}

/** For Windows only, and of no use here; dockerd reads it all the same. */
const DESCRIPTOR = "descriptor.json";
const KNOWN: ReadonlySet<string> = new Set([
  ...Object.values(LAYER_FILE),
  DESCRIPTOR,
]);

export function readLayers(layout: Layout): Map<ChainId, LayerEntry> {
  const layers = new Map<ChainId, LayerEntry>();
  for (const name of namesIn(layout.layers) ?? []) {
    const id = `sha256:${name}`;
    if (!isDigest(id)) continue;
    const chainId = id as string as ChainId;
    const names = new Set(namesIn(layout.layer(chainId)));
    const file = (which: keyof typeof LAYER_FILE, form: RegExp): Exact =>
      exactly(layout.layerFile(chainId, which), form);
    layers.set(chainId, {
      chainId,
      names,
      diff: file("diff", FORM.digest),
      size: file("size", FORM.decimal),
      cacheId: file("cacheId", FORM.cacheId),
      parent: names.has(LAYER_FILE.parent)
        ? file("parent", FORM.digest)
        : undefined,
    });
  }
  return layers;
}

export function readMounts(layout: Layout): MountEntry[] {
  return (namesIn(layout.mounts) ?? []).map((container) => {
    const directory = join(layout.mounts, container);
    const names = new Set(namesIn(directory));
    const file = (name: string, form: RegExp): Exact | undefined =>
      names.has(name) ? exactly(join(directory, name), form) : undefined;
    return {
      container,
      mountId: exactly(join(directory, "mount-id"), FORM.cacheId),
      initId: file("init-id", FORM.initId),
      parent: file("parent", FORM.digest),
    };
  });
}

const ENTRY_MODES = [0o700];
const FILE_MODES = [0o644];

export function checkLayerdb(
  structure: Structure,
  modes: Modes,
  report: Report,
): void {
  const { layout } = structure;
  const parts = [layout.layers, layout.layerdbTemporary, layout.mounts];
  for (const name of namesIn(layout.layerdb) ?? []) {
    const path = join(layout.layerdb, name);
    if (!parts.includes(path)) report.stray(path);
  }
  for (const name of namesIn(layout.layerdbTemporary) ?? []) {
    const message = "it was not renamed to its place";
    report.add("LAYER_LEFTOVER", join(layout.layerdbTemporary, name), message);
  }
  for (const name of namesIn(layout.layers) ?? []) {
    if (FORM.hex.test(name)) continue;
    const path = join(layout.layers, name);
    if (name.endsWith("-removing")) {
      const message = "its removal was begun and not finished";
      report.add("LAYER_LEFTOVER", path, message);
    } else report.stray(path);
  }
  for (const entry of structure.layers.values()) {
    checkEntry(structure, entry, modes, report);
  }
  for (const mount of structure.mounts) checkMount(structure, mount, report);
}

function checkEntry(
  structure: Structure,
  entry: LayerEntry,
  modes: Modes,
  report: Report,
): void {
  const { layout } = structure;
  const { chainId } = entry;
  const about: About = { chainId, images: structure.usersOf(chainId) };
  const path = (file: keyof typeof LAYER_FILE): string =>
    layout.layerFile(chainId, file);
  const files: [keyof typeof LAYER_FILE, Exact | undefined][] = [
    ["diff", entry.diff],
    ["size", entry.size],
    ["cacheId", entry.cacheId],
    ["parent", entry.parent],
  ];
  for (const [file, found] of files) {
    if (found?.problem === undefined) continue;
    report.add("LAYER_FILE_DAMAGED", path(file), found.problem, about);
  }
  checkOrigin(structure, entry, about, report);
  if (!entry.names.has(LAYER_FILE.tarSplit)) {
    const message = "it is missing";
    report.add("TAR_SPLIT_DAMAGED", path("tarSplit"), message, about);
  }
  const directory = layout.layer(chainId);
  modes.check("LAYER_MODE", directory, ENTRY_MODES, about);
  for (const name of entry.names) {
    const file = join(directory, name);
    if (!KNOWN.has(name)) report.stray(file, about);
    else modes.check("LAYER_MODE", file, FILE_MODES, about);
  }
  if (entry.names.has(DESCRIPTOR)) {
    checkDescriptor(join(directory, DESCRIPTOR), about, report);
  }
}

/** Whether `diff` and `parent` are those that the chain ID was made of. */
function checkOrigin(
  structure: Structure,
  { chainId, diff, parent }: LayerEntry,
  about: About,
  report: Report,
): void {
  const { layout } = structure;
  const found = parent?.value as ChainId | undefined;
  if (structure.isProven(chainId)) {
    const origin = structure.originOf(chainId);
    const wanted = origin?.parent;
    if (diff.value !== undefined && diff.value !== origin?.diffId) {
      const message = `it holds ${diff.value}, and the image's config says ${origin?.diffId}`;
      const path = layout.layerFile(chainId, "diff");
      report.add("LAYER_FILE_DAMAGED", path, message, about);
    }
    if (found === wanted || (parent !== undefined && found === undefined)) {
      return;
    }
    const message =
      wanted === undefined
        ? "it is there, and the layer is the lowest of its image"
        : parent === undefined
          ? `it is missing, and the layer below is ${wanted}`
          : `it holds ${found}, and the layer below is ${wanted}`;
    const path = layout.layerFile(chainId, "parent");
    report.add("LAYER_FILE_DAMAGED", path, message, about);
    return;
  }
  if (diff.value === undefined) return;
  if (parent !== undefined && found === undefined) return;
  const made = chainIdOf(found, diff.value as DiffId);
  if (made === chainId) return;
  const message = `its diff and parent make the chain ID ${made}`;
  report.add("LAYER_FILE_DAMAGED", layout.layer(chainId), message, about);
}

function checkDescriptor(path: string, about: About, report: Report): void {
  const file = bytesOf(path);
  let problem = "problem" in file ? file.problem : undefined;
  if ("bytes" in file) {
    try {
      const { digest } = Object(JSON.parse(file.bytes.toString())) as {
        digest?: unknown;
      };
      if (!isDigest(digest)) problem = "it names no blob";
    } catch {
      problem = "it is not JSON";
    }
  }
  if (problem !== undefined) {
    report.add("LAYER_FILE_DAMAGED", path, problem, about);
  }
}

function checkMount(
  { layout }: Structure,
  { container, mountId, initId, parent }: MountEntry,
  report: Report,
): void {
  const directory = join(layout.mounts, container);
  const files: [string, Exact | undefined][] = [
    ["mount-id", mountId],
    ["init-id", initId],
    ["parent", parent],
  ];
  for (const [name, found] of files) {
    if (found?.problem === undefined) continue;
    report.add("CONTAINER_DAMAGED", join(directory, name), found.problem);
  }
}
