/** `imagedb`: the configs of images and docker's notes on them. */
import { join } from "node:path";
import { type DiffId, digestOf, type ImageId, isDigest } from "../../digest.js";
import { isTooDeepForGo } from "../../json-shape.js";
import type { Layout } from "../../layout.js";
import { MAX_LAYERS } from "../../place.js";
import { isObject, parseStoredConfig } from "../../survey/image-config.js";
import type { Report } from "../report.js";
import type { Modes } from "./modes.js";
import { bytesOf, FORM, namesIn, shown } from "./small-file.js";
import type { Structure } from "./structure.js";

/** A config that is filed under a digest. */
export interface ConfigEntry {
  readonly imageId: ImageId;
  /** Base first; those of a damaged config are what it says they are, as long as it can be parsed. */
  readonly diffIds: readonly DiffId[];
  readonly problem:
    | {
        readonly code: "CONFIG_DAMAGED" | "CONFIG_UNUSABLE";
        readonly message: string;
      }
    | undefined;
}

export function readConfigs(layout: Layout): ConfigEntry[] {
  const configs: ConfigEntry[] = [];
  for (const name of namesIn(layout.imagedbContent) ?? []) {
    const id = `sha256:${name}`;
    if (isDigest(id)) {
      configs.push(readConfig(layout, id as string as ImageId));
    }
  }
  return configs;
}

function readConfig(layout: Layout, imageId: ImageId): ConfigEntry {
  const file = bytesOf(layout.imageConfig(imageId));
  if ("problem" in file) {
    const problem = { code: "CONFIG_DAMAGED", message: file.problem } as const;
    return { imageId, diffIds: [], problem };
  }
  const config = parseStoredConfig(file.bytes);
  const diffIds = config?.diffIds ?? [];
  const hash = digestOf(file.bytes) as string;
  if (hash !== imageId) {
    const message = `it hashes to ${hash}`;
    return { imageId, diffIds, problem: { code: "CONFIG_DAMAGED", message } };
  }
  const message =
    config === undefined
      ? isTooDeepForGo(file.bytes)
        ? "it is nested deeper than dockerd reads"
        : "it is no config of an image"
      : whyUnusable(config.json, diffIds.length);
  const problem =
    message === undefined
      ? undefined
      : ({ code: "CONFIG_UNUSABLE", message } as const);
  return { imageId, diffIds, problem };
}

/** What dockerd would refuse when it pulled the image. */
function whyUnusable(
  config: Readonly<Record<string, unknown>>,
  layers: number,
): string | undefined {
  const { history, rootfs } = config;
  const type = isObject(rootfs) ? rootfs["type"] : undefined;
  if (type !== undefined && type !== "layers") {
    return `its rootfs is of the type ${JSON.stringify(type)}`;
  }
  if (layers > MAX_LAYERS) {
    return `it has ${layers} layers, and docker allows ${MAX_LAYERS}`;
  }
  const steps = Array.isArray(history) ? (history as unknown[]) : [];
  const filled = steps.filter(
    (step) => !isObject(step) || step["empty_layer"] !== true,
  );
  return filled.length > layers
    ? `its history has ${filled.length} steps with a layer, and there are ${layers} layers`
    : undefined;
}

const CONFIG_MODES = [0o600];

export function checkImagedb(
  structure: Structure,
  modes: Modes,
  report: Report,
): void {
  const { layout, configs } = structure;
  for (const { imageId, problem } of configs) {
    const path = layout.imageConfig(imageId);
    const about = { imageId, images: [imageId] };
    if (problem !== undefined) {
      report.add(problem.code, path, problem.message, about);
    }
    modes.check("CONFIG_MODE", path, CONFIG_MODES, about);
  }
  for (const name of namesIn(layout.imagedbContent) ?? []) {
    if (FORM.hex.test(name)) continue;
    report.stray(join(layout.imagedbContent, name));
  }
  const known = new Set<string>(configs.map(({ imageId }) => imageId));
  for (const name of namesIn(layout.imagedbMetadata) ?? []) {
    const path = join(layout.imagedbMetadata, name);
    const imageId = `sha256:${name}`;
    if (!isDigest(imageId)) report.stray(path);
    else if (!known.has(imageId)) {
      report.add("METADATA_ORPHAN", path, "there is no such image", {
        imageId: imageId as string as ImageId,
      });
    } else checkMetadata(path, imageId as string as ImageId, known, report);
  }
}

const RFC_3339 =
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

function checkMetadata(
  directory: string,
  imageId: ImageId,
  known: ReadonlySet<string>,
  report: Report,
): void {
  for (const key of namesIn(directory) ?? []) {
    const path = join(directory, key);
    const judge = METADATA[key];
    if (judge === undefined) {
      report.stray(path);
      continue;
    }
    const file = bytesOf(path);
    const problem = "problem" in file ? file.problem : judge(file.bytes, known);
    if (problem !== undefined) {
      report.add("METADATA_DAMAGED", path, problem, {
        imageId,
        images: [imageId],
      });
    }
  }
}

type Judge = (bytes: Buffer, known: ReadonlySet<string>) => string | undefined;

const METADATA: Readonly<Record<string, Judge>> = {
  parent: (bytes, known) => {
    const parent = bytes.toString("latin1");
    if (!isDigest(parent)) return `it holds ${shown(bytes)}`;
    return known.has(parent)
      ? undefined
      : `it names ${parent}, which is not there`;
  },
  lastUpdated: (bytes) =>
    RFC_3339.test(bytes.toString("latin1"))
      ? undefined
      : `it holds ${shown(bytes)}`,
  builtLocally: (bytes) =>
    bytes.length === 1 && bytes[0] === 1
      ? undefined
      : `it holds ${shown(bytes)}`,
};
