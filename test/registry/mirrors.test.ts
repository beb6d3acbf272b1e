/** Mirrors: who is asked for what, who is passed over, and what they never learn. */
import type { Digest } from "#store/digest.js";
import type { Descriptor } from "#src/registry/manifest.js";
import { describe, expect, onTestFinished, test } from "vitest";
import type {
  Fault,
  FaultRegistry,
  FaultRegistryOptions,
  TestImage,
} from "../helpers/fault-registry.js";
import { Link } from "../helpers/link.js";
import { collect, connect, HASTY, noise, repo, serve } from "./client.js";
import { mirrored, place } from "./mirrors.js";

const LAYER = noise(300_000);
const BLOBS = /\/blobs\//;

interface Pair {
  readonly origin: FaultRegistry;
  readonly mirror: FaultRegistry;
  readonly image: TestImage;
  readonly layer: { digest: Digest; size: number };
}

/** A registry and a mirror that have the same image. */
async function pair(options: FaultRegistryOptions = {}): Promise<Pair> {
  const origin = await serve(options);
  const mirror = await serve();
  const image = origin.addImage("team/app", "1.0", [LAYER]);
  mirror.addImage("team/app", "1.0", [LAYER]);
  const [layer] = image.layers as unknown as [{ digest: Digest; size: number }];
  return { origin, mirror, image, layer };
}

function configOf({ config }: TestImage): Descriptor {
  return config as unknown as Descriptor;
}

const urls = ({ requests }: FaultRegistry): string[] =>
  requests.map(({ method, url }) => `${method} ${url}`);

describe("who is asked", () => {
  test("the mirrors in their order, and nobody else while the first has it all", async () => {
    const { origin, mirror, image, layer } = await pair();
    const second = await serve();
    const client = connect(mirrored(origin, mirror, second));
    const head = await client.head(repo(origin), "1.0");
    const manifest = await client.manifest(repo(origin), "1.0");
    const config = await client.bytes(repo(origin), configOf(image));
    const counts: Record<string, number> = {};
    const stream = client.blob(repo(origin), layer, {
      onReceived: (host, bytes) => {
        counts[host] = (counts[host] ?? 0) + bytes;
      },
    });
    expect((await collect(stream)).equals(LAYER)).toBe(true);
    expect(head?.digest).toBe(image.manifest.digest);
    expect(manifest.digest).toBe(image.manifest.digest);
    expect(config).toHaveLength(image.config.size);
    expect(counts).toEqual({ [mirror.host]: LAYER.length });
    expect(second.requests).toEqual([]);
    expect(origin.requests).toEqual([]);
    expect(client.passedOver(origin.host)).toEqual([]);
  });

  test("a mirror that may only send content is never asked what a tag stands for", async () => {
    const { origin, mirror, image, layer } = await pair();
    const pullOnly = place(mirror, { capabilities: ["pull"] });
    const client = connect(mirrored(origin, pullOnly));
    await client.head(repo(origin), "1.0");
    await client.manifest(repo(origin), "1.0");
    await client.manifest(repo(origin), image.manifest.digest);
    await collect(client.blob(repo(origin), layer));
    expect(urls(origin)).toEqual([
      "HEAD /v2/team/app/manifests/1.0",
      "GET /v2/team/app/manifests/1.0",
    ]);
    expect(urls(mirror)).toEqual([
      expect.stringContaining(`/manifests/${image.manifest.digest}`),
      expect.stringContaining(`/blobs/${layer.digest}`),
    ]);
  });

  test("mirrors hear which registry is meant, and the registry does not", async () => {
    const { origin, mirror, layer } = await pair();
    mirror.faults.push({ on: { path: BLOBS }, do: "status", status: 404 });
    const client = connect(mirrored(origin, mirror));
    await client.manifest(repo(origin), "1.0");
    await collect(client.blob(repo(origin), layer));
    const ns = `?ns=${encodeURIComponent(origin.host)}`;
    expect(urls(mirror)).toEqual([
      `GET /v2/team/app/manifests/1.0${ns}`,
      `GET /v2/team/app/blobs/${layer.digest}${ns}`,
    ]);
    expect(urls(origin)).toEqual([`GET /v2/team/app/blobs/${layer.digest}`]);
  });

  test("below a path of its own, with and without /v2", async () => {
    const { origin, image } = await pair();
    const mirror = await serve();
    mirror.addImage("cache/hub/team/app", "1.0", [LAYER]);
    const path = place(mirror, {
      url: `${mirror.url}/v2/cache/hub`,
      overridePath: true,
    });
    const client = connect(mirrored(origin, path));
    const { digest } = await client.manifest(repo(origin), "1.0");
    expect(digest).toBe(image.manifest.digest);
    expect(mirror.requests[0]?.url).toMatch(
      /^\/v2\/cache\/hub\/team\/app\/manifests\/1\.0\?ns=/,
    );
    const other = place(mirror, { url: `${mirror.url}/below` });
    const lost = connect(mirrored(origin, other));
    await lost.manifest(repo(origin), "1.0");
    expect(mirror.requests[1]?.url).toMatch(/^\/below\/v2\/team\/app\//);
    expect(origin.requests).toHaveLength(1);
  });

  test("headers of a mirror are for it alone: not for the next, and not for where it redirects", async () => {
    const storage = await serve();
    storage.addBlob(LAYER);
    const origin = await serve();
    const mirror = await serve({ redirectBlobsTo: storage });
    const { layers } = mirror.addImage("team/app", "1.0", [LAYER]);
    origin.addImage("team/app", "1.0", [LAYER]);
    const [layer] = layers as unknown as [{ digest: Digest; size: number }];
    const headers = { "x-cache-key": "k-1" };
    const client = connect(mirrored(origin, place(mirror, { headers })));
    mirror.faults.push({ do: "status", status: 404 });
    await client.manifest(repo(origin), "1.0");
    await collect(client.blob(repo(origin), layer));
    const seen = ({ requests }: FaultRegistry) =>
      requests.map((request) => request.headers["x-cache-key"]);
    expect(seen(mirror)).toEqual(["k-1", "k-1"]);
    expect(seen(origin)).toEqual([undefined]);
    expect(seen(storage)).toEqual([undefined]);
  });
});

describe("a mirror that lacks the content", () => {
  test("is asked for other things, until it has lacked three in a row", async () => {
    const origin = await serve();
    const mirror = await serve();
    const blobs = Array.from({ length: 8 }, (_, n) => noise(1000 + n));
    const known = new Set([2, 6, 7]);
    const addresses = blobs.map((bytes, n) => {
      if (known.has(n)) mirror.addBlob(bytes);
      return origin.addBlob(bytes) as unknown as Pair["layer"];
    });
    const client = connect(mirrored(origin, mirror));
    for (const [n, address] of addresses.entries()) {
      const bytes = await collect(client.blob(repo(origin), address));
      expect(bytes.equals(blobs[n] as Buffer)).toBe(true);
    }
    // Two misses, a hit, three misses: after these it is not asked for what it has.
    expect(mirror.requests).toHaveLength(6);
    expect(client.passedOver(origin.host)).toMatchObject([
      { host: mirror.host, code: "BLOB_UNKNOWN" },
    ]);
    expect(client.warnings).toHaveLength(1);
  });

  test("is not asked for the same once more", async () => {
    const { origin, mirror, layer } = await pair();
    mirror.blobs.clear();
    const client = connect(mirrored(origin, mirror));
    await collect(client.blob(repo(origin), layer));
    await collect(client.blob(repo(origin), layer));
    expect(mirror.requests).toHaveLength(1);
    expect(origin.requests).toHaveLength(2);
    expect(client.warnings).toEqual([]);
  });
});

describe("a mirror that fails", () => {
  const failures: [string, string, Fault][] = [
    ["500", "REGISTRY_ERROR", { do: "status", status: 500 }],
    ["403", "DENIED", { do: "status", status: 403 }],
    ["401 that no token helps", "UNAUTHORIZED", { do: "status", status: 401 }],
    ["429", "TOO_MANY_REQUESTS", { do: "status", status: 429 }],
    ["resets", "NETWORK_RESET", { do: "reset" }],
    ["stalled bodies", "NETWORK_STALLED", { do: "stall", after: 10 }],
    [
      "a web page",
      "NOT_A_REGISTRY",
      {
        do: "status",
        status: 404,
        headers: { "content-type": "text/html" },
        body: "<html>",
      },
    ],
  ];
  test.each(failures)(
    "%s: passed over for the run, and named once",
    async (_name, code, fault) => {
      const { origin, mirror, image, layer } = await pair();
      mirror.faults.push({ times: 99, ...fault });
      const client = connect(mirrored(origin, mirror));
      await client.manifest(repo(origin), "1.0");
      const asked = mirror.requests.length;
      expect(asked).toBeLessThanOrEqual(2);
      await client.bytes(repo(origin), configOf(image));
      expect(
        (await collect(client.blob(repo(origin), layer))).equals(LAYER),
      ).toBe(true);
      expect(mirror.requests).toHaveLength(asked);
      expect(client.passedOver(origin.host)).toMatchObject([
        { registry: origin.host, host: mirror.host, code },
      ]);
      expect(client.warnings).toEqual([
        {
          code: "MIRROR_PASSED_OVER",
          message: expect.stringContaining(
            `mirror ${mirror.host} of ${origin.host} is passed over: `,
          ),
        },
      ]);
    },
  );

  test("nobody listens there", async () => {
    const { origin, mirror, layer } = await pair();
    await mirror.close();
    const client = connect(mirrored(origin, mirror));
    await client.manifest(repo(origin), "1.0");
    await collect(client.blob(repo(origin), layer));
    expect(client.passedOver(origin.host)).toMatchObject([
      { host: mirror.host, code: "NETWORK_REFUSED" },
    ]);
    expect(client.warnings).toHaveLength(1);
  });

  test("it takes connections and says nothing: asked once, and not for long", async () => {
    const { origin, mirror } = await pair();
    mirror.faults.push({ do: "stall", times: 99 });
    const client = connect({
      ...mirrored(origin, mirror),
      headersTimeoutMs: 100,
    });
    await client.manifest(repo(origin), "1.0");
    expect(mirror.requests).toHaveLength(1);
    expect(client.passedOver(origin.host)).toMatchObject([
      { host: mirror.host, code: "NETWORK_TIMEOUT" },
    ]);
  });

  test("and then the registry itself: what the mirror said is told, too", async () => {
    const { origin, mirror } = await pair();
    const client = connect(mirrored(origin, mirror));
    await origin.close();
    await expect(client.manifest(repo(origin), "9")).rejects.toMatchObject({
      code: "NETWORK_REFUSED",
      hint: expect.stringContaining(
        `Asked before: the mirror ${mirror.host} does not have it.`,
      ),
    });
  });

  test("several at once that meet the same failure name it once", async () => {
    const { origin, mirror, layer } = await pair();
    mirror.faults.push({ do: "status", status: 500, times: 99 });
    const client = connect(mirrored(origin, mirror));
    await Promise.all(
      [0, 1, 2, 3].map(() => collect(client.blob(repo(origin), layer))),
    );
    expect(client.passedOver(origin.host)).toHaveLength(1);
    expect(client.warnings).toHaveLength(1);
  });

  test("in the middle of a blob: the next goes on at that byte", async () => {
    const { origin, mirror, layer } = await pair();
    mirror.faults.push(
      { do: "truncate", after: 100_000 },
      { do: "status", status: 503, times: 9 },
    );
    const client = connect(mirrored(origin, mirror));
    const resumed: number[] = [];
    const counts: Record<string, number> = {};
    const stream = client.blob(repo(origin), layer, {
      onResume: (offset) => resumed.push(offset),
      onReceived: (host, bytes) => {
        counts[host] = (counts[host] ?? 0) + bytes;
      },
    });
    expect((await collect(stream)).equals(LAYER)).toBe(true);
    expect(origin.requests.map(({ headers }) => headers["range"])).toEqual([
      "bytes=100000-",
    ]);
    expect(resumed).toEqual([100_000]);
    expect(counts).toEqual({
      [mirror.host]: 100_000,
      [origin.host]: LAYER.length - 100_000,
    });
    expect(client.retries.map(({ host }) => host)).toContain(mirror.host);
  });

  test("a blob of another size there: the next is asked", async () => {
    const { origin, mirror, layer } = await pair();
    mirror.blobs.set(layer.digest, Buffer.concat([LAYER, LAYER]));
    const client = connect(mirrored(origin, mirror));
    const bytes = await collect(client.blob(repo(origin), layer));
    expect(bytes.equals(LAYER)).toBe(true);
    expect(client.passedOver(origin.host)).toMatchObject([
      { code: "SIZE_MISMATCH" },
    ]);
  });

  test("all of them: the error is what the registry itself says", async () => {
    const { origin, mirror } = await pair();
    const second = await serve();
    second.faults.push({ do: "status", status: 500, times: 99 });
    const client = connect(mirrored(origin, mirror, second));
    await expect(client.manifest(repo(origin), "2.0")).rejects.toMatchObject({
      code: "MANIFEST_UNKNOWN",
      message: expect.stringContaining(`${origin.host}/team/app`),
      details: { host: origin.host },
    });
    const closed = await pair();
    await closed.origin.close();
    await closed.mirror.close();
    const down = connect(mirrored(closed.origin, closed.mirror));
    await expect(
      down.manifest(repo(closed.origin), "1.0"),
    ).rejects.toMatchObject({
      code: "NETWORK_REFUSED",
      details: { host: closed.origin.host },
    });
  });

  test("no host that may do it: said before anybody is asked", async () => {
    const { mirror } = await pair();
    const pullOnly = place(mirror, { capabilities: ["pull"] });
    const client = connect({ hosts: async () => [pullOnly] });
    const repository = { registry: "registry.test", repository: "team/app" };
    await expect(client.manifest(repository, "1.0")).rejects.toMatchObject({
      code: "NO_HOST",
    });
    expect(mirror.requests).toEqual([]);
  });
});

describe("wrong bytes of a mirror", () => {
  test("in a manifest: the next is asked", async () => {
    const { origin, mirror, image } = await pair();
    mirror.faults.push({ do: "corrupt", at: 9 });
    const client = connect(mirrored(origin, mirror));
    const { digest } = image.manifest;
    const manifest = await client.manifest(repo(origin), digest);
    expect(manifest.digest).toBe(digest);
    expect(client.passedOver(origin.host)).toMatchObject([
      { host: mirror.host, code: "DIGEST_MISMATCH" },
    ]);
  });

  test("in a config: it is passed over, and the config comes from the next", async () => {
    const { origin, mirror, image } = await pair();
    mirror.faults.push({ do: "corrupt", at: 9 });
    const client = connect(mirrored(origin, mirror));
    const bytes = await client.bytes(repo(origin), configOf(image));
    expect(bytes.equals(origin.blobs.get(image.config.digest)!)).toBe(true);
    expect(client.passedOver(origin.host)).toMatchObject([
      { host: mirror.host, code: "DIGEST_MISMATCH" },
    ]);
    expect(urls(origin)).toEqual([
      `GET /v2/team/app/blobs/${image.config.digest}`,
    ]);
  });

  test("in one part of two: only mirrors are distrusted", async () => {
    const { origin, mirror, layer } = await pair();
    const client = connect(mirrored(origin, mirror));
    const error = new Error("wrong");
    const { host } = origin;
    expect(await client.distrust(repo(origin), layer, [host], error)).toBe(
      false,
    );
    const both = [host, mirror.host];
    expect(await client.distrust(repo(origin), layer, both, error)).toBe(true);
    expect(client.passedOver(host)).toMatchObject([{ host: mirror.host }]);
  });
});

describe("what a mirror never learns", () => {
  test("the registry's credentials and tokens; and each has its own", async () => {
    const origin = await serve({ auth: { users: { ann: "origin-secret" } } });
    const mirror = await serve({ auth: { users: { bob: "mirror-secret" } } });
    const { layers } = origin.addImage("team/app", "1.0", [LAYER]);
    mirror.addImage("team/app", "1.0", [LAYER]);
    mirror.blobs.clear();
    const [layer] = layers as unknown as [Pair["layer"]];
    // Else both would give out the same words.
    const bob = Buffer.from("bob:mirror-secret").toString("base64");
    await fetch(`${mirror.url}/token`, {
      headers: { authorization: `Basic ${bob}` },
    });
    const asked: string[] = [];
    const client = connect({
      ...mirrored(origin, mirror),
      credentials: async (host) => {
        asked.push(host);
        return host === mirror.host
          ? { kind: "password", username: "bob", password: "mirror-secret" }
          : { kind: "password", username: "ann", password: "origin-secret" };
      },
    });
    await client.manifest(repo(origin), "1.0");
    await collect(client.blob(repo(origin), layer));
    expect(new Set(asked)).toEqual(new Set([mirror.host, origin.host]));
    expect(mirror.tokens?.asked.map(({ user }) => user)).toEqual([
      "bob",
      "bob",
    ]);
    expect(origin.tokens?.asked.map(({ user }) => user)).toEqual(["ann"]);
    const authorizations = ({ requests }: FaultRegistry) =>
      requests.flatMap(({ headers }) => headers["authorization"] ?? []);
    const own = new Set(authorizations(origin));
    for (const value of authorizations(mirror))
      expect(own).not.toContain(value);
    const sent = JSON.stringify(mirror.requests);
    const secret = Buffer.from("ann:origin-secret").toString("base64");
    expect(sent).not.toContain(secret);
    expect(sent).not.toContain("origin-secret");
  });

  test("a mirror that wants credentials nobody has is passed over, and the registry asked as ever", async () => {
    const origin = await serve({ auth: { users: { ann: "origin-secret" } } });
    const mirror = await serve({ auth: { users: { bob: "mirror-secret" } } });
    origin.addImage("team/app", "1.0", [LAYER]);
    mirror.addImage("team/app", "1.0", [LAYER]);
    const client = connect({
      ...mirrored(origin, mirror),
      credentials: async (host) =>
        host === origin.host
          ? { kind: "password", username: "ann", password: "origin-secret" }
          : undefined,
    });
    await client.manifest(repo(origin), "1.0");
    expect(client.passedOver(origin.host)).toMatchObject([
      { host: mirror.host, code: "UNAUTHORIZED" },
    ]);
    expect(JSON.stringify(mirror.requests)).not.toContain(
      Buffer.from("ann:origin-secret").toString("base64"),
    );
  });
});

describe("large blobs of a mirror", () => {
  const MB = 1024 * 1024;
  const BIG = noise(12 * MB);

  test.each([
    ["a cache that fills itself is not asked for parts", undefined],
    ["one that offers parts is", "bytes"],
  ])("%s", async (_name, offered) => {
    const origin = await serve();
    const mirror = await serve();
    const { digest, size } = mirror.addBlob(BIG);
    const way = { connectionRate: 8 * MB, roundTripMs: 10 };
    const link = await Link.to(mirror.host, way);
    onTestFinished(() => link.stop());
    mirror.faults.push({
      on: { path: BLOBS, range: false },
      do: "headers",
      headers: { "accept-ranges": offered },
    });
    const client = connect({
      ...mirrored(origin, place(link)),
      flow: HASTY,
      stallMs: 1000,
    });
    const blob = { digest: digest as Digest, size };
    const bytes = await collect(client.blob(repo(origin), blob));
    expect(bytes.equals(BIG)).toBe(true);
    const ranges = mirror.requests.filter(({ headers }) => headers["range"]);
    expect(ranges.length > 0).toBe(offered !== undefined);
    expect(origin.requests).toEqual([]);
    expect(client.passedOver(origin.host)).toEqual([]);
  });
});
