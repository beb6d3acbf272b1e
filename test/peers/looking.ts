/** What docker and tpull say of one root, made comparable where versions of docker differ. */
import { expect } from "vitest";
import type { Dockerd } from "../helpers/dockerd.js";
import { tpull } from "../helpers/tpull-cli.js";

export interface Versions {
  /** Of the command line, as 28.02. */
  readonly client: number;
  readonly server: number;
}

export async function versionsOf(dockerd: Dockerd): Promise<Versions> {
  const format = "{{.Client.Version}} {{.Server.Version}}";
  const [client = 0, server = 0] = (
    await dockerd.docker(["version", "--format", format])
  )
    .split(" ")
    .map((version) => {
      const [major = 0, minor = 0] = version.split(".").map(Number.parseFloat);
      return major + minor / 100;
    });
  return { client, server };
}

/** Both answers to one command line, and how they ended. */
export async function ask(
  dockerd: Dockerd,
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<Record<"docker" | "tpull", { text: string; code: number | null }>> {
  const docker = await dockerd.tryDocker(words, { env });
  const root = ["--root", dockerd.dataRoot];
  const ours = await tpull([...words, ...root], { env });
  return {
    docker: { text: docker.stdout, code: docker.code },
    tpull: { text: ours.stdout, code: ours.code },
  };
}

/** Expects the same bytes. `ordered: false` where docker itself has no order. */
export async function expectSame(
  dockerd: Dockerd,
  words: readonly string[],
  {
    env = {},
    ordered = true,
  }: {
    readonly env?: Record<string, string>;
    readonly ordered?: boolean;
  } = {},
): Promise<string> {
  const { docker, tpull: ours } = await ask(dockerd, words, env);
  const shown = ({ text, code }: typeof docker) => ({
    command: words.join(" "),
    code,
    text: withoutFreshAges(ordered ? text : sortedLines(text)),
  });
  expect(shown(ours)).toEqual(shown(docker));
  return docker.text;
}

function sortedLines(text: string): string {
  return text.split("\n").sort().join("\n");
}

const FRESH_AGE =
  /(?:Less than a second|About a minute|\d+ (?:second|minute)s?) ago/g;

/** Ages of what was made during the test change between one answer and the next, and columns with them. */
function withoutFreshAges(text: string): string {
  const masked = text.replaceAll(FRESH_AGE, "now");
  return masked === text ? text : masked.replaceAll(/ {2,}/g, "  ");
}

type Json = Record<string, unknown>;

/** Members of a container's config that images do not have any more. */
const OF_CONTAINERS: readonly string[] = [
  "Hostname",
  "Domainname",
  "AttachStdin",
  "AttachStdout",
  "AttachStderr",
  "Tty",
  "OpenStdin",
  "StdinOnce",
  "Image",
  "MacAddress",
  "NetworkDisabled",
  "StopTimeout",
];

/** Members of an image that newer versions do not give. */
const OF_OLD_VERSIONS = ["Container", "ContainerConfig", "VirtualSize"];

function without(object: Json, names: readonly string[]): Json {
  const kept = Object.entries(object).filter(([name]) => !names.includes(name));
  return Object.fromEntries(kept);
}

/**
 * An inspected image as both old and new versions of docker would give it: of
 * what is empty nothing, and no date where there is none.
 */
export function comparable(image: Json): Json {
  const { Config, ...rest } = without(image, OF_OLD_VERSIONS);
  const { Healthcheck, ...config } = (Config ?? {}) as Json;
  const kept = Object.entries(config).filter(
    ([key, value]) => !OF_CONTAINERS.includes(key) && !isEmpty(value),
  );
  const { Created = ZERO_TIME } = rest;
  const { Type, ...rootfs } = rest["RootFS"] as Json;
  return {
    ...rest,
    Created,
    RootFS: isEmpty(Type) ? rootfs : { ...rootfs, Type },
    Config: Object.fromEntries(kept),
    Healthcheck,
  };
}

const ZERO_TIME = "0001-01-01T00:00:00Z";

function isEmpty(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    value === "" ||
    (typeof value === "object" && Object.keys(value).length === 0)
  );
}
