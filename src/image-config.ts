/**
 * An image's config, as far as storing the image depends on it. The bytes are
 * stored as they came; only what is read here is checked, by dockerd's rules.
 */
import { type DiffId, TpullError, parseDiffId } from "../store/index.js";
import { MAX_JSON_DEPTH, isTooDeepForGo } from "../store/json-shape.js";

/** The deepest image docker's overlay2 store takes. */
export const MAX_LAYERS = 125;

export interface ImageConfig {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
  /** Base first. */
  readonly diffIds: readonly DiffId[];
}

function invalid(message: string, hint?: string): TpullError {
  return new TpullError(
    "IMAGE_CONFIG_INVALID",
    `the image's config ${message}`,
    {
      hint,
    },
  );
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? "" : "s"}`;

const text = (value: unknown): string =>
  typeof value === "string" ? value : "";

/**
 * @param bytes the config blob, verified against its digest
 * @param layerCount number of layers in the manifest
 * @throws TpullError `IMAGE_CONFIG_INVALID`, `IMAGE_OS_UNSUPPORTED`, `TOO_MANY_LAYERS`, `DIGEST_INVALID`
 */
export function parseImageConfig(
  bytes: Uint8Array,
  layerCount: number,
): ImageConfig {
  return read(bytes, (diffIds) => requireLayerCount({ diffIds }, layerCount));
}

/** @throws TpullError `IMAGE_CONFIG_INVALID` unless a manifest has as many layers as the config */
export function requireLayerCount(
  { diffIds }: Pick<ImageConfig, "diffIds">,
  layerCount: number,
): void {
  if (diffIds.length === layerCount) return;
  throw invalid(
    `has ${counted(diffIds.length, "diff ID")}, the manifest ${counted(layerCount, "layer")}`,
  );
}

/**
 * The config by itself, whatever its manifest says.
 * @throws TpullError as {@link parseImageConfig}
 */
export function readImageConfig(bytes: Uint8Array): ImageConfig {
  return read(bytes, () => {});
}

function read(
  bytes: Uint8Array,
  checkLayers: (diffIds: readonly DiffId[]) => void,
): ImageConfig {
  if (isTooDeepForGo(bytes)) {
    throw invalid(
      `is nested deeper than ${MAX_JSON_DEPTH}: docker does not read it`,
    );
  }
  let config: unknown;
  try {
    config = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    throw invalid("is not JSON");
  }
  if (!isObject(config)) throw invalid("is not a JSON object");
  const os = text(config["os"]);
  if (os !== "" && os.toLowerCase() !== "linux") {
    throw new TpullError(
      "IMAGE_OS_UNSUPPORTED",
      `the image is made for ${os}; a Linux data root holds Linux images only`,
    );
  }
  const rootfs = config["rootfs"];
  if (!isObject(rootfs)) {
    throw invalid(
      "has no rootfs",
      "It is not the config of a container image.",
    );
  }
  const listed = rootfs["diff_ids"] ?? [];
  if (!Array.isArray(listed)) throw invalid("has no list of diff IDs");
  if (listed.length > MAX_LAYERS) throw tooManyLayers(listed.length);
  const diffIds = listed.map((id, index) =>
    parseDiffId(id, `diff ID ${index + 1} of the image's config`),
  );
  checkLayers(diffIds);
  const history = config["history"] ?? [];
  if (!Array.isArray(history)) throw invalid("has a history that is no list");
  const filled = history.filter(
    (step) => !(isObject(step) && step["empty_layer"] === true),
  ).length;
  if (filled > diffIds.length) {
    throw invalid(
      `has ${counted(filled, "history step")} with a layer but ${counted(diffIds.length, "layer")}`,
    );
  }
  const variant = text(config["variant"]);
  const osVersion = text(config["os.version"]);
  return {
    os: os === "" ? "linux" : os.toLowerCase(),
    architecture: text(config["architecture"]),
    ...(variant === "" ? {} : { variant }),
    ...(osVersion === "" ? {} : { osVersion }),
    diffIds,
  };
}

/** An image that no overlay2 store takes. */
export function tooManyLayers(count: number): TpullError {
  return new TpullError(
    "TOO_MANY_LAYERS",
    `the image has ${count} layers; docker's overlay2 store takes at most ${MAX_LAYERS}`,
    { hint: "Ask its publisher for a squashed image." },
  );
}
