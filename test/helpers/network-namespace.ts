/**
 * A machine's network for some programs only: a network namespace with nothing
 * but a loopback of its own. What runs in one reaches nothing outside of it, as
 * on the other side of an air gap. Files, and sockets that are files, are shared.
 */
import { spawnSync } from "node:child_process";
import { requirePeer } from "./peers.js";
import { runOk } from "./run.js";

let made = 0;

/** Why this machine makes no namespaces, as containers without that right do not; for the needs of a suite. */
export function whyNoNamespaces(): string[] {
  const { status } = spawnSync("unshare", ["--net", "--mount", "true"]);
  return status === 0 ? [] : ["the right to make network namespaces"];
}

export class NetworkNamespace {
  /** What goes before a program to run it in here. */
  readonly within: readonly string[];
  readonly #name: string;

  private constructor(name: string) {
    this.#name = name;
    // `ip netns exec` would take the control groups away, too.
    this.within = ["nsenter", `--net=/run/netns/${name}`];
  }

  /** Needs root. */
  static async create(): Promise<NetworkNamespace> {
    const name = `tpull-${process.pid}-${(made += 1)}`;
    await runOk(requirePeer("ip"), ["netns", "add", name]);
    const namespace = new NetworkNamespace(name);
    try {
      await runOk(requirePeer("ip"), ["-n", name, "link", "set", "lo", "up"]);
    } catch (error) {
      await namespace.stop();
      throw error;
    }
    return namespace;
  }

  /** Forgets it; what still runs in it keeps it. */
  async stop(): Promise<void> {
    await runOk(requirePeer("ip"), ["netns", "delete", this.#name]);
  }
}
