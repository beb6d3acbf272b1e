import { once } from "node:events";
import {
  createServer,
  type AddressInfo,
  type LookupFunction,
  type Server,
  type Socket,
} from "node:net";
import { socketKind } from "#src/registry/failure-kinds.js";
import {
  Http,
  type HttpOptions,
  type HttpRequest,
} from "#src/registry/http.js";
import { networkError } from "#src/registry/network-errors.js";
import { describe, expect, onTestFinished, test } from "vitest";
import { lookup } from "./client.js";

type Greet = (socket: Socket) => void;

/** A server on a port of its own where every connection meets `greet`. */
async function listen(
  greet: Greet,
  { host = "127.0.0.1", port = 0 } = {},
): Promise<{ port: number; met: Socket[] }> {
  const met: Socket[] = [];
  const server: Server = createServer((socket) => {
    met.push(socket);
    socket.on("error", () => undefined);
    // Unread, it would never learn of the other side's end.
    socket.resume();
    greet(socket);
  });
  server.listen(port, host);
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of met) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, met };
}

function http(options: Partial<HttpOptions> = {}): Http {
  const made = new Http({
    userAgent: "test",
    connectTimeoutMs: 250,
    headersTimeoutMs: 250,
    stallMs: 250,
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
): Promise<Buffer | undefined> {
  const response = await client.request({
    method: "GET",
    url: new URL(url),
    signal: new AbortController().signal,
    ...request,
  });
  return response.body.collect(1_000_000);
}

const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";

/** Writes a text a piece at a time, for ever. */
function drip(socket: Socket, pieces: string, everyMs: number): void {
  let at = 0;
  const timer = setInterval(() => {
    socket.write(pieces.charAt(at++ % pieces.length));
  }, everyMs);
  socket.once("close", () => clearInterval(timer));
}

describe("nothing waits for ever", () => {
  const states: [string, string, Greet, string, string][] = [
    [
      "a TLS handshake",
      "https://registry.test",
      () => undefined,
      "NETWORK_TIMEOUT",
      "the TLS handshake did not end in time",
    ],
    [
      "headers that never come",
      "http://registry.test",
      () => undefined,
      "NETWORK_TIMEOUT",
      "connected, but no answer in time",
    ],
    [
      "headers that come byte by byte",
      "http://registry.test",
      (socket) =>
        drip(socket, "HTTP/1.1 200 OK\r\nX-Long: aaaaaaaaaaaaaaaaaaa", 10),
      "NETWORK_TIMEOUT",
      "connected, but no answer in time",
    ],
    [
      "early hints without an end",
      "http://registry.test",
      (socket) => {
        const timer = setInterval(
          () => socket.write("HTTP/1.1 103 Early Hints\r\n\r\n"),
          10,
        );
        socket.once("close", () => clearInterval(timer));
      },
      "NETWORK_TIMEOUT",
      "connected, but no answer in time",
    ],
    [
      "a body that stops",
      "http://registry.test",
      (socket) => socket.write(HEAD),
      "NETWORK_STALLED",
      "the body stopped arriving for 0.25 s",
    ],
    [
      "a body that crawls",
      "http://registry.test",
      (socket) => {
        socket.write(HEAD);
        drip(socket, "x", 10);
      },
      "NETWORK_STALLED",
      "the body crawls, ",
    ],
    [
      "a chunked body without its last chunk",
      "http://registry.test",
      (socket) =>
        socket.write(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
        ),
      "NETWORK_STALLED",
      "the body crawls, 1 bytes",
    ],
  ];
  test.each(states)("%s", async (_name, base, greet, code, words) => {
    const { port, met } = await listen(greet);
    const client = http(
      words.includes("handshake") ? {} : { connectTimeoutMs: 5000 },
    );
    await expect(get(client, `${base}:${port}/`)).rejects.toMatchObject({
      code,
      retryable: true,
      message: expect.stringContaining(words),
    });
    await expect.poll(() => met[0]?.closed).toBe(true);
  });

  test("a name server that does not answer", async () => {
    const client = http({ network: { lookup: () => undefined } });
    await expect(get(client, "http://registry.test/")).rejects.toMatchObject({
      code: "NETWORK_DNS",
      retryable: true,
      message: expect.stringContaining("the name server does not answer"),
    });
  });

  test("the body of a redirect that stops: the redirect is followed, and its connection given up", async () => {
    const target = await listen((socket) => {
      socket.once("data", () =>
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
      );
    });
    const { port, met } = await listen((socket) =>
      socket.write(
        `HTTP/1.1 307 Elsewhere\r\nLocation: http://cdn.test:${target.port}/\r\nContent-Length: 100\r\n\r\nstop`,
      ),
    );
    const client = http({ connectTimeoutMs: 5000, headersTimeoutMs: 5000 });
    const body = await get(client, `http://registry.test:${port}/`);
    expect(body?.toString()).toBe("ok");
    await expect.poll(() => met[0]?.closed).toBe(true);
  });

  test("the floor is bytes per time: what keeps above it arrives", async () => {
    const length = 60;
    const { port } = await listen((socket) => {
      socket.once("data", (head) => {
        const announced = head.includes("/short") ? length : 100_000;
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${announced}\r\n\r\n`);
        drip(socket, "x", 5);
      });
    });
    const slow = http({ floorBytesPerSecond: 10 });
    const body = await get(slow, `http://registry.test:${port}/short`);
    expect(body).toHaveLength(length);
    const strict = http({ floorBytesPerSecond: 100_000 });
    await expect(
      get(strict, `http://registry.test:${port}/long`),
    ).rejects.toMatchObject({ code: "NETWORK_STALLED" });
  });

  test.each([
    ["TLS handshake", "https", () => undefined],
    ["headers", "http", () => undefined],
    ["body", "http", (socket: Socket) => void socket.write(HEAD)],
  ] as [string, string, Greet][])(
    "close() ends the wait for %s",
    async (_name, scheme, greet) => {
      const { port, met } = await listen(greet);
      const client = http({
        connectTimeoutMs: 60_000,
        headersTimeoutMs: 60_000,
        stallMs: 60_000,
      });
      const work = get(client, `${scheme}://registry.test:${port}/`);
      work.catch(() => undefined);
      await expect.poll(() => met.length).toBe(1);
      await client.close();
      await expect(work).rejects.toMatchObject({ code: "ABORTED" });
      await expect.poll(() => met[0]?.closed).toBe(true);
      await expect(
        get(client, `${scheme}://registry.test:${port}/`),
      ).rejects.toMatchObject({ code: "ABORTED" });
    },
  );
});

describe("a host with several addresses", () => {
  const at =
    (...addresses: string[]): LookupFunction =>
    (_name, options, callback) => {
      const all = addresses.map((address) => ({
        address,
        family: address.includes(":") ? 6 : 4,
      }));
      if (options.all === true) callback(null, all);
      else callback(null, all[0]?.address ?? "", all[0]?.family);
    };
  const ok: Greet = (socket) =>
    void socket.once("data", () =>
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    );

  test.each([
    ["IPv4 then IPv4", "127.0.0.1", ["127.0.0.2", "127.0.0.1"]],
    ["IPv6 then IPv4", "127.0.0.1", ["::1", "127.0.0.1"]],
    [
      "IPv6 that the machine has no way to",
      "127.0.0.1",
      ["2001:db8::1", "127.0.0.1"],
    ],
  ])("falls over to the one that lives: %s", async (_name, host, addresses) => {
    const { port } = await listen(ok, { host });
    const client = http({
      connectTimeoutMs: 5000,
      headersTimeoutMs: 5000,
      network: { lookup: at(...addresses) },
    });
    const started = performance.now();
    const body = await get(client, `http://registry.test:${port}/`);
    expect(body?.toString()).toBe("ok");
    expect(performance.now() - started).toBeLessThan(3000);
  });

  test("tells of each when none lives", async () => {
    const { port } = await listen(ok, { host: "127.0.0.1" });
    const client = http({
      connectTimeoutMs: 5000,
      network: { lookup: at("127.0.0.2", "127.0.0.3") },
    });
    await expect(
      get(client, `http://registry.test:${port}/`),
    ).rejects.toMatchObject({
      code: "NETWORK_REFUSED",
      message: expect.stringContaining(
        `connection refused (127.0.0.2:${port} ECONNREFUSED, 127.0.0.3:${port} ECONNREFUSED)`,
      ),
    });
  });

  test("goes by the failure that came furthest", () => {
    const each = (code: string, address: string) =>
      Object.assign(new Error(code), { code, address, port: 443 });
    const cause = Object.assign(new AggregateError([]), {
      code: "ENETUNREACH",
      errors: [
        each("ENETUNREACH", "2001:db8::1"),
        each("ECONNREFUSED", "192.0.2.1"),
      ],
    });
    expect(socketKind(cause, "ENETUNREACH")).toMatchObject({
      code: "NETWORK_REFUSED",
      what: "connection refused ([2001:db8::1]:443 ENETUNREACH, 192.0.2.1:443 ECONNREFUSED)",
    });
  });

  test("with IPv6 only, on a machine without", () => {
    const cause = Object.assign(new Error(), { tried: ["[2001:db8::1]:443"] });
    expect(socketKind(cause, "ENETUNREACH")).toMatchObject({
      code: "NETWORK_UNREACHABLE",
      what: "there is no route to the host ([2001:db8::1]:443)",
      hint: expect.stringContaining("IPv6"),
    });
  });
});

describe("what a TLS port says", () => {
  const alert = (number: number): Greet => {
    const record = Buffer.from([0x15, 3, 3, 0, 2, 2, number]);
    return (socket) => void socket.once("data", () => socket.end(record));
  };
  test.each<[string, Greet, string, string]>([
    [
      "plain HTTP",
      (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
      "answers with something that is not TLS",
      "--plain-http registry.test",
    ],
    [
      "alert 40",
      alert(40),
      "refuses the handshake",
      "client.cert and client.key",
    ],
    [
      "alert 42",
      alert(42),
      "got none that it accepts",
      "client.cert and client.key",
    ],
    [
      "alert 48",
      alert(48),
      "got none that it accepts",
      "client.cert and client.key",
    ],
    ["alert 70", alert(70), "PROTOCOL_VERSION", "do not agree on TLS"],
  ])("%s", async (_name, greet, words, hint) => {
    const { port } = await listen(greet);
    await expect(
      get(http({ connectTimeoutMs: 5000 }), `https://registry.test:${port}/`),
    ).rejects.toMatchObject({
      code: "TLS_ERROR",
      retryable: false,
      message: expect.stringContaining(words),
      hint: expect.stringContaining(hint),
    });
  });

  test("hanging up in the handshake is told as that", async () => {
    const { port } = await listen((socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    await expect(
      get(http({ connectTimeoutMs: 5000 }), `https://registry.test:${port}/`),
    ).rejects.toMatchObject({
      code: "NETWORK_RESET",
      retryable: true,
      message: expect.stringContaining("cut during the TLS handshake"),
    });
  });
});

describe("what is not known", () => {
  const request = {
    method: "GET",
    url: new URL("https://registry.test/"),
    answered: false,
    now: 0,
  };
  test.each([new TypeError("x is undefined"), "text", undefined])(
    "%s stays what it is: a defect",
    (defect) => {
      expect(networkError(defect, request)).toBe(defect);
    },
  );

  test("a system's error of another name is told by it", () => {
    const cause = Object.assign(new Error(), { code: "EISCONN" });
    expect(networkError(cause, request)).toMatchObject({
      code: "NETWORK_FAILED",
      message: "GET https://registry.test/: EISCONN",
    });
  });
});
