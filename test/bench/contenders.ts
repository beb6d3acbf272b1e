/** Who takes part: each pulls an image into an empty store on a fresh tmpfs. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startDockerd } from "../helpers/dockerd.js";
import type { Image } from "../helpers/image-builder.js";
import { findPeer, requirePeer, type Peer } from "../helpers/peers.js";
import { TPULL } from "../helpers/tpull-cli.js";
import {
  cpuSecondsOf,
  measure,
  peakBytesOf,
  type Measurement,
} from "./measure.js";

/** An image in the registry. */
export interface Task {
  /** `HOST/REPOSITORY:TAG` */
  readonly reference: string;
  /** URL of the repository's blobs. */
  readonly blobs: string;
  readonly image: Image;
}

export interface Contender {
  readonly name: string;
  readonly needs: readonly Peer[];
  /** Pulls into a store below an empty directory and measures the pull alone. */
  readonly pull: (task: Task, directory: string) => Promise<Measurement>;
}

const tpull: Contender = {
  name: "tpull",
  needs: [],
  pull: (task, directory) =>
    measure(process.execPath, tpullArgs(task, directory)),
};

/** Arguments of node for a pull into a directory. */
export function tpullArgs(task: Task, directory: string): string[] {
  const root = join(directory, "root");
  return [TPULL, "pull", "--quiet", "--root", root, task.reference];
}

const docker: Contender = {
  name: "docker",
  needs: ["docker", "dockerd"],
  pull: async (task, directory) => {
    const dockerd = await startDockerd(join(directory, "root"), {
      debug: false,
    });
    try {
      const before = await cpuSecondsOf(dockerd.pid);
      const client = await measure(
        ...dockerd.command(["pull", "--quiet", task.reference]),
      );
      const daemon = (await cpuSecondsOf(dockerd.pid)) - before;
      return {
        wallSeconds: client.wallSeconds,
        cpuSeconds: client.cpuSeconds + daemon,
        peakBytes: await peakBytesOf(dockerd.pid),
      };
    } finally {
      await dockerd.stop();
    }
  },
};

const podman: Contender = {
  name: "podman",
  needs: ["podman"],
  pull: async (task, directory) => {
    const temporary = join(directory, "tmp");
    await mkdir(temporary);
    const stores = [
      `--root=${join(directory, "root")}`,
      `--runroot=${join(directory, "run")}`,
      "--storage-driver=overlay",
    ];
    return await measure(
      requirePeer("podman"),
      [...stores, "pull", "--quiet", "--tls-verify=false", task.reference],
      { TMPDIR: temporary },
    );
  },
};

/** What no client can beat by much: every layer at once through the quickest tools, nothing verified. */
const floor: Contender = {
  name: "floor",
  needs: ["curl"],
  pull: async (task, directory) => {
    const gunzip = findPeer("igzip") ?? findPeer("unpigz") ?? "gzip";
    const layers = task.image.layers.map(
      (layer, i) => `( mkdir ${i} &&
        curl -sf ${task.blobs}/${layer.digest} | ${gunzip} -dc |
        tar --extract --preserve-permissions --numeric-owner --directory ${i}
      ) & jobs="$jobs $!"`,
    );
    const wait = "for job in $jobs; do wait $job || exit 1; done";
    const script = ["set -o pipefail", `cd ${directory}`, ...layers, wait];
    return await measure("bash", ["-c", script.join("\n")]);
  },
};

export const CONTENDERS: readonly Contender[] = [tpull, docker, podman, floor];
