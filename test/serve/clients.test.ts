// Clients that are slow, rude or many: each costs its own connection and nothing else.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { request } from "undici";
import { describe, expect, it, onTestFinished } from "vitest";
import { memoryContent } from "#src/serve/memory-content.js";
import type { MemoryContent } from "#src/serve/memory-content.js";
import {
  startRegistryServer,
  type RegistryServer,
  type RegistryServerOptions,
} from "#src/serve/server.js";

async function start(
  options: Partial<RegistryServerOptions> = {},
  content: MemoryContent = memoryContent(),
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
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

const ping = async (server: RegistryServer): Promise<number> => {
  const { statusCode, body } = await request(`${server.url}/v2/`);
  await body.dump();
  return statusCode;
};

describe("headers", () => {
  it.each([
    ["that never come", ""],
    ["that never end", "GET /v2/ HTTP/1.1\r\nHost: x\r\nX: "],
  ])("%s end the connection", async (_, begin) => {
    const server = await start({ requestTimeoutMs: 200 });
    const slow = await dial(server);
    slow.write(begin || "G");
    expect(await text(slow)).toMatch(/^(HTTP\/1\.1 408 |$)/);
    expect(await ping(server)).toBe(200);
  });

  it("that are too many are refused", async () => {
    const server = await start();
    const client = await dial(server);
    client.write(
      `GET /v2/ HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
    );
    expect(await text(client)).toMatch(/^HTTP\/1\.1 431 /);
    expect(await ping(server)).toBe(200);
  });
});

describe("bodies", () => {
  it.each(["Content-Length: 1000000000000", "Transfer-Encoding: chunked"])(
    "are not waited for (%s)",
    async (header) => {
      const server = await start();
      const client = await dial(server);
      client.write(
        `POST /v2/r/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n${header}\r\n\r\n`,
      );
      const reply = await text(client);
      expect(reply).toMatch(/^HTTP\/1\.1 405 /);
      expect(reply).toMatch(/\r\nConnection: close\r\n/i);
    },
  );
});

it("turns away whom it has no room for, and takes them later", async () => {
  const server = await start({ maxConnections: 3 });
  const first = await Promise.all([1, 2, 3].map(() => dial(server)));
  await expect.poll(() => server.connections()).toBe(3);
  const fourth = await dial(server);
  fourth.write("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await text(fourth)).toBe("");
  first[0]?.destroy();
  await expect.poll(() => server.connections()).toBe(2);
  expect(await ping(server)).toBe(200);
});

it("brings hundreds of clients of one blob to their end, with others stalled", async () => {
  const content = memoryContent();
  const bytes = Buffer.alloc(700_000, "layer");
  const target = `/v2/r/blobs/${content.addBlob("r", bytes)}`;
  const server = await start({}, content);
  for (let n = 0; n < 40; n += 1) {
    const stalled = await dial(server);
    stalled.pause();
    stalled.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
  }
  const lengths = await Promise.all(
    Array.from({ length: 300 }, async () => {
      const client = await dial(server);
      client.write(
        `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      let length = 0;
      for await (const chunk of client) length += (chunk as Buffer).length;
      return length;
    }),
  );
  for (const length of lengths) expect(length).toBeGreaterThan(bytes.length);
  await expect.poll(() => server.connections()).toBe(40);
  expect(await ping(server)).toBe(200);
});

it("answers small requests while large ones are under way", async () => {
  const content = memoryContent();
  const bytes = Buffer.alloc(8_000_000);
  const target = `/v2/r/blobs/${content.addBlob("r", bytes)}`;
  const server = await start({}, content);
  const order: string[] = [];
  const large = Promise.all(
    Array.from({ length: 50 }, async () => {
      const { body } = await request(server.url + target);
      await body.arrayBuffer();
      order.push("large");
    }),
  );
  for (let n = 0; n < 5; n += 1) {
    await ping(server);
    order.push("small");
  }
  await large;
  expect(order.indexOf("large")).toBeGreaterThanOrEqual(5);
});
