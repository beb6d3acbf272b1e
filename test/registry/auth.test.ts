import type { Descriptor } from "#src/registry/manifest.js";
import type { RegistryClientOptions } from "#src/registry/client.js";
import { describe, expect, test } from "vitest";
import type { TokenServerOptions } from "../helpers/token-server.js";
import { collect, connect, noise, repo, serve } from "./client.js";

const LAYER = noise(300_000);

async function withTokens(auth: TokenServerOptions = {}, tls = false) {
  const registry = await serve({ auth, tls });
  const image = registry.addImage("team/app", "1.0", [LAYER]);
  registry.addImage("team/other", "1.0", [LAYER]);
  const layer = image.layers[0] as Descriptor;
  const asked = registry.tokens?.asked ?? [];
  return { registry, image, layer, asked };
}

const PULL = "repository:team/app:pull";

describe("anonymous tokens", () => {
  test("the first 401 tells where; everything else carries the token", async () => {
    const { registry, image, layer, asked } = await withTokens();
    const client = connect();
    await client.manifest(repo(registry), "1.0");
    await client.bytes(repo(registry), image.config as Descriptor);
    await collect(client.blob(repo(registry), layer));
    expect(registry.requests.map(({ url }) => url.split("?")[0])).toEqual([
      "/v2/team/app/manifests/1.0",
      "/token",
      "/v2/team/app/manifests/1.0",
      `/v2/team/app/blobs/${image.config.digest}`,
      `/v2/team/app/blobs/${layer.digest}`,
    ]);
    expect(asked).toEqual([
      {
        method: "GET",
        scopes: [PULL],
        service: "fault-registry",
        user: undefined,
      },
    ]);
    const [, token] = registry.requests;
    expect(token?.headers).not.toHaveProperty("authorization");
  });

  test("many requests at once share one flight", async () => {
    const { registry, layer, asked } = await withTokens();
    const client = connect();
    const streams = Array.from({ length: 8 }, () =>
      collect(client.blob(repo(registry), layer)),
    );
    for (const bytes of await Promise.all(streams)) {
      expect(bytes.equals(LAYER)).toBe(true);
    }
    expect(asked).toHaveLength(1);
  });

  test("each repository has its own token, and the second one needs no 401", async () => {
    const { registry, asked } = await withTokens();
    const client = connect();
    await client.manifest(repo(registry), "1.0");
    await client.manifest(repo(registry, "team/other"), "1.0");
    expect(asked.map(({ scopes }) => scopes)).toEqual([
      [PULL],
      ["repository:team/other:pull"],
    ]);
    expect(registry.sent(/team\/other/)).toHaveLength(1);
  });

  test("one flight survives that one of its waiters leaves", async () => {
    let release = (): void => undefined;
    const hold = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { registry, asked } = await withTokens({ hold });
    const client = connect();
    const leaver = new AbortController();
    const left = client.manifest(repo(registry), "1.0", {
      signal: leaver.signal,
    });
    const stayed = client.manifest(repo(registry), "1.0");
    await expect.poll(() => registry.sent(/token/).length).toBe(1);
    leaver.abort();
    await expect(left).rejects.toMatchObject({ code: "ABORTED" });
    release();
    expect((await stayed).bytes.length).toBeGreaterThan(0);
    expect(asked).toHaveLength(1);
  });
});

describe("tokens that end", () => {
  test("revoked during a pull: a new one, and the layer goes on", async () => {
    const { registry, layer, asked } = await withTokens();
    const client = connect();
    await client.manifest(repo(registry), "1.0");
    registry.faults.push({
      on: { path: /blobs/ },
      do: "truncate",
      after: 100_000,
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of client.blob(repo(registry), layer)) {
      if (chunks.length === 0) registry.tokens?.revokeAll();
      chunks.push(chunk);
    }
    expect(Buffer.concat(chunks).equals(LAYER)).toBe(true);
    expect(asked).toHaveLength(2);
  });

  test.each([
    [100, 79_000, 81_000],
    [undefined, 47_000, 49_000],
  ])(
    "expires_in %s: renewed after %i…%i ms, before any 401",
    async (expiresIn, before, after) => {
      const { registry, asked } = await withTokens(
        expiresIn === undefined ? {} : { expiresIn },
      );
      let now = Date.now();
      const client = connect({ retry: { now: () => now } });
      await client.manifest(repo(registry), "1.0");
      const start = now;
      now = start + before;
      await client.manifest(repo(registry), "1.0");
      expect(asked).toHaveLength(1);
      now = start + after;
      await client.manifest(repo(registry), "1.0");
      expect(asked).toHaveLength(2);
      expect(registry.sent(/manifests/)).toHaveLength(4);
    },
  );

  const now = Date.now();
  test.each([
    ["half a life ago", -50_000, 29_000, 31_000],
    ["longer ago than it lives", -3_600_000, 79_000, 81_000],
    ["in the future", 3_600_000, 79_000, 81_000],
  ])(
    "issued %s by the server's clock (%i ms): renewed after %i…%i ms",
    async (_name, shift, before, after) => {
      const { registry, asked } = await withTokens({
        expiresIn: 100,
        issuedAt: new Date(now + shift),
      });
      let current = now;
      const client = connect({ retry: { now: () => current } });
      await client.manifest(repo(registry), "1.0");
      current = now + before;
      await client.manifest(repo(registry), "1.0");
      expect(asked).toHaveLength(1);
      current = now + after;
      await client.manifest(repo(registry), "1.0");
      expect(asked).toHaveLength(2);
    },
  );

  test("a token that is refused as soon as it is fresh is not fetched for ever", async () => {
    const { registry, asked } = await withTokens({ grant: () => [] });
    await expect(
      connect().manifest(repo(registry), "1.0"),
    ).rejects.toMatchObject({
      code: "UNAUTHORIZED",
      message: expect.stringMatching(
        /team\/app: not found, or private\. Sent no credentials\. \(GET .*: 401 UNAUTHORIZED: authentication required\)/,
      ),
      details: { status: 401, credentialsSent: false },
    });
    expect(asked).toHaveLength(1);
  });
});

describe("scopes", () => {
  test("a wider one in the challenge is asked for, merged with our own", async () => {
    const { registry, asked } = await withTokens({
      challengeScope: (repository) => `repository:${repository}:pull,push`,
      grant: () => ["repository:team/app:pull,push"],
    });
    const client = connect();
    await client.manifest(repo(registry), "1.0");
    expect(asked.map(({ scopes }) => scopes)).toEqual([
      ["repository:team/app:pull,push"],
    ]);
  });

  test("insufficient_scope: once more with both", async () => {
    let scope = PULL;
    const { registry, asked } = await withTokens({
      challengeScope: () => scope,
    });
    const client = connect();
    await client.manifest(repo(registry), "1.0");
    scope = "repository:team/base:pull";
    await client.manifest(repo(registry), "1.0");
    expect(asked.map(({ scopes }) => scopes)).toEqual([
      [PULL],
      [PULL, "repository:team/base:pull"],
    ]);
  });

  test("a registry that wants more each time is left", async () => {
    let serial = 0;
    const { registry } = await withTokens({
      challengeScope: () => `repository:x/${++serial}:pull`,
      grant: () => [],
    });
    await expect(
      connect().manifest(repo(registry), "1.0"),
    ).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    expect(registry.sent(/manifests/).length).toBeLessThanOrEqual(4);
  });
});

describe("the token server's answers", () => {
  const bad: [string, string][] = [
    ["no JSON", "<html>"],
    ["no token", "{}"],
    ["an empty token", '{"token":""}'],
    ["a token that is no string", '{"token":5}'],
    ["a token that would end the header", '{"token":"a\\r\\nHost: b"}'],
    ["null", "null"],
    ["more than 1 MiB", `{"token":"${"x".repeat(1024 * 1024)}"}`],
  ];
  test.each(bad)("%s", async (_name, body) => {
    const { registry } = await withTokens();
    registry.faults.push({
      on: { path: /token/ },
      do: "status",
      status: 200,
      body,
    });
    await expect(
      connect().manifest(repo(registry), "1.0"),
    ).rejects.toMatchObject({ code: "TOKEN_INVALID", retryable: false });
  });

  test("trouble passes, refusal does not", async () => {
    const { registry, asked } = await withTokens();
    registry.faults.push(
      { on: { path: /token/ }, do: "status", status: 503 },
      { on: { path: /token/ }, do: "reset" },
    );
    const client = connect();
    await client.manifest(repo(registry), "1.0");
    expect(client.retries).toHaveLength(2);
    expect(asked.length).toBeGreaterThan(0);

    registry.tokens?.revokeAll();
    registry.faults.push({
      on: { path: /token/ },
      do: "status",
      status: 403,
      body: '{"errors":[{"code":"DENIED","message":"requested access is denied"}]}',
    });
    await expect(client.manifest(repo(registry), "1.0")).rejects.toMatchObject({
      code: "DENIED",
      message: expect.stringMatching(
        /the token server .* refuses\. Sent no credentials\. .*requested access is denied/,
      ),
    });
  });
});

describe("realms", () => {
  const refused: [string, string, boolean][] = [
    ["plain HTTP for an HTTPS registry", "http://auth.test/token", true],
    ["link-local", "https://169.254.169.254/latest", true],
    ["private", "https://10.0.0.1/token", true],
    ["loopback of a registry elsewhere", "https://127.0.0.1/token", true],
    ["loopback, mapped", "https://[::ffff:127.0.0.1]/token", true],
    ["loopback in decimal", "https://2130706433/token", true],
    ["localhost", "https://localhost/token", true],
    ["no URL", "token", true],
    ["another scheme", "file:///etc/passwd", true],
    ["user info", "https://u:p4ssw0rd@auth.test/", true],
    ["private address for a loopback registry", "http://10.0.0.1/token", false],
  ];
  test.each(refused)("%s is refused: %s", async (_name, realm, tls) => {
    const registry = await serve({ tls, auth: { realm } });
    const repository = {
      registry: tls ? `registry.test:${registry.port}` : registry.host,
      repository: "team/app",
    };
    const error = await connect()
      .manifest(repository, "1.0")
      .catch((error: unknown) => error);
    expect(error).toMatchObject({ code: "TOKEN_REALM_REFUSED" });
    expect(JSON.stringify(error)).not.toContain("p4ssw0rd");
    expect(registry.requests).toHaveLength(1);
  });

  test("another host by https is fine", async () => {
    const auth = await serve({ tls: true, auth: {} });
    const registry = await serve({
      tls: true,
      auth: { realm: `https://auth.test:${auth.port}/token` },
    });
    registry.addImage("team/app", "1.0", []);
    const got = connect().manifest(
      { registry: `registry.test:${registry.port}`, repository: "team/app" },
      "1.0",
    );
    // The other server's tokens are not known here; it was asked all the same.
    await expect(got).rejects.toMatchObject({ code: "UNAUTHORIZED" });
    expect(auth.tokens?.asked).toHaveLength(1);
  });

  test("what a realm redirects to is checked, too", async () => {
    const auth: TokenServerOptions = {};
    const { registry } = await withTokens(auth, true);
    const name = `registry.test:${registry.port}`;
    auth.realm = `https://${name}/token`;
    registry.faults.push({
      on: { path: /token/ },
      do: "status",
      status: 302,
      headers: { location: `https://127.0.0.1:${registry.port}/token` },
    });
    await expect(
      connect().manifest({ registry: name, repository: "team/app" }, "1.0"),
    ).rejects.toMatchObject({ code: "TOKEN_REALM_REFUSED" });
    expect(registry.sent(/token/)).toHaveLength(1);
  });
});

describe("credentials", () => {
  const users = { ann: "p:w with colon" };
  const ann: RegistryClientOptions["credentials"] = async () => ({
    kind: "password",
    username: "ann",
    password: "p:w with colon",
  });

  test("a password buys the token and is never sent to the registry itself", async () => {
    const { registry, asked } = await withTokens({ users });
    const questions: [string, string | undefined][] = [];
    const client = connect({
      credentials: async (host, repository) => {
        questions.push([host, repository]);
        return ann(host);
      },
    });
    await client.manifest(repo(registry), "1.0");
    await client.manifest(repo(registry, "team/other"), "1.0");
    expect(asked.map(({ user }) => user)).toEqual(["ann", "ann"]);
    await client.manifest(repo(registry), "1.0");
    expect(questions).toEqual([
      [registry.host, "team/app"],
      [registry.host, "team/other"],
    ]);
    const sent = registry
      .sent(/manifests/)
      .map(({ headers }) => String(headers["authorization"]).slice(0, 6));
    expect(sent).toEqual(["undefi", "Bearer", "Bearer", "Bearer"]);
  });

  test("a wrong one is told, but not shown", async () => {
    const { registry } = await withTokens({ users });
    const password = "very-wrong-secret";
    const error = await connect({
      credentials: async () => ({
        kind: "password",
        username: "ann",
        password,
      }),
    })
      .manifest(repo(registry), "1.0")
      .catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: "UNAUTHORIZED",
      message: expect.stringMatching(
        /refuses\. Sent the credentials of user ann\. .*incorrect username or password/,
      ),
      details: { credentialsSent: true },
    });
    expect(JSON.stringify(error)).not.toContain(password);
  });

  test("known, but without the right to pull", async () => {
    const { registry } = await withTokens({ users, grant: () => [] });
    await expect(
      connect({ credentials: ann }).manifest(repo(registry), "1.0"),
    ).rejects.toMatchObject({
      code: "UNAUTHORIZED",
      message: expect.stringContaining(
        "not found, or no right to pull. Sent the credentials of user ann.",
      ),
    });
  });

  test("Basic, where the registry asks for it", async () => {
    const { registry } = await withTokens({ users, basic: true });
    const client = connect({ credentials: ann });
    await client.manifest(repo(registry), "1.0");
    await client.manifest(repo(registry), "1.0");
    expect(registry.requests).toHaveLength(3);
    await expect(
      connect().manifest(repo(registry), "1.0"),
    ).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  });

  test("an identity token is exchanged by POST", async () => {
    const { registry, asked } = await withTokens({
      identityTokens: ["refresh"],
    });
    const credentials = async () =>
      ({ kind: "identity", token: "refresh" }) as const;
    await connect({ credentials }).manifest(repo(registry), "1.0");
    expect(asked).toMatchObject([{ method: "POST", scopes: [PULL] }]);
  });

  test("a bearer token is used as it is", async () => {
    const { registry } = await withTokens();
    const credentials = async () =>
      ({ kind: "bearer", token: "registry-token" }) as const;
    const error = connect({ credentials }).manifest(repo(registry), "1.0");
    await expect(error).rejects.toMatchObject({
      details: { credentialsSent: true },
    });
    expect(registry.requests.at(-1)?.headers["authorization"]).toBe(
      "Bearer registry-token",
    );
    expect(registry.tokens?.asked).toEqual([]);
  });

  test("a scheme that nobody here knows", async () => {
    const { registry } = await withTokens();
    registry.faults.push({
      do: "status",
      status: 401,
      headers: { "www-authenticate": "Negotiate abcd==, NTLM" },
    });
    await expect(
      connect().manifest(repo(registry), "1.0"),
    ).rejects.toMatchObject({
      code: "AUTH_UNSUPPORTED",
      message: expect.stringContaining("negotiate, ntlm"),
    });
  });
});
