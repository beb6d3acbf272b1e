import type { Descriptor } from "#src/registry/manifest.js";
import { describe, expect, test } from "vitest";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { collect, connect, noise, repo, serve } from "./client.js";

const LAYER = noise(50_000);
const users = { ann: "secret-password" };
const credentials = async () =>
  ({ kind: "password", username: "ann", password: "secret-password" }) as const;

/** Redirects the next request there. */
function redirect(from: FaultRegistry, location: string, status = 307): void {
  from.faults.push({
    on: { path: /blobs/ },
    do: "status",
    status,
    headers: { location },
  });
}

async function withLayer(options: Parameters<typeof serve>[0] = {}) {
  const registry = await serve(options);
  const layer = registry.addBlob(LAYER) as Descriptor;
  return { registry, layer };
}

describe("what a redirect target is told", () => {
  test("another host, port or scheme gets no Authorization, but the rest", async () => {
    const storage = await serve();
    storage.addBlob(LAYER);
    const { registry, layer } = await withLayer({
      auth: { users, basic: true },
      redirectBlobsTo: storage,
    });
    const client = connect({ credentials });
    const got = client.blob(repo(registry), layer, { from: 10 });
    expect((await collect(got)).equals(LAYER.subarray(10))).toBe(true);
    expect(registry.requests.at(-1)?.headers["authorization"]).toMatch(
      /^Basic/,
    );
    const [request] = storage.requests;
    expect(request?.headers).not.toHaveProperty("authorization");
    expect(request?.headers).not.toHaveProperty("cookie");
    expect(request?.headers).toMatchObject({
      range: "bytes=10-",
      "accept-encoding": "identity",
      accept: "*/*",
    });
  });

  test("the registry itself under another path keeps it", async () => {
    const { registry, layer } = await withLayer({
      auth: { users, basic: true },
    });
    registry.faults.push({
      on: { path: /team\/app\/blobs/ },
      do: "headers",
      headers: {},
    });
    const client = connect({ credentials });
    await collect(client.blob(repo(registry), layer));
    redirect(registry, `/v2/team/other/blobs/${layer.digest}`, 302);
    await collect(client.blob(repo(registry), layer));
    expect(registry.requests.at(-1)?.url).toContain("team/other");
    expect(registry.requests.at(-1)?.headers["authorization"]).toMatch(
      /^Basic/,
    );
  });

  test("what was dropped once stays dropped on the way back", async () => {
    const { registry, layer } = await withLayer({
      auth: { users, basic: true },
    });
    const other = await serve();
    const client = connect({ credentials });
    await collect(client.blob(repo(registry), layer));
    redirect(registry, `${other.url}/blobs/hop`);
    redirect(other, `${registry.url}/v2/team/app/blobs/${layer.digest}`);
    await expect(
      collect(client.blob(repo(registry), layer)),
    ).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    const last = registry.sent(/blobs/).at(-1);
    expect(last?.headers).not.toHaveProperty("authorization");
  });

  test("a target that asks for a token itself gets an anonymous one", async () => {
    const storage = await serve({ auth: {} });
    storage.addBlob(LAYER);
    const { registry, layer } = await withLayer({
      auth: { users },
    });
    for (let times = 0; times < 2; times++) {
      redirect(registry, `${storage.url}/v2/cdn/app/blobs/${layer.digest}`);
    }
    // Without a redirect first, so that the registry's token is there.
    registry.addManifest("team/app", "1.0", {});
    const client = connect({ credentials });
    await client.manifest(repo(registry), "1.0");
    for (let times = 0; times < 2; times++) {
      const bytes = await collect(client.blob(repo(registry), layer));
      expect(bytes.equals(LAYER)).toBe(true);
    }
    expect(storage.tokens?.asked).toEqual([
      expect.objectContaining({
        user: undefined,
        scopes: ["repository:cdn/app:pull"],
      }),
      expect.objectContaining({ user: undefined }),
    ]);
    const tokens = storage
      .sent(/blobs/)
      .map(({ headers }) => headers["authorization"]);
    expect(tokens[0]).toBeUndefined();
    expect(tokens[1]).toMatch(/^Bearer token-1-/);
  });
});

test("a target that asks for a token sees nothing of what the registry's host is told", async () => {
  const storage = await serve({ auth: {} });
  storage.addBlob(LAYER);
  const { registry, layer } = await withLayer();
  redirect(registry, `${storage.url}/v2/cdn/app/blobs/${layer.digest}`);
  const client = connect({
    hosts: async () => [
      {
        url: registry.url,
        origin: true,
        capabilities: ["pull", "resolve"],
        overridePath: false,
        headers: { "x-api-key": "for-the-registry", cookie: "session=1" },
        connection: { verify: true },
        plainHttpFallback: false,
      },
    ],
  });
  const bytes = await collect(client.blob(repo(registry), layer));
  expect(bytes.equals(LAYER)).toBe(true);
  expect(registry.requests[0]?.headers).toMatchObject({
    "x-api-key": "for-the-registry",
  });
  expect(storage.requests.length).toBeGreaterThan(2);
  for (const { headers } of storage.requests) {
    expect(headers).not.toHaveProperty("x-api-key");
    expect(headers).not.toHaveProperty("cookie");
  }
});

describe("where a redirect may not lead", () => {
  test("ten hops are followed, eleven are not", async () => {
    const { registry, layer } = await withLayer();
    const hop = `/v2/team/app/blobs/${layer.digest}`;
    for (let times = 0; times < 10; times++) redirect(registry, hop);
    await collect(connect().blob(repo(registry), layer));
    expect(registry.requests).toHaveLength(11);
    for (let times = 0; times < 11; times++) redirect(registry, hop);
    await expect(
      collect(connect().blob(repo(registry), layer)),
    ).rejects.toMatchObject({
      code: "REDIRECT_REFUSED",
      message: expect.stringContaining("more than 10 times"),
    });
  });

  test("from https to http", async () => {
    const plain = await serve();
    const { registry, layer } = await withLayer({ tls: true });
    redirect(registry, `${plain.url}/x?signature=very-secret`);
    const error = await collect(
      connect().blob(
        { registry: `registry.test:${registry.port}`, repository: "team/app" },
        layer,
      ),
    ).catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: "REDIRECT_REFUSED",
      message: expect.stringContaining("redirects to plain HTTP"),
    });
    expect(JSON.stringify(error)).not.toContain("very-secret");
    expect(plain.requests).toEqual([]);
  });

  test.each(["ftp://cdn.test/x", "file:///etc/passwd", "http://[", "data:,x"])(
    "%s",
    async (location) => {
      const { registry, layer } = await withLayer();
      redirect(registry, location);
      await expect(
        collect(connect().blob(repo(registry), layer)),
      ).rejects.toMatchObject({ code: "REDIRECT_REFUSED", retryable: false });
    },
  );

  test("nowhere: a redirect without a target is an error", async () => {
    const { registry, layer } = await withLayer();
    registry.faults.push({ do: "status", status: 307 });
    await expect(
      collect(connect().blob(repo(registry), layer)),
    ).rejects.toMatchObject({
      code: "REGISTRY_ERROR",
      details: { status: 307 },
    });
  });

  test("user info in a target is neither used nor shown", async () => {
    const storage = await serve();
    const { registry, layer } = await withLayer();
    redirect(registry, `http://user:hidden-word@${storage.host}/blobs/x`);
    const error = await collect(connect().blob(repo(registry), layer)).catch(
      (error: unknown) => error,
    );
    expect(storage.requests[0]?.headers).not.toHaveProperty("authorization");
    expect(JSON.stringify(error)).not.toContain("hidden-word");
  });

  test("a POST with a secret goes nowhere else", async () => {
    const other = await serve();
    const registry = await serve({
      auth: { identityTokens: ["refresh-secret"] },
    });
    registry.addImage("team/app", "1.0", []);
    registry.faults.push({
      on: { path: /token/ },
      do: "status",
      status: 307,
      headers: { location: `${other.url}/token` },
    });
    const client = connect({
      credentials: async () => ({ kind: "identity", token: "refresh-secret" }),
    });
    await expect(client.manifest(repo(registry), "1.0")).rejects.toMatchObject({
      details: { status: 307 },
    });
    expect(other.requests).toEqual([]);
  });
});
