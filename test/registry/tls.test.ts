import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionProfile } from "#src/registry/endpoint.js";
import {
  Http,
  type HttpOptions,
  type HttpRequest,
} from "#src/registry/http.js";
import { parseCertificates, readCaFile } from "#src/registry/trust.js";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  makeAuthority,
  makeCert,
  type CertOptions,
} from "../helpers/certificates.js";
import { lookup } from "./client.js";

const OURS = makeAuthority("our own authority");
const DAY_MS = 24 * 3600 * 1000;
const SERVER = server({});
const CLIENT = makeCert({ name: "client", issuer: OURS });

function server(changes: Partial<CertOptions>) {
  return makeCert({
    name: "registry.test",
    hosts: ["registry.test", "cdn.test", "127.0.0.1"],
    issuer: OURS,
    ...changes,
  });
}

interface TestServer {
  readonly port: number;
  readonly seen: { client: string | undefined; headers: object; url: string }[];
}

/** An HTTPS server that remembers who its clients said they were. */
async function serveTls(
  options: ServerOptions,
  answer: (request: IncomingMessage) => Record<string, string> = () => ({}),
): Promise<TestServer> {
  const seen: TestServer["seen"] = [];
  const https = createServer(options, (request, response) => {
    const { socket, headers, url = "" } = request;
    const { subject } = (
      socket as unknown as {
        getPeerCertificate(): { subject?: { CN: string } };
      }
    ).getPeerCertificate();
    seen.push({ client: subject?.CN, headers, url });
    const location = answer(request);
    response.writeHead("location" in location ? 307 : 200, location);
    response.end("{}");
  });
  await new Promise<void>((resolve) => {
    https.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    https.closeAllConnections();
    https.close();
  });
  return { port: (https.address() as AddressInfo).port, seen };
}

function http(options: Partial<HttpOptions> = {}): Http {
  const made = new Http({
    userAgent: "test",
    connectTimeoutMs: 5000,
    headersTimeoutMs: 5000,
    stallMs: 5000,
    ...options,
    network: { lookup, proxy: {}, ...options.network },
  });
  onTestFinished(() => made.close());
  return made;
}

async function get(
  client: Http,
  url: string,
  request: Partial<HttpRequest> = {},
): Promise<number> {
  const response = await client.request({
    method: "GET",
    url: new URL(url),
    signal: new AbortController().signal,
    ...request,
  });
  await response.body.collect(1000);
  return response.status;
}

afterEach(() => {
  vi.unstubAllEnvs();
});

async function tempFile(content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tpull-tls-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, "ca.pem");
  await writeFile(path, content);
  return path;
}

describe("who is trusted", () => {
  test("nobody unknown", async () => {
    const { port, seen } = await serveTls(SERVER);
    await expect(
      get(http(), `https://registry.test:${port}/`),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      retryable: false,
      message: expect.stringMatching(
        /signed by an authority that this machine does not trust: CN=our own authority \(UNABLE_TO_/,
      ),
      hint: expect.stringMatching(/--ca-file.*certs\.d\/registry\.test/),
      details: { host: `registry.test:${port}` },
    });
    expect(seen).toEqual([]);
  });

  test.each(["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"])(
    "the authorities of %s",
    async (variable) => {
      const { port } = await serveTls(SERVER);
      vi.stubEnv(variable, await tempFile(`ours\n${OURS.cert}`));
      expect(await get(http(), `https://registry.test:${port}/`)).toBe(200);
    },
  );

  test("the authorities in the folders of SSL_CERT_DIR", async () => {
    const { port } = await serveTls(SERVER);
    const path = await tempFile(OURS.cert);
    vi.stubEnv("SSL_CERT_DIR", `/nowhere-at-all:${join(path, "..")}`);
    expect(await get(http(), `https://registry.test:${port}/`)).toBe(200);
  });

  test("a variable that names nothing takes nothing away", async () => {
    const { port } = await serveTls(SERVER);
    vi.stubEnv("SSL_CERT_FILE", "/nowhere-at-all");
    const client = http({ network: { ca: OURS.cert } });
    expect(await get(client, `https://registry.test:${port}/`)).toBe(200);
  });

  test("a profile's authority, for connections of that profile only", async () => {
    const { port } = await serveTls(SERVER);
    const client = http();
    const url = `https://registry.test:${port}/`;
    const connection = { verify: true, ca: [OURS.cert] };
    expect(await get(client, url, { connection })).toBe(200);
    await expect(get(client, url)).rejects.toMatchObject({ code: "TLS_ERROR" });
    const none = { verify: false };
    expect(await get(client, url, { connection: none })).toBe(200);
    await expect(get(client, url)).rejects.toMatchObject({ code: "TLS_ERROR" });
  });

  test("an authority that is none is named", async () => {
    const { port } = await serveTls(SERVER);
    const client = http({ network: { ca: "nothing" } });
    await expect(
      get(client, `https://registry.test:${port}/`),
    ).rejects.toMatchObject({ code: "CA_INVALID" });
  });

  test("this machine is asked for a certificate only if its profile says so, but a redirect to it is", async () => {
    const local = await serveTls(SERVER);
    const client = http();
    const here = `https://127.0.0.1:${local.port}/`;
    expect(await get(client, here)).toBe(200);
    await expect(
      get(client, here, { connection: { verify: true } }),
    ).rejects.toMatchObject({ code: "TLS_ERROR" });
    const far = await serveTls(SERVER, () => ({
      location: `https://127.0.0.1:${local.port}/`,
    }));
    const connection = { verify: true, ca: [OURS.cert] };
    await expect(
      get(client, `https://registry.test:${far.port}/`, { connection }),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      details: { host: `127.0.0.1:${local.port}` },
    });
  });
});

describe("files of authorities", () => {
  test("a bundle with comments", async () => {
    const other = makeAuthority("other");
    const path = await tempFile(`# one\n${OURS.cert}\n# two\n${other.cert}`);
    expect(await readCaFile(path)).toEqual([
      OURS.cert.trim(),
      other.cert.trim(),
    ]);
  });

  test.each([
    ["empty", "", "holds no certificate"],
    ["a key", SERVER.key, "holds no certificate"],
    [
      "damaged",
      OURS.cert.replace("MII", "AAA"),
      "holds a damaged certificate (number 1",
    ],
  ])("%s", (_name, text, words) => {
    expect(() => parseCertificates(text, "/etc/ca.crt")).toThrow(
      expect.objectContaining({
        code: "CA_INVALID",
        message: expect.stringContaining(`/etc/ca.crt ${words}`),
      }),
    );
  });

  test("not there", () => {
    expect(() => readCaFile("/nowhere/ca.crt")).toThrow(
      expect.objectContaining({
        code: "CA_INVALID",
        message: expect.stringContaining(
          "/nowhere/ca.crt cannot be read: ENOENT",
        ),
      }),
    );
  });
});

describe("client certificates", () => {
  const strict: ServerOptions = {
    ...SERVER,
    ca: OURS.cert,
    requestCert: true,
    rejectUnauthorized: true,
  };
  const known: ConnectionProfile = {
    verify: true,
    ca: [OURS.cert],
    client: [CLIENT],
  };
  const ask = { requestCert: true, rejectUnauthorized: false };

  test("are shown to their host", async () => {
    const { port, seen } = await serveTls(strict);
    const url = `https://registry.test:${port}/`;
    expect(await get(http(), url, { connection: known })).toBe(200);
    expect(seen).toMatchObject([{ client: "client" }]);
  });

  test("stay with their host: a redirect's target sees none, and is judged by its own rules", async () => {
    const cdn = await serveTls({ ...SERVER, ...ask });
    const registry = await serveTls(strict, () => ({
      location: `https://cdn.test:${cdn.port}/blob`,
    }));
    const url = `https://registry.test:${registry.port}/`;
    // The registry's authority is not the target's.
    await expect(get(http(), url, { connection: known })).rejects.toMatchObject(
      {
        code: "TLS_ERROR",
        details: { host: `cdn.test:${cdn.port}` },
      },
    );
    const asked: string[] = [];
    const client = http({
      profileFor: async (target) => {
        asked.push(target.host);
        return { verify: true, ca: [OURS.cert] };
      },
    });
    expect(await get(client, url, { connection: known })).toBe(200);
    expect(asked).toEqual([`cdn.test:${cdn.port}`]);
    expect(cdn.seen).toMatchObject([{ client: undefined, url: "/blob" }]);
    expect(registry.seen.map(({ client: name }) => name)).toEqual([
      "client",
      "client",
    ]);
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "that are missing, or of a stranger, with %s",
    async (version) => {
      const { port } = await serveTls({
        ...strict,
        minVersion: version,
        maxVersion: version,
      });
      const url = `https://registry.test:${port}/`;
      const without = { verify: true, ca: [OURS.cert] };
      const stranger = makeCert({
        name: "stranger",
        issuer: makeAuthority("strangers"),
      });
      for (const connection of [without, { ...without, client: [stranger] }]) {
        // Node's server hangs up without a word; the peers' tests have better ones.
        const error: unknown = await get(http(), url, { connection }).catch(
          (error: unknown) => error,
        );
        expect(error).toMatchObject({
          code: expect.stringMatching(/^(TLS_ERROR|NETWORK_RESET)$/),
        });
      }
    },
  );

  test.each([
    [
      "of another key",
      { cert: CLIENT.cert, key: SERVER.key },
      "do not belong together",
    ],
    ["that are none", { cert: "x", key: "y" }, "cannot be read"],
    ["without a key", { cert: CLIENT.cert, key: "y" }, "cannot be read"],
  ])("%s", async (_name, pair, words) => {
    const { port } = await serveTls(strict);
    const connection = { ...known, client: [pair] };
    await expect(
      get(http(), `https://registry.test:${port}/`, { connection }),
    ).rejects.toMatchObject({
      code: "CLIENT_CERTIFICATE_INVALID",
      message: expect.stringContaining(words),
    });
  });
});

describe("certificates that do not hold", () => {
  const trusting = () => http({ network: { ca: OURS.cert } });

  test("another name", async () => {
    const { port } = await serveTls(SERVER);
    await expect(
      get(trusting(), `https://other.test:${port}/`),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      message: expect.stringContaining(
        "certificate for another name: registry.test, cdn.test, 127.0.0.1 (ERR_TLS_CERT_ALTNAME_INVALID)",
      ),
    });
  });

  test("signed by itself", async () => {
    const { port } = await serveTls(
      makeCert({ name: "self", hosts: ["registry.test"] }),
    );
    await expect(
      get(http(), `https://registry.test:${port}/`),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      message: expect.stringContaining("is signed by itself"),
      hint: expect.stringContaining("--ca-file"),
    });
  });

  const expired = () =>
    server({
      from: new Date(Date.UTC(2020, 0, 1)),
      to: new Date(Date.UTC(2021, 4, 6, 7, 8)),
    });

  test("expired: both times are told", async () => {
    const { port, seen } = await serveTls(expired());
    await expect(
      get(trusting(), `https://registry.test:${port}/v2/?secret=1`, {
        authorization: "Bearer very-secret",
        hostHeaders: { "x-key": "very-secret" },
      }),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      message: expect.stringMatching(
        /expired 2021-05-06 07:08 UTC, and it is \d{4}-\d\d-\d\d \d\d:\d\d UTC by this machine's clock \(CERT_HAS_EXPIRED\)$/,
      ),
      hint: expect.stringContaining("has to be replaced"),
    });
    // The question for the time goes to a server that nobody vouches for.
    expect(seen).toMatchObject([{ url: "/" }]);
    expect(JSON.stringify(seen)).not.toContain("secret");
  });

  test("not valid yet, and the server says that it is another day", async () => {
    const { port } = await serveTls(
      server({ from: new Date(Date.now() + 9 * DAY_MS) }),
      () => ({ date: new Date(Date.now() + 10 * DAY_MS).toUTCString() }),
    );
    await expect(
      get(trusting(), `https://registry.test:${port}/`),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      message: expect.stringMatching(
        /is not valid before \d{4}-.* by this machine's clock \(CERT_NOT_YET_VALID\); the server's clock is 10 days ahead$/,
      ),
      hint: expect.stringContaining("clock is probably wrong"),
      details: { clockSkewSeconds: expect.any(Number) },
    });
  });
});

test("loopback and plain connections read no roots", async () => {
  const { port } = await serveTls(SERVER);
  vi.stubEnv("SSL_CERT_FILE", await tempFile(OURS.cert));
  const client = http();
  await get(client, `https://127.0.0.1:${port}/`);
  // Written after the first connection, and still read by the first that needs it.
  vi.stubEnv("SSL_CERT_FILE", await tempFile("nothing"));
  await expect(
    get(client, `https://registry.test:${port}/`),
  ).rejects.toMatchObject({ code: "TLS_ERROR" });
});
