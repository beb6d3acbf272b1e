/**
 * Platforms of images: which one is wanted, as asked for or as this machine is,
 * and which entry of an index serves it.
 */
import os from "node:os";
import { TpullError } from "../store/errors.js";
import { amd64Level, armVariant, readCpuInfo } from "./cpu-level.js";
import {
  DEFAULT_OS,
  KNOWN_ARCHITECTURES,
  KNOWN_SYSTEMS,
  normalizePlatform,
  type Platform,
} from "./platform-names.js";
import { characterName, quoted } from "../store/reference/printable.js";

export {
  choosePlatform,
  listPlatforms,
  platformMatches,
  platformName,
  platformOf,
  type PlatformEntry,
  type WirePlatform,
} from "./platform-choice.js";
export {
  formatPlatform,
  normalizePlatform,
  type Platform,
} from "./platform-names.js";

/**
 * Reads `os/arch`, `os/arch/variant`, or one word: an architecture (of linux)
 * or an operating system (on this machine's architecture, at its lowest level).
 * The os may carry a version and features, like `windows(10.0.20348+win32k)`.
 * Words that are not known are taken as they are in the longer forms, since an
 * index may hold any. The result is normalised.
 * @param host stands in for this machine's platform
 * @throws TpullError `PLATFORM_INVALID`
 */
export function parsePlatform(
  text: string,
  host: () => Platform = hostPlatform,
): Platform {
  const shown = typeof text === "string" ? quoted(text) : typeof text;
  const fail = (problem: string, hint = PLATFORM_FORM): TpullError =>
    new TpullError(
      "PLATFORM_INVALID",
      `invalid platform ${shown}: ${problem}`,
      { hint },
    );
  if (typeof text !== "string") throw fail("it is not a string");
  if (text === "") throw fail("it is empty");
  const foreign = /[^A-Za-z0-9_.%+()/-]/u.exec(text);
  if (foreign !== null) {
    throw fail(
      `${characterName(foreign[0])} at position ${foreign.index + 1} cannot be part of a platform`,
      foreign[0] === "," ? "Name one platform only." : PLATFORM_FORM,
    );
  }
  const parts = text.split("/");
  if (parts.includes("")) throw fail('a part is missing beside a "/"');
  const [first = "", architecture, variant] = parts;
  if (parts.length > 3) throw fail(`it has ${parts.length} parts`);
  const system = parseSystem(first);
  if (typeof system === "string") throw fail(system);
  for (const part of parts.slice(1)) {
    const wrong = /[^A-Za-z0-9_.-]/.exec(part);
    if (wrong !== null) throw fail(`${quoted(part)} has "${wrong[0]}" in it`);
  }

  if (architecture === undefined) {
    const asSystem = normalizePlatform({ ...system, architecture: "" });
    if (KNOWN_SYSTEMS.has(asSystem.os)) {
      return normalizePlatform({ ...system, ...lowestOf(host()) });
    }
    const asArchitecture = normalizePlatform({ os: "", architecture: first });
    if (KNOWN_ARCHITECTURES.has(asArchitecture.architecture)) {
      return asArchitecture;
    }
    throw fail("it is neither an operating system nor an architecture");
  }
  const swapped = normalizePlatform({ os: architecture, architecture: first });
  if (
    KNOWN_SYSTEMS.has(swapped.os) &&
    KNOWN_ARCHITECTURES.has(swapped.architecture)
  ) {
    throw fail(
      "the operating system comes first",
      `Did you mean ${swapped.os}/${swapped.architecture}?`,
    );
  }
  return normalizePlatform({
    ...system,
    architecture,
    ...(variant === undefined ? {} : { variant }),
  });
}

const PLATFORM_FORM =
  "A platform is os/arch[/variant], like linux/amd64 or linux/arm/v7.";

/** Splits `os(version+feature+…)`; returns the problem if it has another form. */
function parseSystem(
  text: string,
): Pick<Platform, "os" | "osVersion" | "osFeatures"> | string {
  const match = /^([A-Za-z0-9_-]+)(?:\(([^()+]*)((?:\+[^()+]*)*)\))?$/.exec(
    text,
  );
  if (match === null) {
    return `${quoted(text)} is not the name of an operating system`;
  }
  const [, name = "", version = "", features = ""] = match;
  const options = [version, ...features.split("+").slice(1)];
  if (options.includes("", 1)) return "an os feature is empty";
  const decoded = options.map(decodeOption);
  const broken = decoded.indexOf(undefined);
  if (broken >= 0) {
    return `${quoted(options[broken] ?? "")} is not properly percent-encoded`;
  }
  const [osVersion = "", ...osFeatures] = decoded as string[];
  return { os: name, osVersion, osFeatures };
}

/** Undefined for what is not UTF-8 in percent-encoding, or would garble a message. */
function decodeOption(text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text);
    return /\p{Cc}/u.test(decoded) ? undefined : decoded;
  } catch {
    return undefined;
  }
}

/** For arm the variant is part of what can run at all; a level of amd64 is only asked for by name. */
function lowestOf(host: Platform): Pick<Platform, "architecture" | "variant"> {
  const { architecture, variant } = host;
  return architecture === "arm" && variant !== undefined
    ? { architecture, variant }
    : { architecture };
}

/** Facts about a machine; each has this machine's value by default. */
export interface HostFacts {
  /** In Node's words (`x64`). */
  readonly architecture?: string;
  readonly endianness?: "BE" | "LE";
  /** As `uname -m` says. */
  readonly machine?: string;
  /** Text of /proc/cpuinfo. */
  readonly cpuInfo?: string;
}

/** Node's words for architectures where Go has others. */
const GO_ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ["x64", "amd64"],
  ["ia32", "386"],
  ["mipsel", "mipsle"],
]);

/**
 * The platform whose images run best here: `linux`, whatever this system is,
 * the architecture, and for amd64 the micro-architecture level (`v2` to `v4`),
 * for arm the version. {@link choosePlatform} falls back from there.
 */
export function hostPlatform(facts: HostFacts = {}): Platform {
  const node = facts.architecture ?? process.arch;
  const endianness = facts.endianness ?? os.endianness();
  const architecture =
    node === "ppc64" && endianness === "LE"
      ? "ppc64le"
      : (GO_ARCHITECTURES.get(node) ?? node);
  const variant = hostVariant(architecture, facts);
  return normalizePlatform({
    os: DEFAULT_OS,
    architecture,
    ...(variant === undefined ? {} : { variant }),
  });
}

function hostVariant(
  architecture: string,
  facts: HostFacts,
): string | undefined {
  if (architecture === "amd64") {
    return `v${amd64Level(facts.cpuInfo ?? readCpuInfo())}`;
  }
  if (architecture !== "arm") return undefined;
  return armVariant(
    facts.cpuInfo ?? readCpuInfo(),
    facts.machine ?? os.machine(),
  );
}
