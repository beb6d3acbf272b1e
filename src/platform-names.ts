/**
 * Platforms and the names of their parts: the one spelling that can be compared
 * and the one that people read. The rules are those of
 * github.com/containerd/platforms, which docker uses, too.
 */

/** os and architecture in Go's words (`linux`, `amd64`). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Absent for the commonest one of an architecture: amd64/v1, arm64/v8. */
  readonly variant?: string;
  /** Build of Windows, e.g. `10.0.20348.2461`. */
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}

/** Where dockerd runs, its images run, too: on other systems that is a virtual machine with Linux. */
export const DEFAULT_OS = "linux";

export const KNOWN_SYSTEMS: ReadonlySet<string> = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos".split(
    " ",
  ),
);
export const KNOWN_ARCHITECTURES: ReadonlySet<string> = new Set(
  "386 amd64 amd64p32 arm arm64 arm64be armbe loong64 mips mips64 mips64le mips64p32 mips64p32le mipsle ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm".split(
    " ",
  ),
);

/** Spellings of an architecture, and the variant that some of them imply. */
const ARCHITECTURE_ALIASES: ReadonlyMap<string, readonly [string, string?]> =
  new Map<string, readonly [string, string?]>([
    ["aarch64", ["arm64"]],
    ["x86_64", ["amd64"]],
    ["x86-64", ["amd64"]],
    ["i386", ["386", ""]],
    ["armhf", ["arm", "v7"]],
    ["armel", ["arm", "v6"]],
  ]);
/** Spellings of `architecture/variant`; the empty variant is the common one. */
const VARIANT_ALIASES: ReadonlyMap<string, string> = new Map([
  ["amd64/v1", ""],
  ["arm64/8", ""],
  ["arm64/v8", ""],
  ["arm64/v8.0", ""],
  ["arm64/9", "v9"],
  ["arm64/9.0", "v9"],
  ["arm64/v9.0", "v9"],
  ["arm/", "v7"],
  ["arm/5", "v5"],
  ["arm/6", "v6"],
  ["arm/7", "v7"],
  ["arm/8", "v8"],
]);

/**
 * The one spelling of a platform: lower case, aliases replaced, the variant of
 * arm always there and that of amd64/v1 and arm64/v8 never. An os that is
 * missing is `linux`. Frozen.
 */
export function normalizePlatform(platform: Platform): Platform {
  const system = platform.os.toLowerCase() || DEFAULT_OS;
  const alias = ARCHITECTURE_ALIASES.get(platform.architecture.toLowerCase());
  const architecture = alias?.[0] ?? platform.architecture.toLowerCase();
  const written = alias?.[1] ?? (platform.variant ?? "").toLowerCase();
  const variant = VARIANT_ALIASES.get(`${architecture}/${written}`) ?? written;
  const features = [...new Set(platform.osFeatures)].filter((f) => f !== "");
  return Object.freeze({
    os: system === "macos" ? "darwin" : system,
    architecture,
    ...(variant === "" ? {} : { variant }),
    ...(platform.osVersion ? { osVersion: platform.osVersion } : {}),
    ...(features.length > 0
      ? { osFeatures: Object.freeze(features.sort()) }
      : {}),
  });
}

/**
 * `os/arch[/variant]` as it stands in the platform, e.g. `linux/arm/v7`; the os
 * with its version and features where it has any: `windows(10.0.20348)/amd64`.
 * parsePlatform reads all of it back.
 */
export function formatPlatform(platform: Platform): string {
  const options = [
    platform.osVersion ?? "",
    ...(platform.osFeatures ?? []).filter((feature) => feature !== ""),
  ];
  const system = platform.os || DEFAULT_OS;
  const withOptions = options.some((option) => option !== "")
    ? `${system}(${options.map(encodeOption).join("+")})`
    : system;
  return [withOptions, platform.architecture, platform.variant ?? ""]
    .filter((part) => part !== "")
    .join("/");
}

/** Percent-encoded, but for what may stand between the parentheses. */
function encodeOption(text: string): string {
  return text.replace(/[^\w.-]/gu, (character) =>
    Buffer.from(character).toString("hex").toUpperCase().replace(/../g, "%$&"),
  );
}
