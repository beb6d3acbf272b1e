/**
 * Which entries of an index run on a platform, best first. The order is that of
 * github.com/containerd/platforms (`Only`) as dockerd applies it to the lists
 * it pulls.
 */
import {
  formatPlatform,
  normalizePlatform,
  type Platform,
} from "./platform-names.js";
import { printable } from "../store/reference/printable.js";

/**
 * A platform as registries write it, in an index's descriptor or at the top of
 * an image's config. Nothing about its values is taken for granted.
 */
export interface WirePlatform {
  readonly os?: unknown;
  readonly architecture?: unknown;
  readonly variant?: unknown;
  readonly "os.version"?: unknown;
  readonly "os.features"?: unknown;
}

export interface PlatformEntry {
  readonly platform?: WirePlatform | null | undefined;
}

/**
 * The entries that run on `wanted`, most suitable first; equals keep the order
 * of the index. Lesser variants count (amd64/v3 runs v2, v1 and 386; arm64 runs
 * arm), entries without a platform come last, `unknown` ones (attestations)
 * never; of the Windows builds that fit one asked for, the newest is first.
 * Empty when there is none. The caller takes the first that is an image.
 */
export function choosePlatform<Entry extends PlatformEntry>(
  entries: readonly Entry[],
  wanted: Platform,
): Entry[] {
  const runnable = runnablePlatforms(wanted);
  const newestBuild = runnable[0]?.os === "windows" && !!wanted.osVersion;
  const ranked: { entry: Entry; rank: number; platform?: Platform }[] = [];
  for (const entry of entries) {
    const written = readPlatform(entry.platform);
    if (written === undefined) {
      ranked.push({ entry, rank: runnable.length });
      continue;
    }
    const platform = normalizePlatform(written);
    const rank = runnable.findIndex((candidate) => fits(platform, candidate));
    if (rank >= 0) ranked.push({ entry, rank, platform });
  }
  ranked.sort(
    (a, b) =>
      a.rank - b.rank ||
      featureCount(b.platform) - featureCount(a.platform) ||
      (newestBuild ? build(b.platform) - build(a.platform) : 0),
  );
  return ranked.map(({ entry }) => entry);
}

/**
 * Whether a single image (one that no index names) runs on `wanted`, by what
 * its config says. Where the config leaves the variant out, as older builders
 * did, os and architecture decide; where it names no architecture, the os.
 */
export function platformMatches(
  config: WirePlatform,
  wanted: Platform,
): boolean {
  const written = readPlatform(config);
  if (written === undefined) return true;
  const platform = normalizePlatform(written);
  const runnable = runnablePlatforms(wanted);
  if (runnable.some((candidate) => fits(platform, candidate))) return true;
  if (written.variant || !sameSystem(platform, normalizePlatform(wanted))) {
    return false;
  }
  return (
    written.architecture === "" ||
    platform.architecture === normalizePlatform(wanted).architecture
  );
}

/**
 * The platforms that an index names, each once, in its order and spelling and
 * safe to show, for the error that says the wanted one is not there. Those of
 * attestations are left out.
 */
export function listPlatforms(entries: readonly PlatformEntry[]): string[] {
  const names = new Set<string>();
  for (const entry of entries) {
    const name = platformName(entry.platform);
    if (name !== undefined) names.add(name);
  }
  return [...names];
}

/** One platform in its own spelling, safe to show; undefined where none is named, and for `unknown` ones. */
export function platformName(
  wire: WirePlatform | null | undefined,
): string | undefined {
  const platform = readPlatform(wire);
  if (platform === undefined) return undefined;
  return isUnknown(normalizePlatform(platform))
    ? undefined
    : printable(formatPlatform(platform));
}

/** Normalised, as {@link choosePlatform} compares it; undefined where nothing is said. */
export function platformOf(
  wire: WirePlatform | null | undefined,
): Platform | undefined {
  const platform = readPlatform(wire);
  return platform && normalizePlatform(platform);
}

/** Undefined where nothing at all is said. The spelling stays. */
function readPlatform(
  wire: WirePlatform | null | undefined,
): Platform | undefined {
  if (typeof wire !== "object" || wire === null) return undefined;
  const features: unknown = wire["os.features"];
  const osFeatures = Array.isArray(features) ? features.map(text) : [];
  const platform = {
    os: text(wire.os),
    architecture: text(wire.architecture),
    variant: text(wire.variant),
    osVersion: text(wire["os.version"]),
  };
  const said = Object.values(platform).some((value) => value !== "");
  return said || osFeatures.length > 0
    ? { ...platform, osFeatures }
    : undefined;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** What attestations are filed under. */
function isUnknown({ os, architecture }: Platform): boolean {
  return os === "unknown" || architecture === "unknown";
}

/** What runs on a platform, best first, normalised. */
function runnablePlatforms(wanted: Platform): Platform[] {
  const { variant, ...base } = normalizePlatform(wanted);
  const all = runnableVariants(base.architecture, variant ?? "");
  return all.map(([architecture, variant]) =>
    normalizePlatform({ ...base, architecture, variant }),
  );
}

function runnableVariants(
  architecture: string,
  variant: string,
): [architecture: string, variant: string][] {
  const same = (variants: string[]): [string, string][] =>
    variants.map((one) => [architecture, one]);
  if (architecture === "amd64") {
    return [...same([variant, ...downFrom(variant, 1)]), ["386", ""]];
  }
  if (architecture === "arm") {
    return same([variant, ...downFrom(variant, 5)]);
  }
  if (architecture === "arm64") {
    const variants = arm64Variants(variant);
    // A variant nobody knows is no basis for saying what else would run.
    if (variants.length === 0) return same([variant]);
    return [...same(variants), ...runnableVariants("arm", "v8")];
  }
  return same([variant]);
}

/** `v7`, 5 → `v6`, `v5`. */
function downFrom(variant: string, lowest: number): string[] {
  const version = Number(/^v?(\d{1,2})$/.exec(variant)?.[1] ?? 0);
  const lesser: string[] = [];
  for (let next = version - 1; next >= lowest; next--) lesser.push(`v${next}`);
  return lesser;
}

/** Armv9.x contains all of Armv8.(x+5), as far as there are such versions. */
function arm64Variants(variant: string): string[] {
  const match = /^v([89])(?:\.(\d))?$/.exec(variant || "v8");
  if (match === null) return [];
  const minor = Number(match[2] ?? 0);
  if (match[1] === "8") return minors(8, minor);
  if (minor > 7) return [];
  return [...minors(9, minor), ...minors(8, Math.min(minor + 5, 9))];
}

function minors(major: number, highest: number): string[] {
  const variants: string[] = [];
  for (let minor = highest; minor > 0; minor--) {
    variants.push(`v${major}.${minor}`);
  }
  return [...variants, `v${major}`];
}

/** Both normalised. */
function fits(image: Platform, host: Platform): boolean {
  return (
    image.architecture === host.architecture &&
    image.variant === host.variant &&
    sameSystem(image, host)
  );
}

function sameSystem(image: Platform, host: Platform): boolean {
  return (
    !isUnknown(image) &&
    image.os === host.os &&
    featuresFit(image, host) &&
    (image.os !== "windows" || windowsFits(image.osVersion, host.osVersion))
  );
}

/** All that an image needs must be offered; `win32k` is never asked about. */
function featuresFit(image: Platform, host: Platform): boolean {
  const offered = new Set(host.osFeatures);
  if (host.os === "windows") offered.add("win32k");
  return (image.osFeatures ?? []).every((feature) => offered.has(feature));
}

/** Server releases whose containers the next such release still runs. */
const WINDOWS_LTSC_BUILDS = [20_348, 26_100];

/** A Windows container needs a host of its own build, or from 2022 on of the releases up to the next long-term one. */
function windowsFits(
  image: string | undefined,
  host: string | undefined,
): boolean {
  const [major, minor, build] = windowsVersion(host);
  if (image === undefined || major + minor + build === 0) return true;
  const [imageMajor, imageMinor, imageBuild] = windowsVersion(image);
  if (imageMajor !== major || imageMinor !== minor) return false;
  const [oldest = 0] = WINDOWS_LTSC_BUILDS;
  if (build < oldest) return imageBuild === build;
  const lowest =
    WINDOWS_LTSC_BUILDS.findLast((release) => release < build) ?? oldest;
  return lowest <= imageBuild && imageBuild <= build;
}

/** Zeros for what is no version of at least three numbers. */
function windowsVersion(version = ""): [number, number, number] {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\.|$)/.exec(version);
  if (match === null) return [0, 0, 0];
  return [Number(match[1]), Number(match[2]), Number(match[3])];
}

function featureCount(platform: Platform | undefined): number {
  return platform?.osFeatures?.length ?? 0;
}

function build(platform: Platform | undefined): number {
  return windowsVersion(platform?.osVersion)[2];
}
