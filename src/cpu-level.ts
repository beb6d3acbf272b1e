/**
 * What this machine's processor can run, as image variants name it: the x86-64
 * micro-architecture levels and the versions of the ARM instruction set. The
 * facts come from `/proc/cpuinfo`, which lists only what the kernel lets
 * programs use.
 */
import { closeSync, openSync, readSync } from "node:fs";

/**
 * Flags that each level adds, by Linux' names (x86-64 psABI, "Micro-Architecture
 * Levels"): `pni` is SSE3, `abm` is LZCNT.
 */
const LEVEL_FLAGS: readonly (readonly [number, readonly string[]])[] = [
  [2, ["cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"]],
  [3, ["abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"]],
  [4, ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]],
];

/** One processor's entry fits in here many times; machines with hundreds of them have long files. */
const ENOUGH_BYTES = 16_384;

/** The beginning of `/proc/cpuinfo`, empty where there is none. */
export function readCpuInfo(path = "/proc/cpuinfo"): string {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const buffer = Buffer.alloc(ENOUGH_BYTES);
    let length = 0;
    let read = -1;
    while (length < buffer.length && read !== 0) {
      read = readSync(file, buffer, length, buffer.length - length, null);
      length += read;
    }
    return buffer.toString("latin1", 0, length);
  } catch {
    return "";
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Level 1 to 4 of an x86-64 processor; 1, which all of them have, if nothing is known. */
export function amd64Level(cpuInfo: string): number {
  const flags = new Set(field(cpuInfo, "flags")?.split(/\s+/));
  let level = 1;
  for (const [next, needed] of LEVEL_FLAGS) {
    if (!needed.every((flag) => flags.has(flag))) break;
    level = next;
  }
  return level;
}

/**
 * `v3` to `v8` for an ARM processor, undefined if nothing is known.
 * @param machine as `uname -m` says, for emulators that show the CPU of their host
 */
export function armVariant(
  cpuInfo: string,
  machine: string,
): string | undefined {
  const claimed = field(cpuInfo, "cpu architecture");
  if (claimed === undefined) {
    if (/^(?:aarch64|arm64)/i.test(machine)) return "v8";
    return /^arm(v[3-8])/i.exec(machine)?.[1]?.toLowerCase();
  }
  if (/^aarch64$/i.test(claimed)) return "v8";
  // The kernel numbers its own revisions of version 7 from 12 on.
  if (/^\?\(1[2-7]\)$/.test(claimed)) return "v7";
  const version = /^([3-8])(?:T|TE|TEJ|M)?$/i.exec(claimed)?.[1];
  if (version === undefined) return undefined;
  // The first Raspberry Pi claims version 7 for its ARMv6 core.
  const model = field(cpuInfo, "model name") ?? "";
  if (version === "7" && /^armv6-compatible/i.test(model)) return "v6";
  return `v${version}`;
}

/** Value of the first line `name : value`, whatever the letters' case. */
function field(cpuInfo: string, name: string): string | undefined {
  for (const line of cpuInfo.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    if (line.slice(0, colon).trim().toLowerCase() !== name) continue;
    return line.slice(colon + 1).trim();
  }
  return undefined;
}
