import { Http } from "#src/registry/http.js";
import { hopHeaders } from "#src/registry/redirects.js";
import { expect, onTestFinished, test } from "vitest";
import { lookup, serve } from "./client.js";

/** What was asked for, what is the host's own, and what was put in the wrong place. */
const SAID = {
  headers: {
    Accept: "application/json",
    range: "bytes=1-",
    cookie: "session=secret",
    "Proxy-Authorization": "Basic secret",
  },
  hostHeaders: {
    "X-Api-Key": "secret",
    cookie: "host=secret",
    host: "elsewhere.test",
    "transfer-encoding": "chunked",
  },
  authorization: "Bearer secret",
};

test("a host's own headers go to that host, and what was asked for everywhere", async () => {
  const [home, other] = [await serve(), await serve()];
  const client = new Http({
    userAgent: "test",
    connectTimeoutMs: 2000,
    headersTimeoutMs: 2000,
    stallMs: 2000,
    network: { lookup, proxy: {} },
  });
  onTestFinished(() => client.close());
  const send = (from: typeof home, to: string) =>
    from.faults.push({ do: "status", status: 307, headers: { location: to } });
  // On at home, then away, then home again.
  send(home, "/second");
  send(home, `http://registry.test:${other.port}/third`);
  send(other, `http://registry.test:${home.port}/fourth`);
  const response = await client.request({
    method: "GET",
    url: new URL(`http://registry.test:${home.port}/first`),
    signal: new AbortController().signal,
    ...SAID,
  });
  response.body.cancel();
  const own = {
    accept: "application/json",
    range: "bytes=1-",
    "x-api-key": "secret",
    cookie: "session=secret",
    authorization: "Bearer secret",
    host: `registry.test:${home.port}`,
  };
  expect(home.requests.slice(0, 2)).toMatchObject([
    { url: "/first", headers: own },
    { url: "/second", headers: own },
  ]);
  const [third] = other.requests;
  const [, , fourth] = home.requests;
  for (const request of [third, fourth]) {
    expect(request?.headers).toMatchObject({
      accept: "application/json",
      range: "bytes=1-",
    });
    expect(JSON.stringify(request)).not.toContain("secret");
  }
});

test("headers of the connection are nobody's to set", () => {
  expect(hopHeaders(SAID, true)).toEqual({
    accept: "application/json",
    range: "bytes=1-",
    cookie: "session=secret",
    "x-api-key": "secret",
    authorization: "Bearer secret",
  });
  expect(hopHeaders(SAID, false)).toEqual({
    accept: "application/json",
    range: "bytes=1-",
  });
  expect(hopHeaders({}, true)).toEqual({});
});

test("a log-in among the host's headers gives way to one that was asked for", () => {
  const hostHeaders = { Authorization: "Basic of-the-file" };
  expect(hopHeaders({ hostHeaders }, true)).toEqual({
    authorization: "Basic of-the-file",
  });
  expect(
    hopHeaders({ hostHeaders, authorization: "Bearer token" }, true),
  ).toEqual({ authorization: "Bearer token" });
});
