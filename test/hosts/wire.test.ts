// What is configured, seen from the servers that are asked.
import { once } from "node:events";
import { createServer as createHttps } from "node:https";
import { createServer, type AddressInfo, type Server } from "node:net";
import type { TLSSocket } from "node:tls";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { createHosts, type HostsOptions } from "#src/hosts/index.js";
import type { PassedOver } from "#src/registry/client.js";
import { makeAuthority, makeCert } from "../helpers/certificates.js";
import type {
  FaultRegistry,
  RecordedRequest,
} from "../helpers/fault-registry.js";
import { Cleanups } from "../helpers/run.js";
import { TEST_CERTIFICATE } from "../helpers/test-certificate.js";
import { connect, lookup, serve } from "../registry/client.js";
import { ConfigTree } from "./config-tree.js";

const cleanups = new Cleanups();
afterAll(() => cleanups.close());

const LAYER = Buffer.from("a layer");

interface Machine {
  /** `hosts.toml` of the registry. */
  readonly toml?: string;
  /** Other files. */
  readonly files?: Readonly<Record<string, string>>;
  readonly options?: HostsOptions;
  /** Name of this machine under which the registry is known. */
  readonly name?: string;
}

interface Asked {
  readonly manifest: Buffer;
  readonly passedOver: readonly PassedOver[];
}

const portOf = ({ host }: FaultRegistry): string => host.split(":")[1]!;

/** Asks for a tag of the registry on a machine that is configured so. */
async function ask(registry: FaultRegistry, machine: Machine): Promise<Asked> {
  const name = `${machine.name ?? "127.0.0.1"}:${portOf(registry)}`;
  const folder = `etc/containerd/certs.d/${name}`;
  const tree = await ConfigTree.write(cleanups, {
    ...(machine.toml === undefined
      ? {}
      : { [`${folder}/hosts.toml`]: machine.toml }),
    ...Object.fromEntries(
      Object.entries(machine.files ?? {}).map(([file, content]) => [
        `${folder}/${file}`,
        content,
      ]),
    ),
  });
  const client = connect({
    hosts: createHosts(tree.options(machine.options)),
    // Nothing is trusted but what is configured.
    network: { lookup, proxy: {} },
  });
  const at = { registry: name, repository: "team/app" };
  const { bytes } = await client.manifest(at, "1.0");
  return { manifest: Buffer.from(bytes), passedOver: client.passedOver(name) };
}

const urls = (requests: readonly RecordedRequest[]): string[] =>
  requests.map(({ method, url }) => `${method} ${url}`);

/** A registry and a mirror with the same image, the mirror's in a folder if need be. */
async function pair(
  options: { tls?: boolean; folder?: string } = {},
): Promise<{ origin: FaultRegistry; mirror: FaultRegistry }> {
  const origin = await serve();
  const mirror = await serve({ tls: options.tls ?? false });
  origin.addImage("team/app", "1.0", [LAYER]);
  mirror.addImage(`${options.folder ?? ""}team/app`, "1.0", [LAYER]);
  return { origin, mirror };
}

describe("a mirror of hosts.toml", () => {
  it("is asked with the registry's name and its own headers", async () => {
    const { origin, mirror } = await pair();
    await ask(origin, {
      toml: `
        [host."http://mirror.test:${portOf(mirror)}".header]
        X-Registry = "https://r"
        X-Two = ["a", "b"]
        Authorization = "Basic bWU6bWU="
      `,
    });
    expect(urls(mirror.requests)).toEqual([
      `GET /v2/team/app/manifests/1.0?ns=127.0.0.1%3A${portOf(origin)}`,
    ]);
    expect(mirror.requests[0]?.headers).toMatchObject({
      host: `mirror.test:${portOf(mirror)}`,
      "x-registry": "https://r",
      "x-two": "a, b",
      authorization: "Basic bWU6bWU=",
    });
    expect(origin.requests).toEqual([]);
  });

  it("keeps its headers to itself", async () => {
    const { origin, mirror } = await pair();
    mirror.faults.push({ on: {}, do: "status", status: 404 });
    await ask(origin, {
      toml: `
        [host."http://mirror.test:${portOf(mirror)}".header]
        x-secret = "s3cret"
      `,
    });
    expect(urls(origin.requests)).toEqual(["GET /v2/team/app/manifests/1.0"]);
    expect(JSON.stringify(origin.requests)).not.toContain("s3cret");
  });

  it("that repeats its headers is not repeated", async () => {
    const { origin, mirror } = await pair();
    mirror.faults.push({
      on: {},
      do: "status",
      status: 403,
      body: JSON.stringify({
        errors: [{ code: "DENIED", message: "of https://r/: s3cret dG9rZW4=" }],
      }),
    });
    const { passedOver } = await ask(origin, {
      toml: `
        [host."http://mirror.test:${portOf(mirror)}".header]
        x-secret = "s3cret"
        x-registry = "https://r/"
        authorization = "Basic dG9rZW4="
      `,
    });
    expect(passedOver[0]?.reason).toContain(
      "DENIED: of https://r/: REDACTED REDACTED",
    );
  });

  it("without resolve is not asked for a tag", async () => {
    const { origin, mirror } = await pair();
    await ask(origin, {
      toml: `
        [host."http://mirror.test:${portOf(mirror)}"]
        capabilities = ["pull"]
      `,
    });
    expect(mirror.requests).toEqual([]);
    expect(origin.requests).toHaveLength(1);
  });

  it("has its API where override_path says", async () => {
    const { origin, mirror } = await pair({ folder: "project/" });
    await ask(origin, {
      toml: `
        [host."http://mirror.test:${portOf(mirror)}/v2/project"]
        override_path = true
      `,
    });
    expect(urls(mirror.requests)).toEqual([
      expect.stringMatching(/^GET \/v2\/project\/team\/app\/manifests\/1\.0\?/),
    ]);
    expect(origin.requests).toEqual([]);
  });

  it("has its API below its path otherwise", async () => {
    const { origin, mirror } = await pair();
    await ask(origin, {
      toml: `[host."http://mirror.test:${portOf(mirror)}/sub/v2"]`,
    });
    expect(urls(mirror.requests)[0]).toMatch(
      /^GET \/sub\/v2\/team\/app\/manifests\/1\.0\?/,
    );
    expect(origin.requests).toHaveLength(1);
  });

  it("as server is the last that is asked", async () => {
    const { origin, mirror } = await pair();
    await ask(origin, {
      toml: `server = "http://mirror.test:${portOf(mirror)}"`,
    });
    expect(mirror.requests).toHaveLength(1);
    expect(origin.requests).toEqual([]);
  });

  it("that does not take the connection within dial_timeout is passed over", async () => {
    const origin = await serve();
    origin.addImage("team/app", "1.0", [LAYER]);
    // Takes the connection, and never says a word of TLS.
    const silent = await listen(createServer());
    const { passedOver } = await ask(origin, {
      toml: `
        [host."https://mirror.test:${silent}"]
        dial_timeout = "30ms"
      `,
    });
    expect(passedOver).toEqual([
      expect.objectContaining({ code: "NETWORK_TIMEOUT" }),
    ]);
    expect(origin.requests).toHaveLength(1);
  });
});

describe("the certificate of a mirror", () => {
  // registry.test is a name that the test certificate has.
  it.each<[string, string, string, boolean]>([
    ["nothing", "", "registry.test", false],
    ["ca", 'ca = "ca.pem"', "registry.test", true],
    ["ca, and another name", 'ca = "ca.pem"', "mirror.test", false],
    ["skip_verify", "skip_verify = true", "mirror.test", true],
  ])("with %s", async (_, fields, name, accepted) => {
    const { origin, mirror } = await pair({ tls: true });
    const { passedOver } = await ask(origin, {
      toml: `[host."https://${name}:${portOf(mirror)}"]\n${fields}\n`,
      files: { "ca.pem": TEST_CERTIFICATE },
    });
    expect(mirror.requests).toHaveLength(accepted ? 1 : 0);
    expect(origin.requests).toHaveLength(accepted ? 0 : 1);
    expect(passedOver.map(({ code }) => code)).toEqual(
      accepted ? [] : ["TLS_ERROR"],
    );
  });

  it("is answered with the client's own", async () => {
    const authority = makeAuthority("fleet");
    const own = makeCert({ name: "host-7", issuer: authority });
    const seen: { authorized: boolean; name: unknown }[] = [];
    const server = createHttps(
      {
        ...makeCert({ name: "m", hosts: ["mirror.test"], issuer: authority }),
        ca: authority.cert,
        requestCert: true,
        rejectUnauthorized: false,
      },
      ({ socket }, response) => {
        const tls = socket as TLSSocket;
        const { subject } = tls.getPeerCertificate();
        seen.push({ authorized: tls.authorized, name: subject?.CN });
        response.writeHead(404).end();
      },
    );
    const port = await listen(server);
    const origin = await serve();
    origin.addImage("team/app", "1.0", [LAYER]);
    await ask(origin, {
      toml: `
        [host."https://mirror.test:${port}"]
        ca = "ca.pem"
        client = [["me.pem", "me-key.pem"]]
      `,
      files: {
        "ca.pem": authority.cert,
        "me.pem": own.cert,
        "me-key.pem": own.key,
      },
    });
    expect(seen).toEqual([{ authorized: true, name: "host-7" }]);
  });
});

describe("a registry by itself", () => {
  async function one(tls: boolean): Promise<FaultRegistry> {
    const registry = await serve({ tls });
    registry.addImage("team/app", "1.0", [LAYER]);
    return registry;
  }

  it("is trusted for the certificates of its folder", async () => {
    const registry = await one(true);
    const name = "registry.test";
    await expect(ask(registry, { name })).rejects.toMatchObject({
      code: "TLS_ERROR",
    });
    await ask(registry, { name, files: { "ca.crt": TEST_CERTIFICATE } });
    expect(registry.requests).toHaveLength(1);
  });

  it.each([true, false])(
    "on the insecure list may be anything (TLS: %s)",
    async (tls) => {
      const registry = await one(tls);
      const name = "other.test";
      const insecureRegistries = [`${name}:${portOf(registry)}`];
      await ask(registry, { name, options: { insecureRegistries } });
      expect(registry.requests).toHaveLength(1);
    },
  );

  it("on the insecure list is not taken for plain because it wants a certificate", async () => {
    const authority = makeAuthority("fleet");
    const server = createHttps({
      ...makeCert({ name: "r" }),
      ca: authority.cert,
      requestCert: true,
      maxVersion: "TLSv1.2",
    });
    const port = await listen(server);
    const tree = await ConfigTree.write(cleanups);
    const name = `other.test:${port}`;
    const client = connect({
      hosts: createHosts(tree.options({ insecureRegistries: [name] })),
      network: { lookup, proxy: {} },
      retry: { retries: 0 },
    });
    const error: unknown = await client
      .manifest({ registry: name, repository: "team/app" }, "1.0")
      .catch((error: unknown) => error);
    expect(String(error)).toContain(`https://${name}/`);
  });

  it("is insecure by its address", async () => {
    const registry = await one(false);
    await ask(registry, {
      name: "other.test",
      options: {
        insecureRegistries: ["127.0.0.0/8"],
        lookup: async () => ["127.0.0.1"],
      },
    });
    expect(registry.requests).toHaveLength(1);
  });

  it("on the plain list is not asked for TLS", async () => {
    const registry = await one(false);
    const name = "other.test";
    await ask(registry, {
      name,
      options: { plainHttp: [`${name}:${portOf(registry)}`] },
    });
    expect(registry.requests).toHaveLength(1);
  });

  it("is otherwise asked by HTTPS only", async () => {
    const registry = await one(false);
    await expect(ask(registry, { name: "other.test" })).rejects.toMatchObject({
      code: "TLS_ERROR",
    });
    expect(registry.requests).toEqual([]);
  });
});

/** Returns the port; the server ends with the test. */
async function listen(server: Server): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return (server.address() as AddressInfo).port;
}
