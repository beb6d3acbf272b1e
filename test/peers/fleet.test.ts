// Several hosts behind one cache: what is asked of the registry, counted.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PullResult } from "#src/events.js";
import { CountingProxy } from "../helpers/counting-proxy.js";
import {
  startDockerRegistry,
  type DockerRegistry,
} from "../helpers/docker-registry.js";
import { imageOf, layerOf, type Image } from "../helpers/image-builder.js";
import { bulkText, seededRandom } from "../helpers/images/bulk-layers.js";
import { NginxOnce } from "../helpers/nginx-once.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { readmeBlocks, replaceIn } from "../helpers/readme-blocks.js";
import { RegistryCache } from "../helpers/registry-cache.js";
import { Cleanups, runOk } from "../helpers/run.js";
import { checkStore } from "../helpers/store/check.js";
import { archive, file } from "../helpers/tar-writer.js";

const MINUTE = 60_000;
const HOSTS = [1, 2, 3, 4] as const;

/** Three layers of several megabytes in several slices; `seed` makes them new. */
function imageOfItsOwn(seed: number): Image {
  const random = seededRandom(seed);
  return imageOf(
    [6, 3, 1].map((megabytes, index) =>
      layerOf(
        archive([
          file(`layer-${seed}-${index}`, bulkText(megabytes << 20, random)),
        ]),
        { compression: "none" },
      ),
    ),
  );
}

const blobsOf = (image: Image): readonly string[] =>
  [image.config, ...image.layers].map(({ digest }) => digest);
const sizeOf = (image: Image): number =>
  [image.config, ...image.layers].reduce((sum, { size }) => sum + size, 0);

/** The ways in which hosts are told of the cache. */
type Told = { mirrors: string[] } | { hostsDirs: string[] };

describeWithPeers("a fleet", ["docker-registry", "nginx"], {}, () => {
  const cleanups = new Cleanups();
  let seed = 0;
  let upstream: DockerRegistry;
  let image: Image;
  /** What is pulled; the registry's name in it is the counting proxy's. */
  let reference: string;
  let folder: string;

  beforeAll(async () => {
    upstream = cleanups.use(await startDockerRegistry());
  }, MINUTE);
  beforeEach(async () => {
    folder = await cleanups.tempDir();
    image = imageOfItsOwn(++seed);
    await pushImage(upstream.host, "fleet/app", `v${seed}`, image);
  }, MINUTE);
  afterAll(() => cleanups.close(), MINUTE);

  async function countingOrigin(blobsAt?: string): Promise<CountingProxy> {
    const origin = cleanups.use(
      await CountingProxy.start(
        upstream.host,
        blobsAt === undefined ? {} : { blobsAt },
      ),
    );
    reference = `${origin.host}/fleet/app:v${seed}`;
    return origin;
  }

  /** docker-registry that fetches from a host. */
  async function cacheOf(host: string): Promise<RegistryCache> {
    return cleanups.use(await RegistryCache.start(host));
  }

  async function throughNginx(origin: CountingProxy): Promise<RegistryCache> {
    const nginx = cleanups.use(await NginxOnce.start(origin.host));
    return cacheOf(nginx.host);
  }

  /** One host's pull, into a root of its own. */
  async function pullAt(host: number, told: Told): Promise<PullResult> {
    const root = join(folder, `host-${host}`);
    const said = await runOk(process.execPath, [
      join(import.meta.dirname, "fleet-host.mjs"),
      JSON.stringify({ root, reference, ...told }),
    ]);
    expect(await checkStore(root)).toEqual([]);
    return JSON.parse(said) as PullResult;
  }

  const asMirror = (origin: CountingProxy, cache: RegistryCache): Told => ({
    mirrors: [`${origin.host}=http://${cache.host}`],
  });

  /** The README's hosts.toml, in a directory for the origin. */
  async function asHostsToml(
    origin: CountingProxy,
    cache: RegistryCache,
  ): Promise<Told> {
    const block = readmeBlocks().find(({ title }) => title === "cache");
    const at = join(folder, "certs.d", origin.host.replace(/:(\d+)$/, "_$1_"));
    await mkdir(at, { recursive: true });
    await writeFile(
      join(at, "hosts.toml"),
      replaceIn(block!.text, { "cache.internal:5000": cache.host }),
    );
    return { hostsDirs: [join(folder, "certs.d")] };
  }

  /** Everything came from the cache, and nothing went wrong on the way. */
  function expectFrom(cache: RegistryCache, results: PullResult[]): void {
    for (const result of results) {
      expect(result).toMatchObject({ status: "downloaded", passedOver: [] });
      expect(Object.keys(result.bytesBySource)).toEqual([cache.host]);
      expect(result.bytesFetched).toBeGreaterThanOrEqual(sizeOf(image));
    }
  }

  const manifestGets = (origin: CountingProxy): number =>
    origin.requests.filter(
      ({ method, url }) => method === "GET" && url.includes("/manifests/"),
    ).length;

  describe("behind docker-registry and nginx", () => {
    it(
      "asks for each blob once when one host comes after the other",
      async () => {
        const origin = await countingOrigin();
        const cache = await throughNginx(origin);
        const told = await asHostsToml(origin, cache);
        const results: PullResult[] = [];
        for (const host of HOSTS) results.push(await pullAt(host, told));
        expectFrom(cache, results);
        expect(origin.blobBytes()).toBe(sizeOf(image));
        expect(manifestGets(origin)).toBe(1);
      },
      MINUTE,
    );

    it(
      "asks for each blob once when all come at the same time",
      async () => {
        const origin = await countingOrigin();
        const cache = await throughNginx(origin);
        const told = asMirror(origin, cache);
        expectFrom(
          cache,
          await Promise.all(HOSTS.map((host) => pullAt(host, told))),
        );
        expect(origin.blobBytes()).toBe(sizeOf(image));
        expect(manifestGets(origin)).toBeLessThanOrEqual(HOSTS.length);
      },
      MINUTE,
    );

    it(
      "asks for each blob once where the registry redirects to another host",
      async () => {
        const store = cleanups.use(await CountingProxy.start(upstream.host));
        const origin = await countingOrigin(store.host);
        const cache = await throughNginx(origin);
        const told = asMirror(origin, cache);
        expectFrom(
          cache,
          await Promise.all(HOSTS.map((host) => pullAt(host, told))),
        );
        expect(origin.blobBytes()).toBe(0);
        expect(store.blobBytes()).toBe(sizeOf(image));
      },
      MINUTE,
    );

    it(
      "serves what it has while the registry is down",
      async () => {
        const origin = await countingOrigin();
        const cache = await throughNginx(origin);
        const told = asMirror(origin, cache);
        await pullAt(1, told);
        await cache.stored(blobsOf(image));
        await origin.stop();
        expectFrom(cache, [await pullAt(2, told)]);
      },
      MINUTE,
    );
  });

  it(
    "behind docker-registry alone costs the registry twice, and nothing more once it is stored",
    async () => {
      const origin = await countingOrigin();
      const cache = await cacheOf(origin.host);
      const told = asMirror(origin, cache);
      const results = [await pullAt(1, told)];
      await cache.stored(blobsOf(image));
      const first = origin.blobBytes();
      expect(first).toBe(2 * sizeOf(image));
      results.push(
        ...(await Promise.all(
          HOSTS.slice(1).map((host) => pullAt(host, told)),
        )),
      );
      expectFrom(cache, results);
      expect(origin.blobBytes()).toBe(first);
    },
    MINUTE,
  );
});
