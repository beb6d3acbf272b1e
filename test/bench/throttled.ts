/**
 * Pulls over links that are slow in one way or another: what counts there is
 * the time, and how many bytes came for those that the image has.
 */
import { join } from "node:path";
import type { Image } from "../helpers/image-builder.js";
import { packBulk } from "../helpers/images/bulk-layers.js";
import { cachedImage } from "../helpers/images/image-cache.js";
import { nginxImage } from "../helpers/images/nginx-image.js";
import { Link, type LinkOptions } from "../helpers/link.js";
import { pushImage } from "../helpers/push.js";
import type { Contender, Task } from "./contenders.js";
import { median } from "./measure.js";
import { onFreshTmpfs } from "./tmpfs.js";

interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly link: LinkOptions;
  readonly build: () => Promise<Image>;
}

const LAYER = { seed: 7, files: 2400, meanSize: 100_000 };

const bigLayer = (): Promise<Image> =>
  cachedImage("throttled", LAYER, [(pack) => packBulk(pack, LAYER)]);

const SCENARIOS: readonly Scenario[] = [
  {
    name: "far",
    about: "one layer, 100 ms there and back, 4 MB/s for each connection",
    link: { roundTripMs: 100, connectionRate: 4e6 },
    build: bigLayer,
  },
  {
    name: "narrow",
    about: "nginx, 30 ms there and back, 6 MB/s in all",
    link: { roundTripMs: 30, rate: 6e6 },
    build: nginxImage,
  },
];

export interface ThrottledOptions {
  /** `HOST:PORT` of a registry to push to. */
  readonly host: string;
  readonly contenders: readonly Contender[];
  readonly rounds: number;
  readonly print: (line: string) => void;
}

interface Passage {
  readonly wallSeconds: number;
  /** That came over the link, HTTP's own included. */
  readonly bytes: number;
  readonly connections: number;
}

export interface LinkReport {
  readonly name: string;
  readonly about: string;
  readonly compressedBytes: number;
  readonly passages: Readonly<Record<string, readonly Passage[]>>;
}

/** Compares over all links. @returns every measurement */
export async function compareThrottled(
  options: ThrottledOptions,
): Promise<LinkReport[]> {
  const reports: LinkReport[] = [];
  for (const scenario of SCENARIOS) {
    reports.push(await compareOver(scenario, options));
  }
  return reports;
}

async function compareOver(
  { name, about, link: way, build }: Scenario,
  { host, contenders, rounds, print }: ThrottledOptions,
): Promise<LinkReport> {
  const image = await build();
  const repository = `bench/${name}`;
  const { reference } = await pushImage(host, repository, "latest", image);
  const compressedBytes = image.layers.reduce((sum, l) => sum + l.size, 0);
  print(`\n${name}: ${about}, ${(compressedBytes / 1e6).toFixed(1)} MB`);
  const passages: Record<string, Passage[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      // A link of its own for each: what is cut off may still be on its way.
      const link = await Link.to(host, way);
      try {
        const task: Task = {
          reference: reference.replace(host, link.host),
          blobs: `http://${join(link.host, "v2", repository, "blobs")}`,
          image,
        };
        await onFreshTmpfs(async (directory) => {
          const { wallSeconds } = await contender.pull(task, directory);
          const { bytes, connections } = link;
          (passages[contender.name] ??= []).push({
            wallSeconds,
            bytes,
            connections,
          });
        });
      } finally {
        await link.stop();
      }
    }
  }
  printTable(passages, compressedBytes, print);
  return { name, about, compressedBytes, passages };
}

function printTable(
  passages: Readonly<Record<string, readonly Passage[]>>,
  compressedBytes: number,
  print: (line: string) => void,
): void {
  const wallOf = (all: readonly Passage[]): number =>
    median(all.map(({ wallSeconds }) => wallSeconds));
  const docker = passages["docker"];
  print("            wall s  x docker   MB/s  bytes  connections");
  for (const [name, all] of Object.entries(passages)) {
    const wall = wallOf(all);
    const bytes = median(all.map((one) => one.bytes)) / compressedBytes;
    const cells = [
      name.padEnd(10),
      wall.toFixed(2).padStart(8),
      (docker ? (wall / wallOf(docker)).toFixed(2) : "-").padStart(9),
      (compressedBytes / wall / 1e6).toFixed(1).padStart(6),
      `${(bytes * 100).toFixed(0)} %`.padStart(6),
      String(median(all.map((one) => one.connections))).padStart(12),
    ];
    print(cells.join(" "));
  }
}
