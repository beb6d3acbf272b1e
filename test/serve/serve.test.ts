// `serve()` as a program calls it.
import { generateKeyPairSync } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { IncomingMessage } from "node:http";
import { once } from "node:events";
import { Agent, request } from "undici";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import {
  serve,
  type Exchange,
  type ServeOptions,
  type ServeWarning,
  type Serving,
} from "#src/index.js";
import { makeAuthority, makeCert } from "../helpers/certificates.js";
import { imageOf, layerOf } from "../helpers/image-builder.js";
import { layoutArchive, named, writeLayout } from "../helpers/layout-writer.js";
import { Cleanups } from "../helpers/run.js";
import { archive, file } from "../helpers/tar-writer.js";

const image = imageOf([layerOf(archive([file("a", "a")]))], { family: "oci" });
const second = imageOf([layerOf(archive([file("b", "b")]))], { family: "oci" });

const cleanups = new Cleanups();
afterAll(() => cleanups.close());

async function started(options: Partial<ServeOptions>): Promise<Serving> {
  const serving = await serve({
    sources: [],
    listen: "127.0.0.1:0",
    ...options,
  });
  onTestFinished(() => serving.close());
  return serving;
}

describe("what is served", () => {
  it("is what layouts and archives hold, under their own names or given ones", async () => {
    const folder = await cleanups.tempDir();
    const layout = await writeLayout(join(folder, "mine"), [
      named(image, "v1"),
      named(image, "docker.io/library/nginx:1"),
      named(second, "quay.io/library/nginx:1"),
    ]);
    const bundle = join(folder, "bundle.tar");
    await writeFile(bundle, await layoutArchive([named(second, "x:1")]));
    const warnings: ServeWarning[] = [];
    const exchanges: Exchange[] = [];
    const serving = await started({
      sources: [
        layout,
        { layout: bundle, name: "ghcr.io/team/app" },
        { layout: bundle, name: "plain" },
      ],
      onWarning: (warning) => warnings.push(warning),
      onRequest: (exchange) => exchanges.push(exchange),
    });
    expect(await serving.repositories()).toEqual([
      {
        path: "library/nginx",
        hosts: ["docker.io", "quay.io"],
        tags: ["1"],
      },
      { path: "mine", hosts: ["(no registry)"], tags: ["v1"] },
      { path: "plain", hosts: ["(no registry)"], tags: ["1"] },
      { path: "team/app", hosts: ["ghcr.io"], tags: ["1"] },
    ]);
    expect(warnings).toEqual([
      {
        code: "SERVE_NAME_SHARED",
        message: expect.stringContaining("docker.io and quay.io") as string,
      },
    ]);
    const digestAt = async (path: string): Promise<unknown> => {
      const reply = await request(`${serving.url}/v2/${path}`);
      await reply.body.dump();
      return reply.headers["docker-content-digest"];
    };
    expect(await digestAt("library/nginx/manifests/1")).toBe(
      image.manifest.digest,
    );
    expect(await digestAt("library/nginx/manifests/1?ns=quay.io")).toBe(
      second.manifest.digest,
    );
    expect(await digestAt("team/app/manifests/1?ns=ghcr.io")).toBe(
      second.manifest.digest,
    );
    expect(await digestAt("team/app/manifests/1?ns=quay.io")).toBe(undefined);
    await expect.poll(() => exchanges.length).toBe(4);
    expect(exchanges[1]).toMatchObject({
      remote: "127.0.0.1",
      method: "GET",
      target: "/v2/library/nginx/manifests/1?ns=quay.io",
      route: "manifest",
      repository: "library/nginx",
      status: 200,
      bytes: second.manifest.size,
      aborted: false,
      user: undefined,
    });
    expect(exchanges[3]?.status).toBe(404);
  });

  it("is nothing where there is nothing, and that is said", async () => {
    const warnings: string[] = [];
    const root = join(await cleanups.tempDir(), "root");
    const onWarning = ({ code }: ServeWarning) => void warnings.push(code);
    await expect(
      started({ sources: [{ root }], onWarning }),
    ).rejects.toMatchObject({ code: "ROOT_NOT_FOUND" });
    expect(warnings).toEqual([]);
    await mkdir(root);
    await started({
      sources: [{ root }],
      onWarning: ({ code }) => warnings.push(code),
    });
    expect(warnings).toEqual(["SERVE_REBUILT", "SERVE_EMPTY"]);
  });

  it.each(["Upper", "a b", "quay.io/x:1", "../x", ""])(
    "is not called %j",
    async (name) => {
      const layout = await writeLayout(await cleanups.tempDir(), []);
      await expect(
        started({ sources: [{ layout, name }] }),
      ).rejects.toMatchObject({ code: "REPOSITORY_INVALID" });
    },
  );
});

describe("where it is served", () => {
  it("speaks TLS with a certificate", async () => {
    const folder = await cleanups.tempDir();
    const authority = makeAuthority("ours");
    const { cert, key } = makeCert({
      name: "localhost",
      hosts: ["localhost", "127.0.0.1"],
      issuer: authority,
    });
    const certFile = join(folder, "cert.pem");
    const keyFile = join(folder, "key.pem");
    await writeFile(certFile, cert);
    await writeFile(keyFile, key);
    const serving = await started({ tls: { certFile, keyFile } });
    expect(serving.url).toBe(`https://${serving.host}`);
    const dispatcher = new Agent({ connect: { ca: authority.cert } });
    const reply = await request(`${serving.url}/v2/`, { dispatcher });
    expect(reply.statusCode).toBe(200);
    await reply.body.dump();
    await dispatcher.close();
    // Plain HTTP to it is an error of that client alone.
    await expect(request(`http://${serving.host}/v2/`)).rejects.toThrow();
    const wrong = makeCert({ name: "other" });
    const certificate = await readFile(certFile, "utf8");
    const locked = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: {
        type: "pkcs8",
        format: "pem",
        cipher: "aes-256-cbc",
        passphrase: "secret",
      },
    });
    const wrongs: [string, string, RegExp][] = [
      [
        certificate,
        wrong.key,
        /key\.pem holds a key that is not that of .*cert/,
      ],
      [certificate, "no PEM", /key\.pem holds no private key/],
      [
        certificate,
        locked.privateKey,
        /key\.pem holds a key with a passphrase/,
      ],
      ["no PEM", wrong.key, /cert\.pem holds no certificate/],
    ];
    for (const [cert, key, why] of wrongs) {
      await writeFile(certFile, cert);
      await writeFile(keyFile, key);
      const tls = { certFile, keyFile };
      await expect(started({ tls })).rejects.toMatchObject({
        code: "TLS_INVALID",
        message: expect.stringMatching(why) as string,
      });
    }
    const absent = { certFile: join(folder, "no"), keyFile };
    await expect(started({ tls: absent })).rejects.toMatchObject({
      code: "TLS_INVALID",
      message: expect.stringContaining(absent.certFile) as string,
    });
  });

  it("may be a socket", async () => {
    const socketPath = join(await cleanups.tempDir(), "serve.sock");
    const serving = await started({ listen: `unix:${socketPath}` });
    expect(serving.url).toBe(`unix:${socketPath}`);
    const get = httpRequest({ socketPath, path: "/v2/" });
    get.end();
    const [reply] = (await once(get, "response")) as [IncomingMessage];
    expect(await text(reply)).toBe("{}");
    await expect(
      started({ listen: `unix:${socketPath}` }),
    ).rejects.toMatchObject({ code: "LISTEN_FAILED" });
  });

  it("asks for passwords, and warns where others can read them", async () => {
    const folder = await cleanups.tempDir();
    const htpasswdFile = join(folder, "htpasswd");
    const hash = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";
    await writeFile(htpasswdFile, `alice:${hash}\n`);
    const warnings: string[] = [];
    const onWarning = ({ code }: ServeWarning) => void warnings.push(code);
    const serving = await started({ htpasswdFile, onWarning });
    expect(warnings).toEqual(["SERVE_EMPTY"]);
    const reply = await request(`${serving.url}/v2/`);
    expect(reply.statusCode).toBe(401);
    await reply.body.dump();
    await started({ htpasswdFile, onWarning, listen: "0.0.0.0:0" });
    expect(warnings).toContain("SERVE_PASSWORD_BARE");
  });

  it("is refused where it cannot be", async () => {
    await expect(started({ listen: "nowhere" })).rejects.toMatchObject({
      code: "OPTION_INVALID",
    });
    const serving = await started({});
    await expect(started({ listen: serving.host })).rejects.toMatchObject({
      code: "LISTEN_FAILED",
    });
    await expect(started({ metrics: serving.host })).rejects.toMatchObject({
      code: "LISTEN_FAILED",
    });
    const folder = await cleanups.tempDir();
    await mkdir(join(folder, "empty"));
    await expect(
      started({ sources: [join(folder, "empty")] }),
    ).rejects.toMatchObject({ code: "LAYOUT_INVALID" });
    await expect(
      started({ sources: [join(folder, "absent")] }),
    ).rejects.toMatchObject({ code: "LAYOUT_INVALID" });
  });
});

describe("the end", () => {
  it("comes with the signal", async () => {
    const controller = new AbortController();
    const serving = await started({
      signal: controller.signal,
      metrics: "127.0.0.1:0",
    });
    const reply = await request(serving.metricsUrl ?? "");
    expect(await reply.body.text()).toContain("tpull_serve_requests_in_flight");
    controller.abort();
    await serving.closed;
    await expect(request(`${serving.url}/v2/`)).rejects.toThrow();
    await expect(request(serving.metricsUrl ?? "")).rejects.toThrow();
    await serving.close();
  });

  it("comes at once when the signal came before", async () => {
    await expect(
      started({ signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: "ABORTED" });
  });
});
