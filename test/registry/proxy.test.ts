import { createServer, type AddressInfo, type Server } from "node:net";
import type { Descriptor } from "#src/registry/manifest.js";
import {
  proxyFromEnvironment,
  ProxyRules,
} from "#src/registry/proxy-settings.js";
import { describe, expect, onTestFinished, test } from "vitest";
import { makeAuthority, makeCert } from "../helpers/certificates.js";
import { TestProxy, type TestProxyOptions } from "../helpers/test-proxy.js";
import { TEST_CERTIFICATE } from "../helpers/test-certificate.js";
import { collect, connect, lookup, noise, serve } from "./client.js";

const LAYER = noise(50_000);

async function startProxy(options?: TestProxyOptions): Promise<TestProxy> {
  const proxy = await TestProxy.start(options);
  onTestFinished(() => proxy.stop());
  return proxy;
}

/** A registry that only a proxy can be asked for: names resolve for nobody else. */
async function withRegistry(tls: boolean) {
  const registry = await serve({ tls });
  registry.addImage("team/app", "1.0", [LAYER]);
  const scheme = tls ? "https" : "http";
  return {
    registry,
    layer: registry.addBlob(LAYER) as Descriptor,
    name: { registry: "registry.test", repository: "team/app" },
    endpoint: () => `${scheme}://registry.test:${registry.port}`,
  };
}

const through = (proxy: string, ca = TEST_CERTIFICATE) => ({
  ca,
  proxy: { all: proxy },
  lookup: ((_name, _options, callback) =>
    callback(
      Object.assign(new Error("ENOTFOUND"), { code: "ENOTFOUND" }),
      "",
    )) as typeof lookup,
});

describe("what goes over the wire", () => {
  test("an https registry is reached by CONNECT, and the proxy sees no more than its name", async () => {
    const proxy = await startProxy({ password: "ann:s3cret-word" });
    const { registry, layer, name, endpoint } = await withRegistry(true);
    const client = connect({
      endpoint,
      network: through(proxy.url.replace("//", "//ann:s3cret-word@")),
    });
    await client.manifest(name, "1.0");
    const bytes = await collect(client.blob(name, layer));
    expect(bytes.equals(LAYER)).toBe(true);
    expect(proxy.requests[0]).toEqual({
      method: "CONNECT",
      target: `registry.test:${registry.port}`,
      headers: expect.objectContaining({
        host: `registry.test:${registry.port}`,
        "proxy-authorization": expect.stringMatching(/^Basic /),
      }),
    });
    for (const { method, headers } of proxy.requests) {
      expect(method).toBe("CONNECT");
      expect(headers).not.toHaveProperty("authorization");
    }
    for (const { headers } of registry.requests) {
      expect(headers).not.toHaveProperty("proxy-authorization");
    }
  });

  test("an http registry is asked with the whole URL", async () => {
    const proxy = await startProxy({ password: "ann:s3cret-word" });
    const { registry, layer, name, endpoint } = await withRegistry(false);
    const client = connect({
      endpoint,
      network: through(proxy.url.replace("//", "//ann:s3cret-word@")),
    });
    await client.manifest(name, "1.0");
    await collect(client.blob(name, layer));
    expect(
      proxy.requests.map(({ method, target }) => [method, target]),
    ).toEqual([
      ["GET", `${endpoint()}/v2/team/app/manifests/1.0`],
      ["GET", `${endpoint()}/v2/team/app/blobs/${layer.digest}`],
    ]);
    for (const { headers } of proxy.requests) {
      expect(headers["host"]).toBe(`registry.test:${registry.port}`);
      expect(headers["proxy-authorization"]).toMatch(/^Basic /);
    }
    for (const { headers } of registry.requests) {
      expect(headers).not.toHaveProperty("proxy-authorization");
    }
  });

  test.each([true, false])(
    "a proxy that talks TLS itself, to an https registry: %s",
    async (tls) => {
      const authority = makeAuthority("proxies");
      const proxy = await startProxy({
        tls: makeCert({
          name: "proxy",
          hosts: ["127.0.0.1"],
          issuer: authority,
        }),
      });
      const { layer, name, endpoint } = await withRegistry(tls);
      const both = TEST_CERTIFICATE + authority.cert;
      const client = connect({ endpoint, network: through(proxy.url, both) });
      await collect(client.blob(name, layer));
      expect(proxy.requests).toHaveLength(1);

      const stranger = connect({ endpoint, network: through(proxy.url) });
      await expect(stranger.manifest(name, "1.0")).rejects.toMatchObject({
        code: "PROXY_ERROR",
        retryable: false,
        message: expect.stringMatching(
          /the proxy 127\.0\.0\.1:\d+ cannot be used: TLS failed: the certificate of 127\.0\.0\.1:\d+ is signed by an authority/,
        ),
      });
    },
  );

  test("a redirect leads through the proxy of its own URL", async () => {
    const proxy = await startProxy();
    const { registry, layer, name, endpoint } = await withRegistry(true);
    const storage = await serve({ tls: true });
    storage.addBlob(LAYER);
    registry.faults.push({
      on: { path: /blobs/ },
      do: "status",
      status: 307,
      headers: {
        location: `https://cdn.test:${storage.port}/v2/x/blobs/${layer.digest}`,
      },
    });
    const client = connect({ endpoint, network: through(proxy.url) });
    await collect(client.blob(name, layer));
    expect(proxy.requests.map(({ target }) => target)).toEqual([
      `registry.test:${registry.port}`,
      `cdn.test:${storage.port}`,
    ]);
  });

  test("hosts of NO_PROXY and this machine are asked directly", async () => {
    const proxy = await startProxy();
    const { registry, name, endpoint } = await withRegistry(true);
    const settings = { all: proxy.url, no: "registry.test" };
    const client = connect({
      endpoint,
      network: { ca: TEST_CERTIFICATE, lookup, proxy: settings },
    });
    await client.manifest(name, "1.0");
    const local = connect({ network: { proxy: { all: proxy.url } } });
    await local.manifest({ ...name, registry: registry.host }, "1.0");
    await local.manifest(
      { ...name, registry: `localhost:${registry.port}` },
      "1.0",
    );
    expect(proxy.requests).toEqual([]);
    expect(registry.requests).toHaveLength(3);
  });
});

describe.each([true, false])("a proxy that refuses, https: %s", (tls) => {
  async function refusedBy(
    proxy: TestProxy,
    url = proxy.url,
    timeoutMs = 5000,
  ): Promise<Error> {
    const { registry, name, endpoint } = await withRegistry(tls);
    const client = connect({
      endpoint,
      network: through(url),
      connectTimeoutMs: timeoutMs,
      headersTimeoutMs: timeoutMs,
      retry: { retries: 1 },
    });
    const error: unknown = await client
      .manifest(name, "1.0")
      .catch((error: unknown) => error);
    expect(registry.requests).toEqual([]);
    expect(JSON.stringify(error)).not.toContain("s3cret-word");
    return error as Error;
  }

  test("to somebody without a password", async () => {
    const proxy = await startProxy({ password: "ann:s3cret-word" });
    const error = await refusedBy(proxy);
    expect(error).toMatchObject({
      code: "PROXY_DENIED",
      retryable: false,
      message: expect.stringContaining(
        `the proxy ${proxy.host} wants a user name and a password (it answers 407`,
      ),
      hint: expect.stringMatching(/USER:PASSWORD@HOST.*NO_PROXY/),
      details: { proxy: proxy.host, status: 407 },
    });
    expect(proxy.requests).toHaveLength(1);
  });

  test("a wrong password, which is not repeated", async () => {
    const proxy = await startProxy({ password: "ann:other" });
    const error = await refusedBy(
      proxy,
      proxy.url.replace("//", "//ann:s3cret-word@"),
    );
    expect(error).toMatchObject({
      code: "PROXY_DENIED",
      message: expect.stringContaining("does not accept the user name"),
    });
    expect(proxy.requests).toHaveLength(1);
  });

  test("and repeats what it was sent", async () => {
    const proxy = await startProxy();
    const sent = Buffer.from("ann:s3cret-word").toString("base64");
    proxy.refusals.push({
      status: 403,
      headers: { "content-type": "text/html" },
      body: `<title>${sent} is s3cret-word</title>`,
    });
    const url = proxy.url.replace("//", "//ann:s3cret-word@");
    const error = await refusedBy(proxy, url);
    expect(error).toMatchObject({
      code: "PROXY_DENIED",
      message: expect.stringContaining("403 REDACTED is REDACTED"),
    });
  });

  test("because it wants another kind of log-in", async () => {
    const proxy = await startProxy({ password: "x:y", scheme: "NTLM" });
    expect(await refusedBy(proxy)).toMatchObject({
      code: "PROXY_DENIED",
      hint: expect.stringContaining("It offers only NTLM"),
    });
  });

  test("by its rules", async () => {
    const proxy = await startProxy();
    proxy.refusals.push({
      status: 403,
      headers: {
        "content-type": "text/html",
        "x-squid-error": "ERR_ACCESS_DENIED 0",
      },
      body: "<html><title>Access Denied</title></html>",
    });
    expect(await refusedBy(proxy)).toMatchObject({
      code: "PROXY_DENIED",
      retryable: false,
      message: expect.stringContaining("403 ERR_ACCESS_DENIED 0"),
      hint: expect.stringContaining("NO_PROXY"),
    });
    expect(proxy.requests).toHaveLength(1);
  });

  test.each([502, 503, 504])("with %i, which may pass", async (status) => {
    const proxy = await startProxy();
    const refusal = {
      status,
      headers: { "content-type": "text/html" },
      body: "<title>Cannot connect</title>",
    };
    proxy.refusals.push(refusal, refusal);
    expect(await refusedBy(proxy)).toMatchObject({
      code: "PROXY_ERROR",
      retryable: true,
      message: expect.stringContaining(`it answers ${status}`),
    });
    expect(proxy.requests).toHaveLength(2);
  });

  test("by saying nothing", async () => {
    const proxy = await startProxy();
    proxy.refusals.push("silence", "silence");
    expect(await refusedBy(proxy, proxy.url, 250)).toMatchObject({
      code: tls ? "PROXY_ERROR" : "NETWORK_TIMEOUT",
      retryable: true,
      message: expect.stringContaining(
        tls ? "CONNECT was not answered in time" : "no answer in time",
      ),
    });
  });

  test("by hanging up", async () => {
    const proxy = await startProxy();
    proxy.refusals.push("cut", "cut");
    expect(await refusedBy(proxy)).toMatchObject({
      code: tls ? "PROXY_ERROR" : "NETWORK_RESET",
      retryable: true,
      message: expect.stringContaining("connection was cut"),
    });
  });

  test("because it is not there", async () => {
    const proxy = await startProxy();
    await proxy.stop();
    expect(await refusedBy(proxy)).toMatchObject({
      code: "PROXY_ERROR",
      message: expect.stringContaining(
        `the proxy ${proxy.host} cannot be used: connection refused`,
      ),
    });
  });

  test("because its name does not resolve", async () => {
    const proxy = await startProxy();
    const url = "http://ann:s3cret-word@proxy.test:3128";
    expect(await refusedBy(proxy, url)).toMatchObject({
      code: "PROXY_ERROR",
      message: expect.stringContaining(
        "the proxy proxy.test:3128 cannot be used: the host name does not resolve",
      ),
    });
  });

  test("because it is no proxy but something that speaks no HTTP", async () => {
    const server: Server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.end("SSH-2.0-OpenSSH_9.2\r\n");
    });
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const proxy = await startProxy();
    expect(await refusedBy(proxy, `http://127.0.0.1:${port}`)).toMatchObject({
      code: tls ? "PROXY_ERROR" : "NETWORK_PROTOCOL",
      message: expect.stringContaining("the answer is not HTTP"),
    });
  });

  test.each([
    ["socks5://ann:s3cret-word@127.0.0.1:1080", "a SOCKS proxy (socks5://)"],
    ["socks5h://127.0.0.1:1080", "a SOCKS proxy (socks5h://)"],
    ["ftp://ann:s3cret-word@proxy.test", "a ftp:// URL"],
    ["http://ann:s3cret-word@[", "is not a URL"],
  ])("tpull refuses %s", async (url, words) => {
    const proxy = await startProxy();
    expect(await refusedBy(proxy, url)).toMatchObject({
      code: "PROXY_INVALID",
      retryable: false,
      message: expect.stringContaining(words),
    });
  });
});

test("closing ends the wait for CONNECT", async () => {
  const proxy = await startProxy();
  proxy.refusals.push("silence");
  const { name, endpoint } = await withRegistry(true);
  const client = connect({ endpoint, network: through(proxy.url) });
  const work = client.manifest(name, "1.0");
  work.catch(() => undefined);
  await expect.poll(() => proxy.requests.length).toBe(1);
  await client.close();
  await expect(work).rejects.toMatchObject({ code: "ABORTED" });
});

describe("the settings of an environment", () => {
  const proxyOf = (env: Record<string, string>, url: string) =>
    new ProxyRules(proxyFromEnvironment(env)).for(new URL(url))?.url.href;

  const cases: [string, Record<string, string>, string, string | undefined][] =
    [
      ["none", {}, "https://a.test", undefined],
      ["https", { HTTPS_PROXY: "http://p:1" }, "https://a.test", "http://p:1/"],
      ["https only", { HTTPS_PROXY: "http://p:1" }, "http://a.test", undefined],
      ["http", { HTTP_PROXY: "http://p:1" }, "http://a.test", "http://p:1/"],
      ["lower case", { https_proxy: "p:1" }, "https://a.test", "http://p:1/"],
      ["all", { ALL_PROXY: "p:1" }, "http://a.test", "http://p:1/"],
      [
        "its own before all",
        { all_proxy: "socks5://q", https_proxy: "p:1" },
        "https://a.test",
        "http://p:1/",
      ],
      ["empty", { HTTPS_PROXY: "" }, "https://a.test", undefined],
      [
        "a web server's script",
        { HTTP_PROXY: "p:1", REQUEST_METHOD: "GET" },
        "http://a.test",
        undefined,
      ],
      [
        "the lower case of it",
        { http_proxy: "p:1", REQUEST_METHOD: "GET" },
        "http://a.test",
        "http://p:1/",
      ],
      [
        "excepted",
        { ALL_PROXY: "p:1", no_proxy: "a.test" },
        "http://a.test",
        undefined,
      ],
      [
        "the scheme's port",
        { ALL_PROXY: "p:1", NO_PROXY: "a.test:443" },
        "https://a.test",
        undefined,
      ],
      [
        "this machine",
        { ALL_PROXY: "p:1" },
        "http://127.9.9.9:5000",
        undefined,
      ],
      ["this machine, v6", { ALL_PROXY: "p:1" }, "https://[::1]", undefined],
    ];
  test.each(cases)("%s", (_name, env, url, proxy) => {
    expect(proxyOf(env, url)).toBe(proxy);
  });

  test("a password is kept out of the URL and sent as it was meant", () => {
    const rules = new ProxyRules({ all: "http://ann:p%40ss@proxy.test:3128" });
    const proxy = rules.for(new URL("https://a.test"));
    expect(proxy?.url.href).toBe("http://proxy.test:3128/");
    expect(proxy?.authorization).toBe(
      `Basic ${Buffer.from("ann:p@ss").toString("base64")}`,
    );
    expect(rules.for(new URL("http://b.test"))).toBe(proxy);
  });
});
