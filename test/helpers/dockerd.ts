/**
 * A real dockerd of its own: own data root, exec root, socket and client
 * configuration, no network setup. Everything it started is gone after
 * `stop()`, and it stops by itself when the process that started it dies.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readFile, readlink } from "node:fs/promises";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { requirePeer } from "./peers.js";
import {
  childEnv,
  removeTree,
  run,
  runOk,
  type RunOptions,
  type RunResult,
} from "./run.js";

const POLL_MS = 50;
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

/** What dockerd logs when it leaves out something it found in its data root. */
const DROPPED =
  /not restoring image|invalid image|Failed to load layer|Failed to load mount|corrupt|Ignoring invalid digest|skipping invalid digest/i;

export interface DockerdOptions {
  /** Further flags, e.g. `--registry-mirror`. */
  readonly flags?: readonly string[];
  /** Whether it logs in detail, which {@link Dockerd.dropped} needs; default true. */
  readonly debug?: boolean;
  /** The storage driver it is told to take; default overlay2. False: it chooses. */
  readonly storageDriver?: string | false;
  /** What runs it, such as `nsenter …`. */
  readonly within?: RunOptions["within"];
}

export class Dockerd {
  readonly dataRoot: string;
  /** Exec root, socket, log and client configuration live here. */
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;

  private constructor(dataRoot: string, folder: string, child: ChildProcess) {
    this.dataRoot = dataRoot;
    this.#folder = folder;
    this.#child = child;
    this.#exited = once(child, "exit").then(() => child.exitCode);
  }

  /** Starts the daemon without waiting for it; see {@link ready}. */
  static async spawn(
    dataRoot: string,
    options: DockerdOptions = {},
  ): Promise<Dockerd> {
    const folder = await mkdtemp(join(tmpdir(), "tpull-dockerd-"));
    await mkdir(join(folder, "config"));
    const log = await open(join(folder, "log"), "w");
    const { storageDriver = "overlay2" } = options;
    const daemon = [
      ...(options.within ?? []),
      requirePeer("dockerd"),
      options.debug === false ? [] : "--debug",
      ["--data-root", dataRoot],
      ["--exec-root", join(folder, "exec")],
      ["--host", `unix://${folder}/socket`],
      ["--pidfile", join(folder, "pid")],
      ["--bridge", "none"],
      "--iptables=false",
      storageDriver === false ? [] : ["--storage-driver", storageDriver],
      ...(options.flags ?? []),
    ].flat();
    try {
      const child = spawn("setpriv", ["--pdeathsig", "TERM", ...daemon], {
        env: childEnv(),
        stdio: ["ignore", log.fd, log.fd],
      });
      await once(child, "spawn");
      return new Dockerd(dataRoot, folder, child);
    } finally {
      await log.close();
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Exit status once the daemon has ended; null when a signal ended it. */
  get exited(): Promise<number | null> {
    return this.#exited;
  }

  /** Whether the daemon answers requests now. */
  async answers(): Promise<boolean> {
    const ping = request({
      socketPath: join(this.#folder, "socket"),
      path: "/_ping",
    });
    return await new Promise((resolve) => {
      ping.once("response", (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      });
      ping.once("error", () => resolve(false));
      ping.end();
    });
  }

  /** What the daemon's API answers to a GET, parsed. @throws Error when it is no 200 */
  async get(path: string): Promise<unknown> {
    const socketPath = join(this.#folder, "socket");
    const [response] = (await once(
      request({ socketPath, path }).end(),
      "response",
    )) as [IncomingMessage];
    const body = await text(response);
    if (response.statusCode === 200) return JSON.parse(body);
    throw new Error(`GET ${path}: ${response.statusCode} ${body}`);
  }

  /** Waits until the daemon answers. @throws Error with its last log lines when it ends or hangs. */
  async ready(): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await this.answers())) {
      if (this.#ended() || Date.now() > deadline) {
        const tail = (await this.log()).split("\n").slice(-15).join("\n");
        throw new Error(`dockerd on ${this.dataRoot} did not start:\n${tail}`);
      }
      await delay(POLL_MS);
    }
  }

  #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  async log(): Promise<string> {
    return await readFile(join(this.#folder, "log"), "utf8");
  }

  /** Log lines that tell of images or layers which the daemon left out. */
  async dropped(): Promise<string[]> {
    return (await this.log()).split("\n").filter((line) => DROPPED.test(line));
  }

  /** Standard output of `docker ARGS` against this daemon. @throws Error when it fails. */
  async docker(
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<string> {
    return await runOk(...this.command(args), this.#clientOptions(options));
  }

  /** The same, with status and standard error, for commands that may fail. */
  async tryDocker(
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<RunResult> {
    return await run(...this.command(args), this.#clientOptions(options));
  }

  /** Program and arguments that run `docker ARGS` against this daemon. */
  command(args: readonly string[]): [string, string[]] {
    return [
      requirePeer("docker"),
      ["--host", `unix://${this.#folder}/socket`, ...args],
    ];
  }

  #clientOptions(options: RunOptions): RunOptions {
    const config = { DOCKER_CONFIG: join(this.#folder, "config") };
    return { ...options, env: { ...config, ...options.env } };
  }

  /** Ends the daemon and its containerd, and undoes every mount they left. Safe to call twice. */
  async stop(): Promise<void> {
    const containerd = await this.#containerd();
    if (!this.#ended()) {
      this.#child.kill("SIGTERM");
      const timer = setTimeout(
        () => this.#child.kill("SIGKILL"),
        STOP_TIMEOUT_MS,
      );
      await this.#exited;
      clearTimeout(timer);
    }
    if (containerd !== undefined) await endProcess(containerd);
    await unmountAll(this.#folder);
    await unmountAll(this.dataRoot);
    await removeTree(this.#folder);
  }

  /** Pid of the containerd that this daemon started, found by its own exec root. */
  async #containerd(): Promise<number | undefined> {
    const folder = join(this.#folder, "exec", "containerd");
    try {
      const pid = await readFile(join(folder, "containerd.pid"), "utf8");
      const command = await readFile(`/proc/${pid}/cmdline`, "utf8");
      return command.includes(folder) ? Number(pid) : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Starts a dockerd on a data root and waits until it answers. */
export async function startDockerd(
  dataRoot: string,
  options: DockerdOptions = {},
): Promise<Dockerd> {
  const dockerd = await Dockerd.spawn(dataRoot, options);
  try {
    await dockerd.ready();
  } catch (error) {
    await dockerd.stop();
    throw error;
  }
  return dockerd;
}

/** dockerd ends its containerd itself; this is for one that was killed first. */
async function endProcess(pid: number): Promise<void> {
  const exe = await readlink(`/proc/${pid}/exe`).catch(() => undefined);
  if (exe === undefined || !exe.endsWith("containerd")) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended between the look and the signal.
  }
}

/** A daemon mounts its data root on itself, and more below it. */
async function unmountAll(folder: string): Promise<void> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  const mounts = table
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => `${point}/`.startsWith(`${folder}/`));
  for (const point of mounts.toReversed()) await runOk("umount", ["-l", point]);
}
