/**
 * `npm run bench -- serve`: many clients of one large layer that `tpull serve`
 * has. Says what it took, and how evenly the clients came on.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { imageOf, layerOf } from "../helpers/image-builder.js";
import { layoutArchive, named, writeLayout } from "../helpers/layout-writer.js";
import { Cleanups } from "../helpers/run.js";
import { Serving } from "../helpers/serving.js";
import { archive, file } from "../helpers/tar-writer.js";
import { tpullOk } from "../helpers/tpull-cli.js";

const USAGE = `usage: npm run bench -- serve [options]
  --clients N   clients that read as fast as they can (default: 1000)
  --stalled N   clients beside them that ask and then read nothing (default: 50)
  --mib N       size of the layer (default: 64)
  --seconds N   stop after so long, finished or not (default: 15)
  --source S    folder, archive or root (default: all three)
`;

interface Client {
  readonly socket: Socket;
  /** Bytes of the body so far. */
  bytes: number;
  /** Milliseconds until the last one; undefined before. */
  finished: number | undefined;
}

/** @returns the exit status */
export async function main(args: readonly string[]): Promise<number> {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        clients: { type: "string", default: "1000" },
        stalled: { type: "string", default: "50" },
        mib: { type: "string", default: "64" },
        seconds: { type: "string", default: "15" },
        source: { type: "string" },
      },
    }));
  } catch {
    process.stderr.write(USAGE);
    return 2;
  }
  const cleanups = new Cleanups();
  try {
    const folder = await cleanups.tempDir();
    const content = Buffer.alloc(Number(values.mib) * 1024 * 1024);
    for (let at = 0; at < content.length; at += 32) {
      createHash("sha256").update(String(at)).digest().copy(content, at);
    }
    // Stored as it is, so that the layer is as large in every source.
    const layer = layerOf(archive([file("data", content)]), {
      compression: "none",
      family: "oci",
    });
    const images = [named(imageOf([layer], { family: "oci" }), "load:1")];
    const layout = await writeLayout(join(folder, "layout"), images);
    const bundle = join(folder, "bundle.tar");
    await writeFile(bundle, await layoutArchive(images));
    const root = join(folder, "root");
    const first = cleanups.use(await Serving.start(["--quiet", layout]));
    await tpullOk([
      "--root",
      root,
      "--mirror",
      `docker.io=${first.url}`,
      "load:1",
    ]);
    await first.stop();
    const sources: [string, string[]][] = [
      ["folder", [layout]],
      ["archive", [bundle]],
      ["root", ["--root", root]],
    ];
    for (const [name, operands] of sources) {
      if (values.source !== undefined && values.source !== name) continue;
      const serving = cleanups.use(
        await Serving.start(["--quiet", ...operands]),
      );
      const path = `/v2/library/load/blobs/${layer.digest}`;
      await run(name, serving, path, {
        clients: Number(values.clients),
        stalled: Number(values.stalled),
        seconds: Number(values.seconds),
        size: layer.size,
      });
      await serving.stop("SIGKILL");
    }
    return 0;
  } finally {
    await cleanups.close();
  }
}

interface Load {
  readonly clients: number;
  readonly stalled: number;
  readonly seconds: number;
  readonly size: number;
}

async function run(
  name: string,
  serving: Serving,
  path: string,
  load: Load,
): Promise<void> {
  const { port, hostname } = new URL(serving.url);
  const pid = serving.child.pid ?? 0;
  const atRest = await memoryOf(pid);
  const stalled: Socket[] = [];
  for (let n = 0; n < load.stalled; n += 1) {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    await once(socket, "connect");
    socket.pause();
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    stalled.push(socket);
  }
  const begin = performance.now();
  const cpuBefore = await cpuOf(pid);
  const clients: Client[] = [];
  for (let n = 0; n < load.clients; n += 1) {
    clients.push(startClient(Number(port), hostname, path, load.size, begin));
  }
  while (
    performance.now() - begin < load.seconds * 1000 &&
    clients.some(({ finished }) => finished === undefined)
  ) {
    await delay(50);
  }
  const seconds = (performance.now() - begin) / 1000;
  const cpu = (await cpuOf(pid)) - cpuBefore;
  const peak = await memoryOf(pid);
  for (const socket of [...stalled, ...clients.map((c) => c.socket)]) {
    socket.destroy();
  }
  const counts = clients.map(({ bytes }) => bytes).sort((a, b) => a - b);
  const total = counts.reduce((sum, bytes) => sum + bytes, 0);
  const squares = counts.reduce((sum, bytes) => sum + bytes ** 2, 0);
  const done = clients.filter(({ finished }) => finished !== undefined).length;
  const mib = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)}`;
  const at = (share: number): string =>
    mib(counts[Math.floor(share * (counts.length - 1))] ?? 0);
  process.stdout.write(
    `${[
      `${name}: ${load.clients} clients, ${load.stalled} stalled, a layer of ${mib(load.size)} MiB, ${seconds.toFixed(1)} s`,
      `  sent ${mib(total)} MiB, ${mib(total / seconds)} MiB/s, ${cpu.toFixed(1)} s of CPU, ${done} finished`,
      `  MiB for a client: least ${at(0)}, 5% ${at(0.05)}, median ${at(0.5)}, most ${at(1)}; fairness ${(total ** 2 / (counts.length * squares)).toFixed(3)} (1 is even)`,
      `  memory ${mib(atRest)} MiB at rest, ${mib(peak)} MiB at most`,
    ].join("\n")}\n`,
  );
}

function startClient(
  port: number,
  host: string,
  path: string,
  size: number,
  begin: number,
): Client {
  const socket = connect({
    port,
    host,
    onread: {
      // Nobody looks at the bytes: one buffer does for all reads.
      buffer: SINK,
      callback: (length) => {
        client.bytes += length - headers;
        headers = 0;
        if (client.bytes >= size) client.finished ??= performance.now() - begin;
        return true;
      },
    },
  });
  // About what the reply's headers take; they come with the first piece.
  let headers = 400;
  const client: Client = { socket, bytes: 0, finished: undefined };
  socket.on("error", () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  return client;
}

const SINK = Buffer.alloc(256 * 1024);

/** Most memory that the process had resident. */
async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** Seconds of CPU time it took so far. */
async function cpuOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
