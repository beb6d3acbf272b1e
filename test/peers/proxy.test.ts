// The whole command through a proxy: a registry that nothing but the proxy can
// find, as on a network where only the proxy leads out.
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeAuthority, makeCert } from "../helpers/certificates.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { imageOf, layerOf } from "../helpers/image-builder.js";
import { Nginx } from "../helpers/nginx.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups } from "../helpers/run.js";
import { checkStore } from "../helpers/store/check.js";
import { archive, file } from "../helpers/tar-writer.js";
import { TestProxy } from "../helpers/test-proxy.js";
import { tpull } from "../helpers/tpull-cli.js";
import { writeFile } from "node:fs/promises";

const LONG_MS = 60_000;
const PASSWORD = "s3cret-word";

describeWithPeers(
  "tpull behind a proxy",
  ["nginx", "docker-registry"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    let proxy: TestProxy;
    let folder = "";
    let port = "";

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      const authority = makeAuthority("our own authority");
      const server = makeCert({
        name: "registry.test",
        hosts: ["registry.test"],
        issuer: authority,
      });
      await writeFile(join(folder, "ca.pem"), authority.cert);
      const registry = cleanups.use(await startDockerRegistry());
      const layer = layerOf(archive([file("hello", "x".repeat(100_000))]));
      await pushImage(registry.host, "team/app", "1.0", imageOf([layer]));
      const nginx = cleanups.use(
        await Nginx.start(
          1,
          ([host], at) => `server {
            listen ${host} ssl; ssl_certificate ${at}/server.pem;
            ssl_certificate_key ${at}/server.key;
            location / { proxy_pass http://${registry.host}; }
          }`,
          { "server.pem": server.cert, "server.key": server.key },
        ),
      );
      port = nginx.hosts[0]?.split(":")[1] ?? "";
      proxy = cleanups.use(
        await TestProxy.start({ password: `ann:${PASSWORD}` }),
      );
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    function pull(root: string, env: Record<string, string>) {
      const reference = `registry.test:${port}/team/app:1.0`;
      return tpull(["pull", "--root", join(folder, root), reference], {
        env: { SSL_CERT_FILE: join(folder, "ca.pem"), NO_PROXY: "", ...env },
      });
    }

    it(
      "pulls by CONNECT with the password of HTTPS_PROXY",
      async () => {
        const url = proxy.url.replace("//", `//ann:${PASSWORD}@`);
        const { code, stderr } = await pull("good", { HTTPS_PROXY: url });
        expect([code, stderr]).toEqual([0, expect.any(String)]);
        expect(await checkStore(join(folder, "good"))).toEqual([]);
        expect(proxy.requests.length).toBeGreaterThan(0);
        for (const { method, target } of proxy.requests) {
          expect([method, target]).toEqual([
            "CONNECT",
            `registry.test:${port}`,
          ]);
        }
      },
      LONG_MS,
    );

    it(
      "says who refused, without the password",
      async () => {
        const url = proxy.url.replace("//", `//bob:${PASSWORD}@`);
        const { code, stdout, stderr } = await pull("none", {
          https_proxy: url,
        });
        expect(code).toBe(1);
        expect(stderr).toContain("PROXY_DENIED");
        expect(stderr).toContain(
          `the proxy ${proxy.host} does not accept the user name and password`,
        );
        expect(stdout + stderr).not.toContain(PASSWORD);
      },
      LONG_MS,
    );
  },
);
