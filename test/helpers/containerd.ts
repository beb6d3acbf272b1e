/** A containerd of its own, for `ctr`: own root, state and socket. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { requirePeer } from "./peers.js";
import { childEnv, removeTree, run, runOk } from "./run.js";

const START_TIMEOUT_MS = 30_000;

export class Containerd {
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(folder: string, child: ChildProcess) {
    this.#folder = folder;
    this.#child = child;
  }

  /** @param root where it keeps everything, and what stays; by default a directory that is removed */
  static async start(root?: string): Promise<Containerd> {
    const folder = await mkdtemp(join(tmpdir(), "tpull-containerd-"));
    const config = [
      "version = 2",
      `root = "${root ?? `${folder}/root`}"`,
      `state = "${folder}/state"`,
      // What runs containers is not wanted, and would ask for more of the machine.
      'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.restart"]',
      "[grpc]",
      `  address = "${folder}/socket"`,
      "[ttrpc]",
      `  address = "${folder}/ttrpc"`,
    ];
    await writeFile(join(folder, "config.toml"), config.join("\n"));
    const child = spawn(
      "setpriv",
      [
        ["--pdeathsig", "TERM", requirePeer("containerd")],
        ["--config", join(folder, "config.toml")],
      ].flat(),
      { env: childEnv(), stdio: "ignore" },
    );
    await once(child, "spawn");
    const containerd = new Containerd(folder, child);
    const deadline = Date.now() + START_TIMEOUT_MS;
    while ((await run(...containerd.command(["version"]))).code !== 0) {
      if (child.exitCode !== null || Date.now() > deadline) {
        await containerd.stop();
        throw new Error("containerd did not start");
      }
      await delay(50);
    }
    return containerd;
  }

  /** Program and arguments that run `ctr ARGS` against it. */
  command(args: readonly string[]): [string, string[]] {
    return [
      requirePeer("ctr"),
      ["--address", join(this.#folder, "socket"), ...args],
    ];
  }

  /** Standard output of `ctr ARGS`. @throws Error when it fails */
  async ctr(args: readonly string[]): Promise<string> {
    return await runOk(...this.command(args));
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGTERM");
      await once(this.#child, "exit");
    }
    await removeTree(this.#folder);
  }
}
