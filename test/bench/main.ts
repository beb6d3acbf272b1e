/** `npm run bench`: tpull beside other clients, same registry, cold stores. */
import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { cacheFolder } from "../helpers/images/image-cache.js";
import { findPeer, missingFor } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups, run } from "../helpers/run.js";
import { TPULL } from "../helpers/tpull-cli.js";
import {
  CONTENDERS,
  tpullArgs,
  type Contender,
  type Task,
} from "./contenders.js";
import { BENCH_IMAGES, type BenchImage } from "./images.js";
import { measure, median, type Measurement } from "./measure.js";
import { summarize, table, type Row } from "./report.js";
import { compareStore } from "./store.js";
import { compareThrottled } from "./throttled.js";
import { onFreshTmpfs } from "./tmpfs.js";

const USAGE = `usage: npm run bench -- [options]
  --only NAME    only this image; may be repeated: ${BENCH_IMAGES.map((i) => i.name).join(", ")}, startup
  --rounds N     pulls of each image by each contender (default: 3)
  --peers LIST   who takes part beside tpull (default: docker,podman,floor;
                 those that are not installed stay away)
  --throttled    over links with a delay and a limit instead
  --store        looking at a large data root instead
  --json FILE    write every measurement to a file
Needs root (for a fresh tmpfs before each pull), docker-registry and python3;
--store needs only python3.
`;

interface ImageReport {
  readonly image: string;
  readonly about: string;
  readonly layers: number;
  readonly compressedBytes: number;
  readonly rows: readonly Row[];
  readonly measurements: Readonly<Record<string, readonly Measurement[]>>;
  /** Median wall seconds of tpull when the image is there already. */
  readonly upToDateSeconds: number;
}

/** Runs the benchmark. @returns the exit status */
export async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const missing = options.store
    ? missingFor(["python3"])
    : missingFor(["docker-registry", "python3"], { root: true });
  if (missing.length > 0) {
    process.stderr.write(`the benchmark needs ${missing.join(", ")}\n`);
    return 1;
  }
  const machine = await describeMachine();
  print(machine);
  if (options.store) {
    const store = await compareStore(options.rounds, print);
    if (options.json !== undefined) {
      const report = { machine, rounds: options.rounds, store };
      await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
    }
    return 0;
  }
  const cleanups = new Cleanups();
  try {
    const storage = join(await cacheFolder(), "registry");
    const { host } = cleanups.use(await startDockerRegistry({ storage }));
    const contenders = CONTENDERS.filter(
      ({ name }) => name === "tpull" || options.peers.includes(name),
    ).filter(({ name, needs }) => {
      const lacks = missingFor(needs);
      if (lacks.length > 0) print(`${name} stays away: no ${lacks.join(", ")}`);
      return lacks.length === 0;
    });
    if (options.throttled) {
      const links = await compareThrottled({
        host,
        contenders,
        rounds: options.rounds,
        print,
      });
      if (options.json !== undefined) {
        const report = { machine, rounds: options.rounds, links };
        await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
      }
      return 0;
    }
    const images: ImageReport[] = [];
    for (const image of BENCH_IMAGES.filter(({ name }) => options.wants(name)))
      images.push(await compare(image, host, contenders, options.rounds));
    const startup = options.wants("startup")
      ? await compareStartup()
      : undefined;
    if (options.json !== undefined) {
      const report = { machine, rounds: options.rounds, images, startup };
      await writeFile(options.json, `${JSON.stringify(report, null, 2)}\n`);
    }
  } finally {
    await cleanups.close();
  }
  return 0;
}

function readOptions(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        only: { type: "string", multiple: true },
        rounds: { type: "string", default: "3" },
        peers: { type: "string", default: "docker,podman,floor" },
        throttled: { type: "boolean", default: false },
        store: { type: "boolean", default: false },
        json: { type: "string" },
      },
    });
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1) return undefined;
    const known = [...BENCH_IMAGES.map((image) => image.name), "startup"];
    const only = values.only ?? known;
    if (only.some((name) => !known.includes(name))) return undefined;
    const wants = (name: string): boolean => only.includes(name);
    const { json, throttled, store } = values;
    const peers = values.peers.split(",");
    return { wants, rounds, peers, json, throttled, store };
  } catch {
    return undefined;
  }
}

/** Pulls one image by each contender in turn, round after round. */
async function compare(
  image: BenchImage,
  host: string,
  contenders: readonly Contender[],
  rounds: number,
): Promise<ImageReport> {
  const built = await image.build();
  const repository = `bench/${image.name}`;
  const { reference } = await pushImage(host, repository, "latest", built);
  const blobs = `http://${host}/v2/${repository}/blobs`;
  const task: Task = { reference, blobs, image: built };
  for (const { digest } of built.layers) await readOnce(`${blobs}/${digest}`);

  const compressedBytes = built.layers.reduce((sum, l) => sum + l.size, 0);
  print(
    `\n${image.name}: ${image.about}, ${built.layers.length} layers, ${(compressedBytes / 1e6).toFixed(1)} MB compressed`,
  );
  const results = new Map(contenders.map((c) => [c.name, [] as Measurement[]]));
  const upToDate: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      await onFreshTmpfs(async (directory) => {
        results
          .get(contender.name)!
          .push(await contender.pull(task, directory));
        if (contender.name !== "tpull") return;
        const again = await measure(
          process.execPath,
          tpullArgs(task, directory),
        );
        upToDate.push(again.wallSeconds);
      });
    }
  }
  const rows = summarize(results);
  print(table(rows));
  const upToDateSeconds = median(upToDate);
  print(`tpull again, up to date: ${upToDateSeconds.toFixed(2)} s`);
  return {
    image: image.name,
    about: image.about,
    layers: built.layers.length,
    compressedBytes,
    rows,
    measurements: Object.fromEntries(results),
    upToDateSeconds,
  };
}

/** Brings a blob into the page cache, so that no contender reads it from a disk. */
async function readOnce(url: string): Promise<void> {
  const response = await fetch(url);
  await response.body?.pipeTo(new WritableStream());
}

interface Startup {
  readonly tpullVersionSeconds: number;
  readonly nodeSeconds: number;
}

/** What starting costs: `tpull --version` beside a node that does nothing. */
async function compareStartup(): Promise<Startup> {
  const version: number[] = [];
  const nothing: number[] = [];
  for (let i = 0; i < 15; i++) {
    const tpull = await measure(process.execPath, [TPULL, "--version"]);
    const node = await measure(process.execPath, ["-e", "0"]);
    version.push(tpull.wallSeconds);
    nothing.push(node.wallSeconds);
  }
  const tpullVersionSeconds = median(version);
  const nodeSeconds = median(nothing);
  print(
    `\ntpull --version: ${(tpullVersionSeconds * 1000).toFixed(0)} ms, node -e 0: ${(nodeSeconds * 1000).toFixed(0)} ms, ratio ${(tpullVersionSeconds / nodeSeconds).toFixed(2)}`,
  );
  return { tpullVersionSeconds, nodeSeconds };
}

async function describeMachine(): Promise<string> {
  const versionOf = async (peer: "dockerd" | "podman") => {
    const path = findPeer(peer);
    if (path === undefined) return `no ${peer}`;
    return (await run(path, ["--version"])).stdout.trim();
  };
  const libraries = await run("ldconfig", ["-p"]);
  return [
    `${cpus()[0]?.model}, ${availableParallelism()} CPUs, ${(totalmem() / 1e9).toFixed(0)} GB`,
    `node ${process.version}`,
    await versionOf("dockerd"),
    `unpigz: ${findPeer("unpigz") ? "yes" : "no"}`,
    await versionOf("podman"),
    `igzip: ${findPeer("igzip") ? "yes" : "no"}`,
    `libisal: ${libraries.stdout.includes("libisal.so.2") ? "yes" : "no"}`,
  ].join("; ");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
