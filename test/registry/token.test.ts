/** What goes over the wire for each kind of credential, and what never does. */
import type { Credential } from "#src/registry/credentials.js";
import { TpullError } from "#store/errors.js";
import type { LookupFunction } from "node:net";
import { describe, expect, test } from "vitest";
import type { TokenServerOptions } from "../helpers/token-server.js";
import { TEST_CERTIFICATE } from "../helpers/test-certificate.js";
import { connect, noise, repo, serve } from "./client.js";

const PULL = "repository:team/app:pull";
const IDENTITY: Credential = { kind: "identity", token: "refresh-secret" };

async function withTokens(auth: TokenServerOptions = {}, tls = false) {
  const registry = await serve({ auth, tls });
  registry.addImage("team/app", "1.0", [noise(1000)]);
  registry.addImage("team/other", "1.0", [noise(1000)]);
  return { registry, asked: registry.tokens?.asked ?? [] };
}

function as(credential: Credential) {
  return { credentials: async () => credential };
}

describe("identity tokens", () => {
  const accepting = { identityTokens: ["refresh-secret"] };

  test("go by POST, in the body only", async () => {
    const { registry, asked } = await withTokens(accepting);
    await connect(as(IDENTITY)).manifest(repo(registry), "1.0");
    expect(asked).toMatchObject([
      { method: "POST", scopes: [PULL], service: "fault-registry" },
    ]);
    const [post] = registry.sent(/token/, "POST");
    expect(post?.url).toBe("/token");
    expect(post?.headers["authorization"]).toBeUndefined();
    expect(post?.headers["content-type"]).toBe(
      "application/x-www-form-urlencoded",
    );
  });

  test.each([400, 401, 404, 405])(
    "a server that answers %i to the POST gets it by GET, as containerd does it",
    async (postStatus) => {
      const { registry, asked } = await withTokens({
        users: { ann: "refresh-secret" },
        postStatus,
      });
      const client = connect(as({ ...IDENTITY, username: "ann" }));
      await client.manifest(repo(registry), "1.0");
      expect(asked).toMatchObject([
        { method: "POST" },
        { method: "GET", scopes: [PULL], user: "ann" },
      ]);
    },
  );

  test("whose is not known: with an empty user", async () => {
    const { registry, asked } = await withTokens({
      users: { "": "refresh-secret" },
      postStatus: 404,
    });
    await connect(as(IDENTITY)).manifest(repo(registry), "1.0");
    expect(asked.at(-1)).toMatchObject({ method: "GET", user: "" });
  });

  test("trouble is no reason for a GET, but for another POST", async () => {
    const { registry, asked } = await withTokens(accepting);
    registry.faults.push({ on: { path: /token/ }, do: "status", status: 503 });
    await connect(as(IDENTITY)).manifest(repo(registry), "1.0");
    expect(asked.every(({ method }) => method === "POST")).toBe(true);
  });

  test.each([
    [401, "POST"],
    [404, "GET"],
  ])(
    "refused by both: after %i the words about the %s are told",
    async (postStatus, method) => {
      const { registry } = await withTokens({
        users: { ann: "another" },
        postStatus,
      });
      const client = connect(as({ ...IDENTITY, username: "ann" }));
      await expect(
        client.manifest(repo(registry), "1.0"),
      ).rejects.toMatchObject({
        code: "UNAUTHORIZED",
        message: expect.stringMatching(
          new RegExp(`Sent the credentials of user ann\\. \\(${method} `),
        ),
      });
    },
  );

  test("a POST is not redirected", async () => {
    const { registry, asked } = await withTokens(accepting);
    const other = await serve({ auth: accepting });
    registry.faults.push({
      on: { path: /token/ },
      times: 9,
      do: "status",
      status: 307,
      headers: { location: `${other.url}/token` },
    });
    await expect(
      connect(as(IDENTITY)).manifest(repo(registry), "1.0"),
    ).rejects.toMatchObject({ details: { status: 307 } });
    expect(other.requests).toEqual([]);
    expect(asked).toHaveLength(1);
  });
});

describe("a registry token", () => {
  test("is sent as it is, and the realm never asked", async () => {
    const { registry, asked } = await withTokens({
      realm: "http://10.0.0.1/token",
    });
    const client = connect(as({ kind: "bearer", token: "ready-secret" }));
    await expect(client.manifest(repo(registry), "1.0")).rejects.toMatchObject({
      code: "UNAUTHORIZED",
      details: { credentialsSent: true },
    });
    expect(registry.requests.at(-1)?.headers["authorization"]).toBe(
      "Bearer ready-secret",
    );
    expect(asked).toEqual([]);
  });
});

describe("each host and repository has its own", () => {
  test("credentials of two repositories of one host", async () => {
    const { registry, asked } = await withTokens({
      users: { app: "app-secret", other: "other-secret" },
    });
    const client = connect({
      credentials: async (_host, repository = "") => {
        const username = repository.split("/")[1] ?? "";
        return { kind: "password", username, password: `${username}-secret` };
      },
    });
    await client.manifest(repo(registry), "1.0");
    await client.manifest(repo(registry, "team/other"), "1.0");
    expect(asked.map(({ user }) => user)).toEqual(["app", "other"]);
  });

  test("two registries: neither sees what belongs to the other", async () => {
    const one = await withTokens({ users: { ann: "one-secret" } });
    const two = await withTokens({ users: { ann: "two-secret" }, basic: true });
    const client = connect({
      credentials: async (host) => ({
        kind: "password",
        username: "ann",
        password: host === one.registry.host ? "one-secret" : "two-secret",
      }),
    });
    await client.manifest(repo(one.registry), "1.0");
    await client.manifest(repo(two.registry), "1.0");
    const basic = (password: string) =>
      Buffer.from(`ann:${password}`).toString("base64");
    const seenBy = (registry: typeof one.registry) =>
      JSON.stringify(registry.requests);
    expect(seenBy(one.registry)).toContain(basic("one-secret"));
    expect(seenBy(one.registry)).not.toContain(basic("two-secret"));
    expect(seenBy(two.registry)).toContain(basic("two-secret"));
    expect(seenBy(two.registry)).not.toContain(basic("one-secret"));
  });

  test("a mirror gets what is its own, the registry what is the registry's", async () => {
    const users = { ann: "origin-secret", max: "mirror-secret" };
    const origin = await withTokens({ users });
    const mirror = await withTokens({ users, basic: true });
    mirror.registry.addImage("team/app", "mirrored", []);
    const place = (registry: typeof origin.registry, own: boolean) => ({
      url: registry.url,
      origin: own,
      capabilities: ["pull", "resolve"] as const,
      overridePath: false,
      headers: {},
      connection: { verify: true },
      plainHttpFallback: false,
    });
    const kept = new Map([
      ["docker.io", ["ann", "origin-secret"]],
      [mirror.registry.host, ["max", "mirror-secret"]],
    ]);
    const questions: string[] = [];
    const pulling = (tag: string) =>
      connect({
        hosts: async () => [
          place(mirror.registry, false),
          place(origin.registry, true),
        ],
        credentials: async (host) => {
          questions.push(host);
          const [username = "", password = ""] = kept.get(host) ?? [];
          return username === ""
            ? undefined
            : { kind: "password", username, password };
        },
      }).manifest({ registry: "docker.io", repository: "team/app" }, tag);
    await pulling("mirrored");
    expect(questions).toEqual([mirror.registry.host]);
    // One that knows nobody is asked anonymously, and passed over.
    kept.delete(mirror.registry.host);
    await pulling("1.0");
    expect(questions.slice(1)).toEqual([mirror.registry.host, "docker.io"]);
    expect(origin.asked.map(({ user }) => user)).toEqual(["ann"]);
    const sent = mirror.registry.requests.map(
      ({ headers }) => headers["authorization"],
    );
    const own = `Basic ${Buffer.from("max:mirror-secret").toString("base64")}`;
    expect(sent).toEqual([undefined, own, undefined]);
  });

  test("Basic does not follow a redirect to another port", async () => {
    const storage = await serve();
    const registry = await serve({
      auth: { users: { ann: "basic-secret" }, basic: true },
      redirectBlobsTo: storage,
    });
    const image = registry.addImage("team/app", "1.0", [noise(1000)]);
    storage.addBlob(noise(1000));
    const client = connect(
      as({ kind: "password", username: "ann", password: "basic-secret" }),
    );
    const [layer] = image.layers;
    for await (const chunk of client.blob(repo(registry), layer as never)) {
      expect(chunk.length).toBeGreaterThan(0);
    }
    expect(storage.requests).toHaveLength(1);
    expect(storage.requests[0]?.headers).not.toHaveProperty("authorization");
  });
});

describe("a source that fails", () => {
  const failing = async (): Promise<never> => {
    throw new TpullError("CREDENTIAL_HELPER_FAILED", "the helper is out");
  };

  test("does not stand in the way of what is public", async () => {
    const { registry, asked } = await withTokens();
    await connect({ credentials: failing }).manifest(repo(registry), "1.0");
    expect(asked).toMatchObject([{ method: "GET", user: undefined }]);
  });

  test.each([
    ["token", {}],
    ["Basic", { basic: true }],
  ])("is named when the registry refuses: %s", async (kind, more) => {
    const { registry } = await withTokens({ users: { ann: "x" }, ...more });
    await expect(
      connect({ credentials: failing }).manifest(repo(registry), "1.0"),
    ).rejects.toMatchObject({
      code: "UNAUTHORIZED",
      message: expect.stringContaining(
        "Sent no credentials: the helper is out.",
      ),
      ...(kind === "Basic"
        ? { hint: expect.stringContaining("set that right first") }
        : {}),
    });
  });

  test("with a defect is a defect", async () => {
    const { registry } = await withTokens();
    const credentials = async (): Promise<never> => {
      throw new TypeError("not a function");
    };
    await expect(
      connect({ credentials }).manifest(repo(registry), "1.0"),
    ).rejects.toThrow(TypeError);
  });
});

describe("realms by name", () => {
  /** Names lead where the table says; connections go to this machine all the same. */
  function resolving(
    table: Record<string, string[]>,
    asked: string[] = [],
  ): LookupFunction {
    return (name, options, callback) => {
      // The check asks for all; so do connections, after it.
      const answer = asked.includes(name) ? undefined : table[name];
      asked.push(name);
      const addresses = answer ?? ["127.0.0.1"];
      const list = addresses.map((address) => ({
        address,
        family: address.includes(":") ? 6 : 4,
      }));
      if (options.all === true) callback(null, list);
      else callback(null, addresses[0] ?? "", list[0]?.family);
    };
  }

  async function pullVia(table: Record<string, string[]>) {
    const auth = await serve({ tls: true, auth: {} });
    const registry = await serve({
      tls: true,
      auth: { realm: `https://auth.test:${auth.port}/token` },
    });
    registry.addImage("team/app", "1.0", []);
    const seen: string[] = [];
    // The registry's own connection is made before anything is checked.
    const lookup = resolving(table, seen);
    let first = true;
    const client = connect({
      network: {
        ca: TEST_CERTIFICATE,
        lookup: (name, options, callback) => {
          if (first && name === "registry.test") {
            first = false;
            resolving({})(name, options, callback);
          } else lookup(name, options, callback);
        },
      },
    });
    const error = await client
      .manifest(
        { registry: `registry.test:${registry.port}`, repository: "team/app" },
        "1.0",
      )
      .catch((error: unknown) => error);
    return { error, asked: auth.tokens?.asked ?? [], requests: auth.requests };
  }

  const PUBLIC = ["203.0.113.7"];
  test.each<[string, string[], string[]]>([
    ["metadata service", PUBLIC, ["169.254.169.254"]],
    ["private", PUBLIC, ["10.1.2.3"]],
    ["private beside public", PUBLIC, ["203.0.113.9", "192.168.1.1"]],
    ["this machine", PUBLIC, ["127.0.0.1"]],
    ["this machine, IPv6", PUBLIC, ["::1"]],
    ["unique local", PUBLIC, ["fd00::1"]],
    ["link-local for a private registry", ["10.0.0.5"], ["169.254.169.254"]],
    [
      "a registry that names both sorts",
      ["203.0.113.7", "10.1.2.3"],
      ["10.1.2.3"],
    ],
  ])("refused: %s", async (_name, registry, realm) => {
    const { error, requests } = await pullVia({
      "registry.test": registry,
      "auth.test": realm,
    });
    expect(error).toMatchObject({
      code: "TOKEN_REALM_REFUSED",
      message: expect.stringContaining("a name for an address of this machine"),
    });
    expect(requests).toEqual([]);
  });

  test.each<[string, string[], string[]]>([
    ["both public", PUBLIC, ["203.0.113.9"]],
    ["both inside", ["10.0.0.5"], ["192.168.1.9"]],
    ["both on this machine", ["127.0.0.1"], ["127.0.0.1"]],
  ])("asked: %s", async (_name, registry, realm) => {
    const { asked } = await pullVia({
      "registry.test": registry,
      "auth.test": realm,
    });
    expect(asked).toHaveLength(1);
  });
});
