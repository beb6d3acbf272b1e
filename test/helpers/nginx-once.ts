/** nginx as the README sets it up before a registry: what many ask for is fetched once. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { requirePeer } from "./peers.js";
import { readmeFile, replaceIn } from "./readme-blocks.js";
import { childEnv, removeTree } from "./run.js";
import { TEST_CERTIFICATE } from "./test-certificate.js";

const STARTED_WITHIN_MS = 10_000;

export class NginxOnce {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(host: string, child: ChildProcess, folder: string) {
    this.host = host;
    this.#child = child;
    this.#folder = folder;
  }

  /** @param upstream `HOST:PORT` of a registry that speaks plain HTTP */
  static async start(upstream: string): Promise<NginxOnce> {
    const folder = await mkdtemp(join(tmpdir(), "tpull-nginx-"));
    const host = `127.0.0.1:${await freePort()}`;
    const authorities = join(folder, "ca.pem");
    await writeFile(authorities, TEST_CERTIFICATE);
    const server = replaceIn(
      readmeFile("/etc/nginx/conf.d/registry-once.conf"),
      {
        "https://registry-1.docker.io": `http://${upstream}`,
        "127.0.0.1:5001": host,
        "/var/cache/nginx/registry-once": join(folder, "cache"),
        "/etc/ssl/certs/ca-certificates.crt": authorities,
      },
    );
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (name) => `${name}_temp_path ${join(folder, name)};`,
    );
    const config = `
      daemon off; master_process off; pid ${join(folder, "pid")};
      error_log ${join(folder, "error.log")}; events {}
      http { access_log off; ${temporary.join(" ")} ${server} }`;
    const file = join(folder, "nginx.conf");
    await writeFile(file, config);
    const child = spawn(
      requirePeer("nginx"),
      ["-e", join(folder, "error.log"), "-c", file],
      { env: childEnv(), stdio: "ignore" },
    );
    const nginx = new NginxOnce(host, child, folder);
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
      if (await answers(this.host)) return;
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
