import { isInnerHost, isLoopbackHost } from "#src/registry/addresses.js";
import { speaksTls } from "#src/registry/scheme.js";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, onTestFinished, test } from "vitest";
import { startFaultRegistry } from "../helpers/fault-registry.js";
import { TEST_CERTIFICATE, TEST_KEY } from "../helpers/test-certificate.js";
import { connect, lookup, repo, serve } from "./client.js";

/** A port where every connection meets `greet`. */
async function listen(
  greet: (socket: import("node:net").Socket) => void,
): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on("error", () => undefined);
    greet(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

function at(registry: string) {
  return { registry, repository: "team/app" };
}

describe("which scheme a registry is talked to in", () => {
  test.each([true, false])("a loopback registry, TLS: %s", async (tls) => {
    const registry = await serve({ tls });
    registry.addImage("team/app", "1.0", []);
    // No certificate is trusted here: on this machine none is asked for.
    const client = connect({ network: {} });
    await client.manifest(repo(registry), "1.0");
    await client.manifest(at(`localhost:${registry.port}`), "1.0");
    expect(registry.requests).toHaveLength(2);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "a server that knows nothing but %s, and wants to know its client",
    async (version) => {
      const server = createTlsServer({
        key: TEST_KEY,
        cert: TEST_CERTIFICATE,
        minVersion: version,
        maxVersion: version,
        requestCert: true,
        rejectUnauthorized: true,
      });
      server.on("tlsClientError", () => undefined);
      await new Promise<void>((resolve) => {
        server.listen(0, "127.0.0.1", resolve);
      });
      onTestFinished(() => void server.close());
      const { port } = server.address() as AddressInfo;
      const base = new URL(`https://127.0.0.1:${port}`);
      expect(await speaksTls(base, 5_000)).toBe(true);
    },
  );

  test("is found out once, even for many requests at once", async () => {
    let connections = 0;
    const inner = await serve();
    inner.addImage("team/app", "1.0", []);
    const port = await listen((socket) => {
      socket.once("data", (data) => {
        if (data[0] === 0x16) {
          connections += 1;
          socket.destroy();
        } else {
          socket.end(
            "HTTP/1.1 404 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
          );
        }
      });
    });
    const client = connect();
    const asked = Array.from({ length: 5 }, () =>
      client.head(at(`127.0.0.1:${port}`), "1.0"),
    );
    for (const result of await Promise.allSettled(asked)) {
      expect(result).toMatchObject({ reason: { code: "MANIFEST_UNKNOWN" } });
    }
    expect(connections).toBe(1);
  });

  test("any other registry is HTTPS with a certificate that is checked", async () => {
    const registry = await serve({ tls: true });
    registry.addImage("team/app", "1.0", []);
    const name = `registry.test:${registry.port}`;
    await connect().manifest(at(name), "1.0");
    await expect(
      connect({ network: { lookup } }).manifest(at(name), "1.0"),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      retryable: false,
      message: expect.stringMatching(
        /DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_VERIFY/,
      ),
      hint: expect.stringContaining("NODE_EXTRA_CA_CERTS"),
    });
    expect(registry.requests).toHaveLength(1);
  });

  test("a certificate for another host", async () => {
    const registry = await serve({ tls: true });
    await expect(
      connect().manifest(at(`elsewhere.test:${registry.port}`), "1.0"),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      message: expect.stringContaining("ERR_TLS_CERT_ALTNAME_INVALID"),
    });
  });

  test("plain HTTP behind a name is not talked to", async () => {
    const registry = await serve();
    await expect(
      connect().manifest(at(`registry.test:${registry.port}`), "1.0"),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      message: expect.stringContaining(
        "answers with something that is not TLS",
      ),
      hint: expect.stringContaining("plain HTTP"),
    });
    expect(registry.requests).toEqual([]);
  });

  test.each([
    "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    "\u0015\u0003\u0001\u0000\u0002\u0002\u0046",
  ])("a TLS port that was asked in plain HTTP", async (answer) => {
    const port = await listen((socket) => {
      socket.once("data", () => socket.end(answer, "latin1"));
    });
    const client = connect({ endpoint: () => `http://127.0.0.1:${port}` });
    await expect(
      client.manifest(at("registry.test"), "1.0"),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      message: expect.stringContaining(
        "speaks TLS, but was asked in plain HTTP",
      ),
    });
  });

  test("an endpoint of its own: scheme and path are taken as they are", async () => {
    const registry = await serve();
    const image = registry.addImage("team/app", "1.0", []);
    registry.faults.push({
      on: { path: /^\/prefix\/v2\/team\/app\/manifests\/1\.0$/ },
      do: "status",
      status: 200,
      body: "{}",
    });
    const client = connect({
      endpoint: (name) =>
        name === "docker.io" ? registry.url : `${registry.url}/prefix/`,
    });
    const got = await client.manifest(
      { registry: "docker.io", repository: "team/app" },
      "1.0",
    );
    expect(got.digest).toBe(image.manifest.digest);
    await client.manifest(at("other.test"), "1.0");
  });

  test("Docker Hub's API has another host than its name", async () => {
    const registry = await startFaultRegistry({ tls: true });
    onTestFinished(() => registry.close());
    const looked: string[] = [];
    const client = connect({
      retry: { retries: 0 },
      network: {
        lookup: (name, _options, callback) => {
          looked.push(name);
          callback(Object.assign(new Error("no"), { code: "ENOTFOUND" }), "");
        },
      },
    });
    await expect(
      client.manifest({ registry: "docker.io", repository: "library/x" }, "1"),
    ).rejects.toMatchObject({
      code: "NETWORK_DNS",
      message: expect.stringContaining(
        "https://registry-1.docker.io/v2/library/x",
      ),
    });
    expect(looked).toEqual(["registry-1.docker.io"]);
  });
});

describe("a registry that is not there", () => {
  test("nothing listens: said at once", async () => {
    const registry = await startFaultRegistry();
    await registry.close();
    const client = connect();
    await expect(
      client.manifest(at(`registry.test:${registry.port}`), "1.0"),
    ).rejects.toMatchObject({
      code: "NETWORK_REFUSED",
      message: expect.stringMatching(
        /^registry\.test:\d+\/team\/app:1\.0: GET https:\/\/registry\.test:\d+\/v2\/team\/app\/manifests\/1\.0: connection refused \(127\.0\.0\.1:\d+\)$/,
      ),
    });
    await expect(
      client.manifest(at(`127.0.0.1:${registry.port}`), "1.0"),
    ).rejects.toMatchObject({ code: "NETWORK_REFUSED" });
    expect(client.retries).toEqual([]);
  });

  test("one that comes up later is found, TLS or not", async () => {
    const spare = await startFaultRegistry();
    await spare.close();
    const client = connect();
    const ask = () => client.manifest(at(`127.0.0.1:${spare.port}`), "1.0");
    await expect(ask()).rejects.toMatchObject({ code: "NETWORK_REFUSED" });
    const later = await startFaultRegistry({ tls: true, port: spare.port });
    onTestFinished(() => later.close());
    later.addImage("team/app", "1.0", []);
    expect((await ask()).bytes.length).toBeGreaterThan(0);
  });

  test("one that was there a moment ago may come back", async () => {
    const registry = await startFaultRegistry();
    registry.addImage("team/app", "1.0", []);
    const client = connect({ retry: { retries: 2 } });
    await client.manifest(repo(registry), "1.0");
    await registry.close();
    await expect(client.manifest(repo(registry), "1.0")).rejects.toMatchObject({
      code: "NETWORK_REFUSED",
    });
    expect(client.retries).toHaveLength(2);
  });

  test.each([
    ["ENOTFOUND", 0, "the host name does not resolve"],
    ["EAI_AGAIN", 2, "the name server does not answer"],
  ])("DNS says %s", async (code, retries, words) => {
    const client = connect({
      retry: { retries: 2 },
      network: {
        lookup: (_name, _options, callback) =>
          callback(Object.assign(new Error(code), { code }), ""),
      },
    });
    await expect(
      client.manifest(at("registry.test"), "1.0"),
    ).rejects.toMatchObject({
      code: "NETWORK_DNS",
      message: expect.stringContaining(words),
    });
    expect(client.retries).toHaveLength(retries);
  });

  test("a connection that never stands", async () => {
    const port = await listen(() => undefined);
    const client = connect({ connectTimeoutMs: 40, retry: { retries: 1 } });
    await expect(
      client.manifest(at(`registry.test:${port}`), "1.0"),
    ).rejects.toMatchObject({
      code: "NETWORK_TIMEOUT",
      message: expect.stringContaining("TLS handshake did not end in time"),
    });
    expect(client.retries).toHaveLength(1);
  });

  test("something that speaks no HTTP", async () => {
    const port = await listen((socket) => {
      socket.once("data", () => socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
    });
    const client = connect({ endpoint: () => `http://127.0.0.1:${port}` });
    await expect(
      client.manifest(at("registry.test"), "1.0"),
    ).rejects.toMatchObject({
      code: "NETWORK_PROTOCOL",
      message: expect.stringContaining("the answer is not HTTP"),
    });
  });

  test.each(["exa mple", "host:99999", "user:pw@host", "a?b", ""])(
    "%j is no registry",
    async (registry) => {
      await expect(
        connect().manifest({ registry, repository: "x" }, "1"),
      ).rejects.toMatchObject({ code: "REFERENCE_INVALID" });
    },
  );
});

test.each([
  ["localhost", true, true],
  ["127.0.0.1", true, true],
  ["127.255.1.2", true, true],
  ["[::1]", true, true],
  ["[::ffff:7f00:1]", true, true],
  ["app.localhost", false, false],
  ["localhost.example.com", false, false],
  ["10.1.2.3", false, true],
  ["172.31.0.1", false, true],
  ["172.32.0.1", false, false],
  ["192.168.0.1", false, true],
  ["169.254.169.254", false, true],
  ["100.64.0.1", false, true],
  ["0.0.0.0", false, true],
  ["[::]", false, true],
  ["[fd00::1]", false, true],
  ["[fe80::1]", false, true],
  ["[::ffff:a00:1]", false, true],
  ["[2001:db8::1]", false, false],
  ["8.8.8.8", false, false],
  ["example.com", false, false],
])("%s: loopback %s, inner %s", (host, loopback, inner) => {
  expect(isLoopbackHost(host)).toBe(loopback);
  expect(isInnerHost(host)).toBe(inner);
});
