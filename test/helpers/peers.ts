/**
 * Which real programs this machine has to compare with. Tests against them are
 * skipped, by name and with the reason printed, where one is missing; with
 * `TPULL_REQUIRE_PEERS=1` in the environment a missing one fails instead.
 */
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, it } from "vitest";

export type Peer =
  | "apt-get"
  | "bash"
  | "busybox"
  | "containerd"
  | "ctr"
  | "curl"
  | "docker"
  | "docker-registry"
  | "dockerd"
  | "dpkg-deb"
  | "fish"
  | "igzip"
  | "ip"
  | "mkfs.ext4"
  | "nginx"
  | "podman"
  | "python3"
  | "setfattr"
  | "skopeo"
  | "unpigz"
  | "zsh"
  | "zstd";

/** Daemons live in the sbin folders, which an ordinary user's PATH lacks. */
const SEARCH_PATH: readonly string[] = [
  ...new Set([
    ...(process.env["PATH"] ?? "").split(delimiter).filter(Boolean),
    "/usr/local/sbin",
    "/usr/sbin",
    "/sbin",
  ]),
];

/** PATH for children: the search path above, so that dockerd finds containerd and iptables. */
export const PEER_PATH: string = SEARCH_PATH.join(delimiter);

/** Whole path of a program, or undefined where this machine lacks it. */
export function findPeer(peer: Peer): string | undefined {
  for (const folder of SEARCH_PATH) {
    const path = join(folder, peer);
    try {
      accessSync(path, constants.X_OK);
      if (!statSync(path).isFile()) continue;
    } catch {
      continue;
    }
    if (peer !== "busybox" || isStatic(path)) return path;
  }
  return undefined;
}

/** Whole path of a program that a test has declared to need. */
export function requirePeer(peer: Peer): string {
  const path = findPeer(peer);
  if (path === undefined) throw new Error(`${peer} is not installed`);
  return path;
}

/** A busybox that needs a dynamic loader cannot run in an image of its own. */
function isStatic(path: string): boolean {
  return !readFileSync(path).includes("/ld-");
}

export interface Needs {
  /** Whether the tests need uid 0 on Linux (a daemon, a mount, foreign owners). */
  readonly root?: boolean;
  /** Further reasons this machine cannot run the tests, found by the caller. */
  readonly reasons?: readonly string[];
}

/** What this machine lacks for the given programs; empty when nothing. */
export function missingFor(
  peers: readonly Peer[],
  needs: Needs = {},
): string[] {
  const missing: string[] = peers.filter((p) => findPeer(p) === undefined);
  if (needs.root && (process.platform !== "linux" || process.getuid?.() !== 0))
    missing.push("root on Linux");
  return [...missing, ...(needs.reasons ?? [])];
}

/** Whether a missing peer is a failure rather than a reason to skip. */
export function peersRequired(): boolean {
  return process.env["TPULL_REQUIRE_PEERS"] === "1";
}

/**
 * `describe`, for tests that need real programs. `body` runs at collection
 * time as any suite's does, also when it is skipped (so that the skipped tests
 * are counted and named): it must not start anything outside of hooks.
 */
export function describeWithPeers(
  name: string,
  peers: readonly Peer[],
  needs: Needs,
  body: () => void,
): void {
  const missing = missingFor(peers, needs);
  if (missing.length === 0) {
    describe(name, body);
    return;
  }
  const reason = `needs ${missing.join(", ")}`;
  if (peersRequired()) {
    describe(name, () => {
      it("has the programs it needs", () => {
        throw new Error(`TPULL_REQUIRE_PEERS=1, and "${name}" ${reason}`);
      });
    });
    return;
  }
  console.warn(`skipped: "${name}" ${reason}`);
  describe.skip(`${name} (${reason})`, body);
}
