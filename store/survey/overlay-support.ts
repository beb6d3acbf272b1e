/**
 * How this kernel's overlayfs would treat a root, as `docker info` says it.
 * dockerd finds out by mounting something in its data root; here nothing is
 * written, so that what the kernel's settings do not tell stays unknown.
 */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import type { Known } from "./filesystem.js";

export interface OverlaySupport {
  /** Whether dockerd may take a layer's directory for its changes (`Native Overlay Diff`). */
  readonly nativeDiff: Known<boolean>;
  /** Whether changed metadata alone is copied (`Using metacopy`). */
  readonly metacopy: Known<boolean>;
  /** Whether mounts need the option of that name, as in a user namespace. */
  readonly userxattr: Known<boolean>;
}

/** What decides. */
export interface KernelFacts {
  /** `6.1.0-18-amd64` */
  readonly release: string;
  /** Text of `/proc/filesystems`. */
  readonly filesystems: string;
  /** Text of `/proc/self/uid_map`. */
  readonly uidMap: string;
  /** Texts of files in `/sys/module/overlay/parameters`; undefined for one that is not there. */
  readonly redirectDir: string | undefined;
  readonly metacopy: string | undefined;
}

const WHOLE_HOST = /^\s*0\s+0\s+4294967295\s*$/;

/**
 * What follows from the kernel's settings. Redirected directories are what
 * speaks against the native diff (moby, graphdriver/overlay2/check.go); mounts
 * in a user namespace have none (kernel commit 2d2f2d7322ff, 5.11).
 */
export function overlaySupportOf(facts: KernelFacts): OverlaySupport {
  const isThere = /\toverlay$/m.test(facts.filesystems);
  if (!WHOLE_HOST.test(facts.uidMap)) {
    if (!isAtLeast(facts.release, 5, 11)) {
      // Distributions have made it work on older ones, in several ways.
      const unknown = "unknown";
      return { nativeDiff: unknown, metacopy: unknown, userxattr: unknown };
    }
    const nativeDiff = isThere ? true : "unknown";
    return { nativeDiff, metacopy: false, userxattr: true };
  }
  return {
    nativeDiff: nativeDiffOf(facts, isThere),
    metacopy: isAtLeast(facts.release, 4, 19)
      ? switchOf(facts.metacopy, isThere)
      : false,
    userxattr: false,
  };
}

function nativeDiffOf(
  { release, redirectDir }: KernelFacts,
  isThere: boolean,
): Known<boolean> {
  // Until then a copied directory could keep a mark it should have lost.
  if (!isThere || !isAtLeast(release, 4, 8)) return "unknown";
  if (!isAtLeast(release, 4, 10)) return true; // knows no redirects
  const redirects = switchOf(redirectDir, isThere);
  return redirects === "unknown" ? redirects : !redirects;
}

/** A setting of the module; unknown where it is not loaded. */
function switchOf(text: string | undefined, isThere: boolean): Known<boolean> {
  if (!isThere || text === undefined) return "unknown";
  return /^[Yy1]/.test(text);
}

function isAtLeast(release: string, major: number, minor: number): boolean {
  const [own = 0, second = 0] = release.split(/[.-]/).map(Number);
  return own > major || (own === major && second >= minor);
}

/** The same for the running kernel. */
export function overlaySupport(): OverlaySupport {
  const parameters = "/sys/module/overlay/parameters";
  return overlaySupportOf({
    release: release(),
    filesystems: read("/proc/filesystems") ?? "",
    uidMap: read("/proc/self/uid_map") ?? "",
    redirectDir: read(`${parameters}/redirect_dir`),
    metacopy: read(`${parameters}/metacopy`),
  });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
