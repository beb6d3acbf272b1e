/** Debian's docker-registry (distribution) on a free loopback port, with a storage of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { requirePeer } from "./peers.js";
import { childEnv, removeTree, type RunOptions } from "./run.js";

export interface DockerRegistryOptions {
  /** Kept after `stop()`; default: a fresh one that is removed. */
  readonly storage?: string;
  /** The configuration's text; by default the simplest. It has to listen on `127.0.0.1:0`. */
  readonly config?: string;
  /** Who may come in; a line is a user name and a bcrypt hash. Everybody by default. */
  readonly htpasswd?: string;
  /** Its `auth` section, instead of `htpasswd`. */
  readonly auth?: object;
  /** What runs it, such as `nsenter …`. */
  readonly within?: RunOptions["within"];
}

export class DockerRegistry {
  /** `127.0.0.1:PORT`, as it stands in references. */
  readonly host: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  constructor(host: string, child: ChildProcess, folder: string) {
    this.host = host;
    this.#child = child;
    this.#folder = folder;
  }

  async stop(): Promise<void> {
    await endChild(this.#child);
    await removeTree(this.#folder);
  }
}

/** Starts a registry and waits until it listens; the kernel chooses the port. */
export async function startDockerRegistry(
  options: DockerRegistryOptions = {},
): Promise<DockerRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "tpull-registry-"));
  const config = {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: options.storage ?? join(folder, "storage") },
    },
    http: { addr: "127.0.0.1:0" },
    ...(options.auth === undefined ? {} : { auth: options.auth }),
    ...(options.htpasswd === undefined
      ? {}
      : {
          auth: {
            htpasswd: { realm: "test", path: join(folder, "htpasswd") },
          },
        }),
  };
  if (options.htpasswd !== undefined) {
    await writeFile(join(folder, "htpasswd"), `${options.htpasswd}\n`);
  }
  // JSON is YAML, which the registry reads.
  await writeFile(
    join(folder, "config.yml"),
    options.config ?? JSON.stringify(config),
  );
  const [program, ...words] = [
    ...(options.within ?? []),
    requirePeer("docker-registry"),
    "serve",
    join(folder, "config.yml"),
  ];
  const child = spawn(program!, words, {
    env: childEnv(),
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    return new DockerRegistry(await listeningHost(child), child, folder);
  } catch (error) {
    await endChild(child);
    await removeTree(folder);
    throw error;
  }
}

async function listeningHost(child: ChildProcess): Promise<string> {
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr! })) {
    const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (host !== undefined) {
      child.stderr!.resume();
      return host;
    }
    said.push(line);
  }
  throw new Error(`docker-registry did not start:\n${said.join("\n")}`);
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}
