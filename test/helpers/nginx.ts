/** Debian's nginx on free loopback ports, with a configuration of the test's own. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { requirePeer } from "./peers.js";
import { childEnv, removeTree } from "./run.js";

const STARTED_WITHIN_MS = 10_000;

export class Nginx {
  /** `127.0.0.1:PORT` of each server. */
  readonly hosts: readonly string[];
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(
    hosts: readonly string[],
    child: ChildProcess,
    folder: string,
  ) {
    this.hosts = hosts;
    this.#child = child;
    this.#folder = folder;
  }

  /**
   * @param count how many servers there will be
   * @param servers what stands inside `http {}`; each host is one to listen on
   * @param files text by name, written into the folder beforehand
   */
  static async start(
    count: number,
    servers: (hosts: readonly string[], folder: string) => string,
    files: Readonly<Record<string, string>> = {},
  ): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), "tpull-nginx-"));
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(folder, name), content, { mode: 0o600 });
    }
    const hosts: string[] = [];
    while (hosts.length < count) hosts.push(`127.0.0.1:${await freePort()}`);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (name) => `${name}_temp_path ${join(folder, name)};`,
    );
    const config = `
      daemon off; master_process off; pid ${join(folder, "pid")};
      error_log ${join(folder, "error.log")}; events {}
      http { access_log off; ${temporary.join(" ")} ${servers(hosts, folder)} }`;
    const file = join(folder, "nginx.conf");
    await writeFile(file, config);
    const child = spawn(
      requirePeer("nginx"),
      ["-e", join(folder, "error.log"), "-c", file],
      { env: childEnv(), stdio: "ignore" },
    );
    const nginx = new Nginx(hosts, child, folder);
    try {
      await nginx.#listening();
      return nginx;
    } catch (error) {
      await nginx.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGKILL");
      await once(this.#child, "exit");
    }
    await removeTree(this.#folder);
  }

  async #listening(): Promise<void> {
    const end = Date.now() + STARTED_WITHIN_MS;
    for (;;) {
      const up = await Promise.all(this.hosts.map(answers));
      if (up.every(Boolean)) return;
      if (this.#child.exitCode !== null || Date.now() > end)
        throw new Error("nginx did not start");
      await sleep(20);
    }
  }
}

/** nginx cannot be told to choose one. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function answers(host: string): Promise<boolean> {
  const [hostname, port] = host.split(":");
  const socket = connect(Number(port), hostname);
  return (await new Promise((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  }).finally(() => socket.destroy())) as boolean;
}
