/** All that dockerd tells of an image. */
import { realpathSync } from "node:fs";
import { type ImageId, shortId } from "../digest.js";
import { TpullError } from "../errors.js";
import { isAbsent } from "../io-error.js";
import type { Store } from "../store.js";
import type { Damage } from "./damage.js";
import type { Healthcheck, RunConfig } from "./docker-image.js";
import { findImage } from "./find-image.js";
import {
  formatRfc3339Nano,
  type GoTime,
  parseRfc3339,
  ZERO_TIME,
} from "./go-time.js";
import { type OverlayDirectories, overlayDirectories } from "./graph-driver.js";
import { type StoredImage, type Survey, surveyed } from "./survey.js";

/**
 * An image as the Engine API gives it (`GET /images/{name}/json`, version 1.51,
 * of a daemon with the storage driver overlay2): members, names and order are
 * docker's. Members that are left out there when they are empty may be missing.
 */
export interface InspectedImage {
  readonly Id: ImageId;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  /** The image it was built from, where docker noted one; else empty. */
  readonly Parent: string;
  readonly Comment: string;
  /** RFC 3339, up to nanoseconds. */
  readonly Created?: string;
  readonly DockerVersion: string;
  readonly Author: string;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly Os: string;
  readonly OsVersion?: string;
  /** Bytes of the files of all layers. */
  readonly Size: number;
  readonly GraphDriver: {
    /** `null` for an image without layers. */
    readonly Data: OverlayDirectories | null;
    readonly Name: "overlay2";
  };
  readonly RootFS: {
    readonly Type?: string;
    /** Diff IDs, base first. */
    readonly Layers?: readonly string[];
  };
  readonly Metadata: {
    /** When `docker tag`, `load` or `import` last named it; the year 1 where none did. */
    readonly LastTagTime: string;
  };
  readonly Config: InspectedConfig;
}

/** What a container of the image runs with. */
export interface InspectedConfig {
  readonly ArgsEscaped?: boolean;
  readonly Cmd: readonly string[] | null;
  readonly Entrypoint: readonly string[] | null;
  readonly Env: readonly string[] | null;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Healthcheck?: InspectedHealthcheck;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly OnBuild: readonly string[] | null;
  readonly Shell?: readonly string[];
  readonly StopSignal?: string;
  readonly User: string;
  readonly Volumes: Readonly<Record<string, object>> | null;
  readonly WorkingDir: string;
}

/** Times in nanoseconds. */
export interface InspectedHealthcheck {
  readonly Interval?: number;
  readonly Retries?: number;
  readonly StartInterval?: number;
  readonly StartPeriod?: number;
  readonly Test?: readonly string[];
  readonly Timeout?: number;
}

/**
 * Says what is known of an image, as `docker image inspect` does. (moby 28.5,
 * daemon/images/image_inspect.go and api/server/router/image/inspect_response.go.)
 * @param name a reference, an image ID, or the beginning of one
 * @throws TpullError `IMAGE_NOT_FOUND`, `IMAGE_ID_AMBIGUOUS`, `IMAGE_DAMAGED`,
 *   `ROOT_NOT_READABLE`, `STORE_IO_FAILED`
 */
export async function inspectImage(
  store: Store,
  name: string,
): Promise<{
  readonly image: InspectedImage;
  /** What else was found damaged on the way. */
  readonly damage: readonly Damage[];
}> {
  const { result, damage } = await surveyed(store, (survey) =>
    inspected(survey, name),
  );
  return { image: result, damage };
}

/** The same from a look that is being taken. */
export function inspected(survey: Survey, name: string): InspectedImage {
  const { image: stored } = findImage(survey, name);
  const { config, id, layers } = stored;
  const { image } = config;
  const comment = image.comment || image.history.at(-1)?.comment || "";
  return {
    Id: id,
    RepoTags: stored.tags,
    RepoDigests: stored.digests,
    Parent: stored.parent ?? "",
    Comment: comment,
    ...(image.created && { Created: formatRfc3339Nano(image.created) }),
    DockerVersion: image.dockerVersion,
    Author: image.author,
    Architecture: image.architecture,
    ...(image.variant && { Variant: image.variant }),
    Os: image.os || "linux",
    ...(image.osVersion && { OsVersion: image.osVersion }),
    Size: stored.size,
    GraphDriver: { Data: driverData(survey, stored), Name: "overlay2" },
    RootFS: {
      ...(image.rootfs?.type && { Type: image.rootfs.type }),
      ...(layers.length > 0 && { Layers: config.diffIds }),
    },
    Metadata: { LastTagTime: formatRfc3339Nano(lastTagTime(survey, id)) },
    Config: inspectedConfig(image.config),
  };
}

function driverData(
  survey: Survey,
  { id, tags, digests, layers }: StoredImage,
): OverlayDirectories | null {
  const top = layers.at(-1);
  if (top === undefined) return null;
  const root = resolved(survey.layout.root);
  const directories = overlayDirectories(root, top);
  if (directories !== undefined) return directories;
  const names = [...tags, ...digests];
  const image = names[0] ?? shortId(id);
  const message = `the image ${image} is damaged: the files of a layer are not where overlay2 looks for them`;
  survey.damage.push({ code: "LAYER_MISSING", message, imageId: id, names });
  throw new TpullError("IMAGE_DAMAGED", message, {
    hint: "'tpull verify' says more, and 'tpull verify --repair' mends what can be mended.",
    details: { image },
  });
}

/** dockerd resolves the root once, when it starts. */
function resolved(root: string): string {
  try {
    return realpathSync(root);
  } catch (error) {
    if (isAbsent(error)) return root;
    throw error;
  }
}

function lastTagTime(survey: Survey, id: ImageId): GoTime {
  const noted = survey.metadata(id, "lastUpdated") ?? "";
  return parseRfc3339(noted) ?? ZERO_TIME;
}

const NO_CONFIG: InspectedConfig = {
  Cmd: null,
  Entrypoint: null,
  Env: null,
  Labels: null,
  OnBuild: null,
  User: "",
  Volumes: null,
  WorkingDir: "",
};

/** Of what is empty only those members are there that always were. */
function inspectedConfig(config: RunConfig | undefined): InspectedConfig {
  if (config === undefined) return NO_CONFIG;
  const { exposedPorts, healthcheck, shell, stopSignal, volumes } = config;
  return {
    ...(config.argsEscaped && { ArgsEscaped: true }),
    Cmd: unlessEmpty(config.cmd),
    Entrypoint: unlessEmpty(config.entrypoint),
    Env: unlessEmpty(config.env),
    ...(exposedPorts.size > 0 && { ExposedPorts: setOf(exposedPorts) }),
    ...(healthcheck && { Healthcheck: inspectedHealthcheck(healthcheck) }),
    Labels: config.labels.size === 0 ? null : Object.fromEntries(config.labels),
    OnBuild: unlessEmpty(config.onBuild),
    ...(shell.length > 0 && { Shell: shell }),
    ...(stopSignal && { StopSignal: stopSignal }),
    User: config.user,
    Volumes: volumes.size === 0 ? null : setOf(volumes),
    WorkingDir: config.workingDir,
  };
}

function inspectedHealthcheck(check: Healthcheck): InspectedHealthcheck {
  return {
    ...(check.interval !== 0 && { Interval: check.interval }),
    ...(check.retries !== 0 && { Retries: check.retries }),
    ...(check.startInterval !== 0 && { StartInterval: check.startInterval }),
    ...(check.startPeriod !== 0 && { StartPeriod: check.startPeriod }),
    ...(check.test.length > 0 && { Test: check.test }),
    ...(check.timeout !== 0 && { Timeout: check.timeout }),
  };
}

function unlessEmpty(list: readonly string[]): readonly string[] | null {
  return list.length === 0 ? null : list;
}

/** A set, as docker writes one. */
function setOf(keys: ReadonlyMap<string, unknown>): Record<string, object> {
  return Object.fromEntries([...keys.keys()].map((key) => [key, {}]));
}
