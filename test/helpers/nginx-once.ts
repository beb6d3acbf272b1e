/** nginx as the README sets it up before a registry: what many ask for is fetched once. */
import { join } from "node:path";
import { Nginx } from "./nginx.js";
import { readmeFile, replaceIn } from "./readme-blocks.js";
import { TEST_CERTIFICATE } from "./test-certificate.js";

export class NginxOnce {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly #nginx: Nginx;

  private constructor(nginx: Nginx) {
    this.host = nginx.hosts[0] ?? "";
    this.#nginx = nginx;
  }

  /** @param upstream `HOST:PORT` of a registry that speaks plain HTTP */
  static async start(upstream: string): Promise<NginxOnce> {
    const nginx = await Nginx.start(
      1,
      ([host = ""], folder) =>
        replaceIn(readmeFile("/etc/nginx/conf.d/registry-once.conf"), {
          "https://registry-1.docker.io": `http://${upstream}`,
          "127.0.0.1:5001": host,
          "/var/cache/nginx/registry-once": join(folder, "cache"),
          "/etc/ssl/certs/ca-certificates.crt": join(folder, "ca.pem"),
        }),
      { "ca.pem": TEST_CERTIFICATE },
    );
    return new NginxOnce(nginx);
  }

  stop(): Promise<void> {
    return this.#nginx.stop();
  }
}
