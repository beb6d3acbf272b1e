/** The config of an image as dockerd declares it, which decides what it loads and what it shows. */
import {
  type Decoder,
  flag,
  integer,
  list,
  map,
  optional,
  struct,
  text,
  TypeMismatch,
} from "./go-decode.js";
import { type GoTime, parseRfc3339 } from "./go-time.js";

/** How a container is checked (`HEALTHCHECK`). Times in nanoseconds. */
export interface Healthcheck {
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  readonly startInterval: number;
  readonly retries: number;
}

/** What a container of the image runs with. Of missing members it has the zero. */
export interface RunConfig {
  readonly user: string;
  readonly exposedPorts: ReadonlyMap<string, unknown>;
  readonly env: readonly string[];
  readonly cmd: readonly string[];
  readonly healthcheck: Healthcheck | undefined;
  readonly argsEscaped: boolean;
  readonly volumes: ReadonlyMap<string, unknown>;
  readonly workingDir: string;
  readonly entrypoint: readonly string[];
  readonly onBuild: readonly string[];
  readonly labels: ReadonlyMap<string, string>;
  readonly stopSignal: string;
  readonly shell: readonly string[];
}

/** One step of how the image was made. */
export interface HistoryEntry {
  readonly created: GoTime | undefined;
  readonly createdBy: string;
  readonly comment: string;
  readonly emptyLayer: boolean;
}

export interface DockerImage {
  readonly created: GoTime | undefined;
  readonly comment: string;
  readonly author: string;
  readonly dockerVersion: string;
  readonly architecture: string;
  readonly variant: string;
  /** As the config has it; empty where it names none, which means this system's. */
  readonly os: string;
  readonly osVersion: string;
  readonly config: RunConfig | undefined;
  readonly rootfs:
    { readonly type: string; readonly diffIds: readonly string[] } | undefined;
  readonly history: readonly HistoryEntry[];
}

const time: Decoder<GoTime> = (json) => {
  const read = typeof json === "string" ? parseRfc3339(json) : undefined;
  if (read === undefined) throw new TypeMismatch("not a time");
  return read;
};

/** A list of words, for which a single one may stand. */
const words: Decoder<readonly string[]> = (json) =>
  typeof json === "string" ? [json] : list(text)(json);

/** A set, written as an object of empty objects. */
const set: Decoder<ReadonlyMap<string, unknown>> = map(struct({}));

const healthcheck: Decoder<Healthcheck> = struct({
  test: ["Test", list(text)],
  interval: ["Interval", integer],
  timeout: ["Timeout", integer],
  startPeriod: ["StartPeriod", integer],
  startInterval: ["StartInterval", integer],
  retries: ["Retries", integer],
});

/** With the members that nothing is made of: dockerd refuses them, too, when they have the wrong type. */
const runConfig: Decoder<RunConfig> = struct({
  hostname: ["Hostname", text],
  domainname: ["Domainname", text],
  user: ["User", text],
  attachStdin: ["AttachStdin", flag],
  attachStdout: ["AttachStdout", flag],
  attachStderr: ["AttachStderr", flag],
  exposedPorts: ["ExposedPorts", set],
  tty: ["Tty", flag],
  openStdin: ["OpenStdin", flag],
  stdinOnce: ["StdinOnce", flag],
  env: ["Env", list(text)],
  cmd: ["Cmd", words],
  healthcheck: ["Healthcheck", optional(healthcheck)],
  argsEscaped: ["ArgsEscaped", flag],
  image: ["Image", text],
  volumes: ["Volumes", set],
  workingDir: ["WorkingDir", text],
  entrypoint: ["Entrypoint", words],
  networkDisabled: ["NetworkDisabled", flag],
  macAddress: ["MacAddress", text],
  onBuild: ["OnBuild", list(text)],
  labels: ["Labels", map(text)],
  stopSignal: ["StopSignal", text],
  stopTimeout: ["StopTimeout", integer],
  shell: ["Shell", words],
});

const historyEntry: Decoder<HistoryEntry> = struct({
  created: ["created", optional(time)],
  createdBy: ["created_by", text],
  author: ["author", text],
  comment: ["comment", text],
  emptyLayer: ["empty_layer", flag],
});

const image: Decoder<DockerImage> = struct({
  id: ["id", text],
  parent: ["parent", text],
  comment: ["comment", text],
  created: ["created", optional(time)],
  container: ["container", text],
  containerConfig: ["container_config", runConfig],
  dockerVersion: ["docker_version", text],
  author: ["author", text],
  config: ["config", optional(runConfig)],
  architecture: ["architecture", text],
  variant: ["variant", text],
  os: ["os", text],
  size: ["Size", integer],
  rootfs: [
    "rootfs",
    optional(
      struct({ type: ["type", text], diffIds: ["diff_ids", list(text)] }),
    ),
  ],
  history: ["history", list(historyEntry)],
  osVersion: ["os.version", text],
  osFeatures: ["os.features", list(text)],
});

/** Reads a config's JSON; undefined where dockerd could not. */
export function readDockerImage(json: unknown): DockerImage | undefined {
  try {
    return image(json);
  } catch (error) {
    if (error instanceof TypeMismatch) return undefined;
    throw error;
  }
}
