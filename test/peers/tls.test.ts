// TLS with real servers: nginx and docker-registry, each in its own manner of
// asking for certificates and of saying no.
import { join } from "node:path";
import type { ConnectionProfile } from "#src/registry/endpoint.js";
import { Http, type HttpOptions } from "#src/registry/http.js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeAuthority, makeCert } from "../helpers/certificates.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { imageOf, layerOf, type Image } from "../helpers/image-builder.js";
import { Nginx } from "../helpers/nginx.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups } from "../helpers/run.js";
import { archive, file } from "../helpers/tar-writer.js";
import { writeFile } from "node:fs/promises";
import { lookup } from "../registry/client.js";

const OURS = makeAuthority("our own authority");
const CDNS = makeAuthority("the cdn's authority");
const SERVER = makeCert({
  name: "registry.test",
  hosts: ["registry.test"],
  issuer: OURS,
});
const CDN = makeCert({ name: "cdn.test", hosts: ["cdn.test"], issuer: CDNS });
const CLIENT = makeCert({ name: "client", issuer: OURS });
const STRANGER = makeCert({ name: "x", issuer: makeAuthority("strangers") });

const TRUSTING: ConnectionProfile = { verify: true, ca: [OURS.cert] };
const KNOWN: ConnectionProfile = { ...TRUSTING, client: [CLIENT] };
const FOREIGN: ConnectionProfile = { ...TRUSTING, client: [STRANGER] };

const LONG_MS = 60_000;

describeWithPeers(
  "TLS in front of a registry",
  ["nginx", "docker-registry"],
  {},
  () => {
    const cleanups = new Cleanups();
    const layer = layerOf(archive([file("hello", "x".repeat(100_000))]));
    const image: Image = imageOf([layer]);
    let strict = "";
    let redirecting = "";
    let cdn = "";
    let registry = "";

    beforeAll(async () => {
      const folder = await cleanups.tempDir();
      const storage = join(folder, "storage");
      const plain = cleanups.use(await startDockerRegistry({ storage }));
      await pushImage(plain.host, "team/app", "1.0", image);
      const names = { ca: "ca.pem", cert: "cert.pem", key: "key.pem" };
      await writeFile(join(folder, names.ca), OURS.cert);
      await writeFile(join(folder, names.cert), SERVER.cert);
      await writeFile(join(folder, names.key), SERVER.key);
      const config = {
        version: "0.1",
        log: { accesslog: { disabled: true } },
        storage: { filesystem: { rootdirectory: storage } },
        http: {
          addr: "127.0.0.1:0",
          tls: {
            certificate: join(folder, names.cert),
            key: join(folder, names.key),
            clientcas: [join(folder, names.ca)],
          },
        },
      };
      ({ host: registry } = cleanups.use(
        await startDockerRegistry({ config: JSON.stringify(config) }),
      ));
      const tls = (at: string, name: string) => `
        ssl_certificate ${at}/${name}.pem; ssl_certificate_key ${at}/${name}.key;`;
      const nginx = cleanups.use(
        await Nginx.start(
          3,
          ([first, second, third], at) => `
            server {
              listen ${first} ssl; server_name registry.test; ${tls(at, "server")}
              ssl_client_certificate ${at}/ca.pem; ssl_verify_client on;
              location / { proxy_pass http://${plain.host}; }
            }
            server {
              listen ${second} ssl; server_name registry.test; ${tls(at, "server")}
              ssl_client_certificate ${at}/ca.pem; ssl_verify_client on;
              location ~ /blobs/ {
                return 307 https://cdn.test:${third?.split(":")[1]}$request_uri?signature=one;
              }
              location / { proxy_pass http://${plain.host}; }
            }
            server {
              listen ${third} ssl; server_name cdn.test; ${tls(at, "cdn")}
              ssl_client_certificate ${at}/ca.pem; ssl_verify_client optional_no_ca;
              location / {
                if ($http_authorization) { return 400; }
                if ($ssl_client_raw_cert) { return 418; }
                proxy_pass http://${plain.host};
              }
            }`,
          {
            "ca.pem": OURS.cert,
            "server.pem": SERVER.cert,
            "server.key": SERVER.key,
            "cdn.pem": CDN.cert,
            "cdn.key": CDN.key,
          },
        ),
      );
      [strict = "", redirecting = "", cdn = ""] = nginx.hosts;
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    const manifest = "/v2/team/app/manifests/1.0";
    const blob = `/v2/team/app/blobs/${layer.digest}`;

    async function get(
      host: string,
      path: string,
      connection: ConnectionProfile,
      options: Partial<HttpOptions> = {},
    ) {
      const http = new Http({
        userAgent: "test",
        connectTimeoutMs: 10_000,
        headersTimeoutMs: 10_000,
        stallMs: 10_000,
        network: { lookup, proxy: {} },
        ...options,
      });
      try {
        const response = await http.request({
          method: "GET",
          url: new URL(`https://registry.test:${host.split(":")[1]}${path}`),
          headers: { accept: image.manifest.mediaType },
          authorization: "Bearer for-the-registry-only",
          connection,
          signal: new AbortController().signal,
        });
        const { status, url } = response;
        return { status, url, body: await response.body.collect(1_000_000) };
      } finally {
        await http.close();
      }
    }

    it.each([
      ["nginx", () => strict],
      ["docker-registry", () => registry],
    ])("%s lets in whom it knows", async (_name, host) => {
      for (const path of [manifest, blob]) {
        const { status, body } = await get(host(), path, KNOWN);
        const { data } = path === blob ? layer : image.manifest;
        expect(status).toBe(200);
        expect(body?.equals(Buffer.from(data))).toBe(true);
      }
    });

    it.each([
      ["nobody", TRUSTING],
      ["a stranger", FOREIGN],
    ])("docker-registry's alert to %s", async (_name, profile) => {
      await expect(get(registry, manifest, profile)).rejects.toMatchObject({
        code: "TLS_ERROR",
        retryable: false,
        message: expect.stringMatching(
          /asks for a client certificate and got none that it accepts \(ERR_SSL_\w+\)/,
        ),
        hint: expect.stringContaining("client.cert and client.key"),
      });
    });

    it.each([
      ["nobody", TRUSTING, "No required SSL certificate was sent"],
      ["a stranger", FOREIGN, "The SSL certificate error"],
    ])("nginx's page for %s", async (_name, profile, words) => {
      const { status, body } = await get(strict, manifest, profile);
      expect(status).toBe(400);
      expect(body?.toString()).toContain(words);
    });

    it("a redirect's target is trusted by its own authority, and shown nothing", async () => {
      await expect(get(redirecting, blob, KNOWN)).rejects.toMatchObject({
        code: "TLS_ERROR",
        message: expect.stringContaining("CN=the cdn's authority"),
        details: { host: `cdn.test:${cdn.split(":")[1]}` },
      });
      const own: ConnectionProfile = { verify: true, ca: [CDNS.cert] };
      const { status, url, body } = await get(redirecting, blob, KNOWN, {
        profileFor: ({ hostname }) => (hostname === "cdn.test" ? own : KNOWN),
      });
      expect([status, url.hostname]).toEqual([200, "cdn.test"]);
      expect(body?.equals(Buffer.from(layer.data))).toBe(true);
    });
  },
);
