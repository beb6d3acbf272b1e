import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { Client, request } from "undici";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Content } from "#src/serve/content.js";
import type { Exchange } from "#src/serve/exchange.js";
import { memoryContent } from "#src/serve/memory-content.js";
import { startRegistryServer } from "#src/serve/server.js";
import type {
  RegistryServer,
  RegistryServerOptions,
} from "#src/serve/server.js";
import { MOST_UNANSWERED } from "#src/serve/unanswered.js";
import { digestOf } from "#store/digest.js";

const digest = digestOf("any");
const BLOB = `/v2/r/blobs/${digest}`;
const GET_BLOB = `GET ${BLOB} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** One repository with one blob that reads as `open` says. */
function blobContent(size: number, open: () => Readable): Content {
  return {
    repository: async () => ({
      manifest: async () => undefined,
      blob: async () => ({ size, open }),
      tags: async () => [],
      referrers: async () => [],
    }),
    repositories: async () => ["r"],
  };
}

async function start(
  content: Content,
  options: Partial<RegistryServerOptions> = {},
): Promise<RegistryServer> {
  const server = await startRegistryServer({
    content,
    closeGraceMs: 0,
    ...options,
  });
  onTestFinished(() => server.close());
  return server;
}

async function dial(server: RegistryServer): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

const MEBIBYTE = Buffer.alloc(1024 * 1024);
const LARGE = 1024;

/** A gibibyte that is made as it is read, and a count of what was. */
function largeBlob(): {
  content: Content;
  produced: () => number;
  /** Settles when the blob has been opened. */
  opened: Promise<void>;
  /** Settles when the blob is read no more. */
  closed: Promise<void>;
} {
  let produced = 0;
  let [isOpen, isClosed] = [(): void => undefined, (): void => undefined];
  const opened = new Promise<void>((resolve) => (isOpen = resolve));
  const closed = new Promise<void>((resolve) => (isClosed = resolve));
  function* chunks(): Generator<Buffer> {
    for (; produced < LARGE; produced++) yield MEBIBYTE;
  }
  const content = blobContent(LARGE * MEBIBYTE.length, () => {
    const source = Readable.from(chunks(), { objectMode: false });
    source.on("close", isClosed);
    isOpen();
    return source;
  });
  return { content, produced: () => produced, opened, closed };
}

describe("clients that do not behave", () => {
  it("reads no further than a stalled client takes, and lets it go in the end", async () => {
    const { content, produced, opened, closed } = largeBlob();
    const server = await start(content, { idleTimeoutMs: 100 });
    const stalled = await dial(server);
    stalled.pause();
    stalled.write(GET_BLOB);
    await opened;
    const others = await Promise.all(
      [1, 2, 3].map(async () =>
        (await request(`${server.url}/v2/`)).body.text(),
      ),
    );
    expect(others).toEqual(["{}", "{}", "{}"]);
    await closed;
    expect(produced()).toBeLessThan(64);
  });

  it("stops reading when a client goes away", async () => {
    const { content, produced, opened, closed } = largeBlob();
    const errors: unknown[] = [];
    const server = await start(content, { onError: (e) => errors.push(e) });
    const client = await dial(server);
    client.write(GET_BLOB);
    await opened;
    await once(client, "data");
    client.resetAndDestroy();
    await closed;
    expect(produced()).toBeLessThan(LARGE);
    expect((await request(`${server.url}/v2/`)).statusCode).toBe(200);
    expect(errors).toEqual([]);
  });

  it("are answered in order when they send some requests ahead", async () => {
    const content = memoryContent();
    const server = await start(content);
    const client = await dial(server);
    const targets = Array.from({ length: MOST_UNANSWERED }, (_, at) =>
      at % 2 === 0 ? "/v2/" : "/v2/none",
    );
    const last = targets.length - 1;
    client.write(
      targets
        .map((target, at) => {
          const connection = at === last ? "close" : "keep-alive";
          return `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: ${connection}\r\n\r\n`;
        })
        .join(""),
    );
    const statuses = (await text(client)).match(/HTTP\/1\.1 \d+/g);
    expect(statuses).toEqual(
      targets.map((target) => `HTTP/1.1 ${target === "/v2/" ? 200 : 404}`),
    );
  });

  it("are cut off when they send requests without end and never read", async () => {
    let begun = 0;
    let ended = 0;
    let most = 0;
    const server = await start(memoryContent(), {
      onBegin: () => (most = Math.max(most, ++begun - ended)),
      onEnd: () => (ended += 1),
    });
    const many = GET_BLOB.repeat(20_000);
    const clients = await Promise.all([1, 2, 3].map(() => dial(server)));
    const gone = clients.map(async (client) => {
      client.pause();
      client.on("error", () => {});
      client.write(many);
      await new Promise((resolve) => client.resume().once("close", resolve));
    });
    await Promise.all(gone);
    expect((await request(`${server.url}/v2/`)).statusCode).toBe(200);
    expect(most).toBeLessThanOrEqual(clients.length * MOST_UNANSWERED);
    expect(begun).toBeLessThan(10_000);
    await vi.waitUntil(() => ended === begun);
  });

  it("leave nothing behind when they hang up with requests that wait for their turn", async () => {
    const { content, opened, closed } = largeBlob();
    const exchanges: Exchange[] = [];
    let begun = 0;
    const server = await start(content, {
      onBegin: () => (begun += 1),
      onEnd: (exchange) => exchanges.push(exchange),
    });
    const client = await dial(server);
    client.write(GET_BLOB.repeat(5));
    await opened;
    client.resetAndDestroy();
    await closed;
    await vi.waitUntil(() => exchanges.length === 5);
    expect(begun).toBe(5);
    expect(exchanges.every(({ aborted }) => aborted)).toBe(true);
    expect(exchanges.map(({ remote }) => remote)).toEqual(
      Array(5).fill("127.0.0.1"),
    );
    await server.close();
    expect(exchanges).toHaveLength(5);
  });

  it.each(["\x16\x03\x01\x02\x00", "GET\r\n\r\n", "GET /v2/ HTTP/1.1\r\n\0"])(
    "survives %j",
    async (bytes) => {
      const server = await start(memoryContent());
      const client = await dial(server);
      client.end(bytes);
      await text(client);
      expect((await request(`${server.url}/v2/`)).statusCode).toBe(200);
    },
  );

  it("does not ask for a body that it would not read", async () => {
    const server = await start(memoryContent());
    const client = await dial(server);
    client.write(
      "PUT /v2/r/manifests/latest HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n",
    );
    expect(await text(client)).toMatch(/^HTTP\/1.1 405 /);
  });
});

describe("content that fails", () => {
  it("is status 500 before the reply, without a word about why", async () => {
    const errors: unknown[] = [];
    const failure = new Error("disk /secret/path is gone");
    const content: Content = {
      repository: () => Promise.reject(failure),
      repositories: () => Promise.reject(failure),
    };
    const server = await start(content, { onError: (e) => errors.push(e) });
    const reply = await request(server.url + BLOB);
    expect(reply.statusCode).toBe(500);
    const body = await reply.body.text();
    expect(JSON.parse(body)).toMatchObject({ errors: [{ code: "UNKNOWN" }] });
    expect(body).not.toContain("secret");
    expect(errors).toEqual([failure]);
  });

  it("is status 500 when it cannot be opened", async () => {
    const content = blobContent(10, () => {
      throw new Error("cannot be opened");
    });
    const server = await start(content);
    const reply = await request(server.url + BLOB);
    expect(reply.statusCode).toBe(500);
    expect(reply.headers["docker-content-digest"]).toBe(undefined);
    await reply.body.dump();
  });

  function* breaking(): Generator<Buffer> {
    yield Buffer.from("12345");
    throw new Error("bad sector");
  }
  it.each([
    ["short", () => Readable.from([Buffer.from("12345")])],
    [
      "long",
      () => Readable.from(["12345", "678901"].map((s) => Buffer.from(s))),
    ],
    ["broken", () => Readable.from(breaking())],
  ])("never ends well for the client when it is %s", async (_, open) => {
    const errors: unknown[] = [];
    const server = await start(blobContent(10, open), {
      onError: (error) => errors.push(error),
    });
    const whole = request(server.url + BLOB).then(({ body }) => body.text());
    await expect(whole).rejects.toThrow();
    expect(errors).toEqual([
      expect.objectContaining({ code: "SERVE_CONTENT_FAILED" }),
    ]);
  });
});

describe("close", () => {
  /** A blob of two bytes whose second one waits. */
  function halves(): { content: Content; finish: () => void } {
    let finish = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (finish = resolve));
    async function* bytes(): AsyncGenerator<Buffer> {
      yield Buffer.from("1");
      await waiting;
      yield Buffer.from("2");
    }
    return { content: blobContent(2, () => Readable.from(bytes())), finish };
  }

  it("lets a reply end, then hangs up and takes no more", async () => {
    const { content, finish } = halves();
    const server = await start(content, { closeGraceMs: 60_000 });
    const client = new Client(server.url);
    const { body } = await client.request({ method: "GET", path: BLOB });
    const closed = server.close();
    finish();
    expect(await body.text()).toBe("12");
    await closed;
    await expect(server.close()).resolves.toBe(undefined);
    await expect(dial(server)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await client.close();
  });

  it("does not wait for idle connections", async () => {
    const server = await start(memoryContent(), { closeGraceMs: 60_000 });
    const client = new Client(server.url);
    const { body } = await client.request({ method: "GET", path: "/v2/" });
    await body.dump();
    await server.close();
    await client.close();
  });

  it("cuts a reply that outlasts the grace", async () => {
    const { content } = halves();
    const server = await start(content, { closeGraceMs: 20 });
    const { body } = await request(server.url + BLOB);
    const read = body.text();
    const failed = expect(read).rejects.toThrow();
    await server.close();
    await failed;
  });
});

describe("address", () => {
  it("is a loopback address and a free port by default", async () => {
    const server = await start(memoryContent());
    expect(server.host).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(server.url).toBe(`http://${server.host}`);
  });

  const loopback = Object.values(networkInterfaces()).flat();
  it.skipIf(!loopback.some((entry) => entry?.address === "::1"))(
    "has brackets for IPv6 (needs ::1)",
    async () => {
      const server = await start(memoryContent(), { host: "::1" });
      expect(server.host).toMatch(/^\[::1\]:\d+$/);
      expect((await request(`${server.url}/v2/`)).statusCode).toBe(200);
    },
  );

  it("says so when it cannot be had", async () => {
    const server = await start(memoryContent());
    const port = Number(new URL(server.url).port);
    await expect(start(memoryContent(), { port })).rejects.toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining(`127.0.0.1 port ${port}`) as string,
      hint: expect.any(String) as string,
    });
  });
});
