import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Descriptor } from "#src/registry/manifest.js";
import { describe, expect, onTestFinished, test } from "vitest";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { collect, connect, noise, repo, serve } from "./client.js";

const LAYER = noise(400_000);

async function withLayer(): Promise<[FaultRegistry, Descriptor]> {
  const registry = await serve();
  const image = registry.addImage("team/app", "1.0", [LAYER]);
  return [registry, image.layers[0] as Descriptor];
}

/** How long a promise takes to fail with ABORTED. */
async function untilAborted(work: Promise<unknown>): Promise<number> {
  const started = performance.now();
  await expect(work).rejects.toMatchObject({ code: "ABORTED" });
  return performance.now() - started;
}

const PROMPT_MS = 500;

/** Uses a client for all kinds of requests, closes it while one stalls, and tells what is left. */
const CLOSING_PROCESS = `
import { createRegistryClient } from "#src/registry/client.js";
const repository = { registry: process.env.HOST, repository: "team/app" };
const blob = JSON.parse(process.env.BLOB);
const client = createRegistryClient();
await client.manifest(repository, "1.0");
for await (const chunk of client.blob(repository, blob)) void chunk;
const stalled = client.blob(repository, blob, { from: 1 })[Symbol.asyncIterator]();
await stalled.next();
const waiting = stalled.next().catch((error) => error.code);
await client.close();
const turn = () => new Promise((resolve) => setImmediate(resolve));
const left = () => process.getActiveResourcesInfo().filter((name) => /TCP|Timeout/.test(name));
await turn();
console.log(await waiting, left());

const silent = createRegistryClient({ endpoint: () => process.env.SILENT });
const connecting = silent.manifest(repository, "1.0").catch((error) => error.code);
while (!left().includes("TCPSocketWrap")) await turn();
await silent.close();
await turn();
console.log(await connecting, left());
`;

describe("a signal ends every wait at once", () => {
  test("before anything has begun", async () => {
    const [registry, layer] = await withLayer();
    const signal = AbortSignal.abort();
    const client = connect({ signal });
    await untilAborted(client.manifest(repo(registry), "1.0"));
    await untilAborted(collect(client.blob(repo(registry), layer)));
    const other = connect();
    await untilAborted(other.head(repo(registry), "1.0", { signal }));
    expect(registry.requests).toEqual([]);
  });

  const waits: [string, (registry: FaultRegistry) => void, object][] = [
    [
      "for headers",
      (registry) => registry.faults.push({ do: "stall", times: 9 }),
      {},
    ],
    [
      "for a body",
      (registry) => registry.faults.push({ do: "stall", after: 5, times: 9 }),
      { stallMs: 60_000 },
    ],
    [
      "between two tries",
      (registry) =>
        registry.faults.push({ do: "status", status: 503, times: 9 }),
      { retry: { baseMs: 60_000, maxMs: 60_000 } },
    ],
    [
      "for a paused host",
      (registry) =>
        registry.faults.push({
          do: "status",
          status: 429,
          times: 9,
          headers: { "retry-after": "50" },
        }),
      {},
    ],
  ];
  test.each(waits)("%s", async (_name, arm, options) => {
    const [registry, layer] = await withLayer();
    arm(registry);
    const client = connect({ stallMs: 60_000, ...options });
    const controller = new AbortController();
    const { signal } = controller;
    const work = [
      client.manifest(repo(registry), "1.0", { signal }),
      client.bytes(repo(registry), layer, { signal }),
      collect(client.blob(repo(registry), layer, { signal })),
    ];
    for (const one of work) one.catch(() => undefined);
    await expect.poll(() => registry.requests.length).toBeGreaterThan(0);
    controller.abort();
    for (const one of work) {
      expect(await untilAborted(one)).toBeLessThan(PROMPT_MS);
    }
  });

  test("for a connection", async () => {
    let asked = 0;
    const controller = new AbortController();
    const client = connect({
      network: {
        lookup: () => {
          asked += 1;
        },
      },
    });
    const work = client.manifest(
      { registry: "registry.test", repository: "x" },
      "1",
      { signal: controller.signal },
    );
    work.catch(() => undefined);
    await expect.poll(() => asked).toBe(1);
    controller.abort();
    expect(await untilAborted(work)).toBeLessThan(PROMPT_MS);
  });

  test.each(["manifest", "log-in"])(
    "for the address of a token server, for a %s",
    async (kind) => {
      const [registry] = await withLayer();
      const away = await serve({ auth: { realm: "https://realm.test/token" } });
      let asked = 0;
      const controller = new AbortController();
      const { signal } = controller;
      const client = connect({
        network: {
          lookup: () => {
            asked += 1;
          },
        },
      });
      registry.faults.push({
        do: "status",
        status: 307,
        headers: { location: `${away.url}/v2/team/app/manifests/1.0` },
      });
      const credential = { username: "ann", password: "secret" };
      const work =
        kind === "manifest"
          ? client.manifest(repo(registry), "1.0", { signal })
          : client.prove(
              away.host,
              { kind: "password", ...credential },
              { signal },
            );
      work.catch(() => undefined);
      await expect.poll(() => asked).toBe(1);
      controller.abort();
      expect(await untilAborted(work)).toBeLessThan(PROMPT_MS);
    },
  );

  test("for what is configured for the target of a redirect", async () => {
    const [registry] = await withLayer();
    const location = "http://elsewhere.test/";
    registry.faults.push({ do: "status", status: 307, headers: { location } });
    let asked = 0;
    const controller = new AbortController();
    const client = connect({
      hosts: async (host) => {
        if (host === registry.host) return [];
        asked += 1;
        return new Promise(() => undefined);
      },
    });
    const work = client.manifest(repo(registry), "1.0", {
      signal: controller.signal,
    });
    work.catch(() => undefined);
    await expect.poll(() => asked).toBe(1);
    controller.abort();
    expect(await untilAborted(work)).toBeLessThan(PROMPT_MS);
  });

  test("in the middle of a stream that nobody reads just then", async () => {
    const [registry, layer] = await withLayer();
    const controller = new AbortController();
    const stream = connect().blob(repo(registry), layer, {
      signal: controller.signal,
    });
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    controller.abort();
    await untilAborted(iterator.next());
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });
});

describe("close", () => {
  test("ends what is under way and refuses what comes after", async () => {
    const [registry, layer] = await withLayer();
    registry.faults.push({ do: "stall", after: 100, times: 9 });
    const client = connect({ stallMs: 60_000 });
    const work = [
      collect(client.blob(repo(registry), layer)),
      client.manifest(repo(registry), "1.0"),
    ];
    for (const one of work) one.catch(() => undefined);
    await expect.poll(() => registry.requests.length).toBe(2);
    await client.close();
    for (const one of work) {
      expect(await untilAborted(one)).toBeLessThan(PROMPT_MS);
    }
    await untilAborted(client.manifest(repo(registry), "1.0"));
    await client.close();
  });

  test("leaves nothing that keeps a process alive", async () => {
    const [registry, layer] = await withLayer();
    registry.faults.push({ on: { range: true }, do: "stall", after: 9 });
    const mute = createServer((socket) => {
      socket.on("error", () => undefined);
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void mute.close());
    await once(mute, "listening");
    const { port } = mute.address() as AddressInfo;
    const child = spawn(
      process.execPath,
      ["--input-type=module", "-e", CLOSING_PROCESS],
      {
        cwd: join(import.meta.dirname, "../.."),
        env: {
          ...process.env,
          HOST: registry.host,
          BLOB: JSON.stringify(layer),
          // Takes the connection, but never answers the TLS handshake.
          SILENT: `https://127.0.0.1:${port}`,
        },
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const said = text(child.stdout);
    const [status] = await once(child, "exit");
    expect(status).toBe(0);
    expect(await said).toBe("ABORTED []\nABORTED []\n");
  });

  test("even while a connection is being made", async () => {
    let asked = 0;
    const client = connect({
      network: {
        lookup: () => {
          asked += 1;
        },
      },
    });
    const work = client.manifest(
      { registry: "registry.test", repository: "x" },
      "1",
    );
    work.catch(() => undefined);
    await expect.poll(() => asked).toBe(1);
    const started = performance.now();
    await client.close();
    await untilAborted(work);
    expect(performance.now() - started).toBeLessThan(PROMPT_MS);
  });

  test("of a client that was never used", async () => {
    await connect().close();
  });
});

test("many streams at once on one client and one signal, without a warning of Node's", async () => {
  const [registry, layer] = await withLayer();
  const warnings: Error[] = [];
  const hear = (warning: Error) => warnings.push(warning);
  process.on("warning", hear);
  onTestFinished(() => void process.off("warning", hear));
  registry.faults.push({ do: "truncate", after: 100_000, times: 20 });
  const { signal } = new AbortController();
  const client = connect({ signal });
  const streams = Array.from({ length: 40 }, () =>
    collect(client.blob(repo(registry), layer, { signal })),
  );
  for (const bytes of await Promise.all(streams)) {
    expect(bytes.equals(LAYER)).toBe(true);
  }
  expect(warnings).toEqual([]);
});

test("the user agent is ours to choose", async () => {
  const [registry] = await withLayer();
  await connect({ userAgent: "tpull/9.9" }).manifest(repo(registry), "1.0");
  expect(registry.requests[0]?.headers["user-agent"]).toBe("tpull/9.9");
});
