/** docker-registry as a pull-through cache, configured as the README says. */
import { access, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startDockerRegistry, type DockerRegistry } from "./docker-registry.js";
import { readmeFile, replaceIn } from "./readme-blocks.js";
import { removeTree } from "./run.js";

const STORED_WITHIN_MS = 10_000;

export class RegistryCache {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly #registry: DockerRegistry;
  readonly #storage: string;

  private constructor(registry: DockerRegistry, storage: string) {
    this.host = registry.host;
    this.#registry = registry;
    this.#storage = storage;
  }

  /** @param upstream `HOST:PORT` of what it is a cache of, in plain HTTP */
  static async start(upstream: string): Promise<RegistryCache> {
    const storage = await mkdtemp(join(tmpdir(), "tpull-cache-"));
    const config = replaceIn(readmeFile("/etc/docker/registry/config.yml"), {
      "/var/lib/docker-registry": storage,
      "addr: :5000": "addr: 127.0.0.1:0",
      "http://127.0.0.1:5001": `http://${upstream}`,
    });
    try {
      return new RegistryCache(await startDockerRegistry({ config }), storage);
    } catch (error) {
      await removeTree(storage);
      throw error;
    }
  }

  /** Waits until it has stored the blobs, which goes on after it has sent them. */
  async stored(digests: readonly string[]): Promise<void> {
    const end = Date.now() + STORED_WITHIN_MS;
    for (const digest of digests) {
      const hex = digest.replace("sha256:", "");
      const file = `docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
      while (!(await exists(join(this.#storage, file)))) {
        if (Date.now() > end) throw new Error(`${digest} was not stored`);
        await sleep(20);
      }
    }
  }

  async stop(): Promise<void> {
    await this.#registry.stop();
    await removeTree(this.#storage);
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
