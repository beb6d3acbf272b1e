/**
 * A registry in this process, on a real socket of the loopback interface: it
 * serves what a test puts into it, goes wrong as its script says, and remembers
 * every request.
 *
 *     const registry = await startFaultRegistry();
 *     const image = registry.addImage("team/app", "1.0", [layerBytes]);
 *     registry.faults.push({ on: { path: /blobs/ }, do: "reset", after: 1000 });
 *     …
 *     registry.requests // method, url and headers of all requests so far
 *     await registry.close();
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createServer as createHttp, type IncomingMessage } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import {
  sendAnswer,
  takeFault,
  type Answer,
  type Fault,
} from "./fault-script.js";
import { answerRange, type RangeMode } from "./range-mode.js";
import { TEST_CERTIFICATE, TEST_KEY } from "./test-certificate.js";
import { json, TokenServer, type TokenServerOptions } from "./token-server.js";

export type { Fault } from "./fault-script.js";
export type { RangeMode } from "./range-mode.js";

export interface FaultRegistryOptions {
  /** Loopback port; a free one by default. */
  port?: number;
  /** Serve HTTPS with the test certificate. */
  tls?: boolean;
  /** Ask for tokens; open by default. */
  auth?: TokenServerOptions;
  /** Send blob requests on to signed links at another registry, which must have the blobs. */
  redirectBlobsTo?: FaultRegistry;
}

export interface RecordedRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: Record<string, string | string[] | undefined>;
}

export interface TestDescriptor {
  mediaType: string;
  digest: string;
  size: number;
}

export interface TestImage {
  config: TestDescriptor;
  layers: TestDescriptor[];
  manifest: TestDescriptor;
}

const OCI = "application/vnd.oci.image";

export class FaultRegistry {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** `127.0.0.1:<port>`, as a reference names it. */
  readonly host: string;
  readonly port: number;
  readonly requests: RecordedRequest[] = [];
  /** The script: each request takes the first fault that fits it. */
  readonly faults: Fault[] = [];
  ranges: RangeMode = "on";
  /** How often a signed link may be used. */
  linkUses: number = Number.POSITIVE_INFINITY;
  readonly tokens: TokenServer | undefined;
  readonly blobs: Map<string, Buffer> = new Map();
  readonly #manifests = new Map<string, { bytes: Buffer; mediaType: string }>();
  readonly #tags = new Map<string, Set<string>>();
  readonly #links = new Map<string, number>();
  readonly #options: FaultRegistryOptions;
  readonly #stop: () => Promise<void>;

  constructor(
    options: FaultRegistryOptions,
    port: number,
    stop: () => Promise<void>,
  ) {
    this.#options = options;
    this.port = port;
    this.host = `127.0.0.1:${port}`;
    this.url = `${options.tls === true ? "https" : "http"}://${this.host}`;
    this.tokens =
      options.auth === undefined ? undefined : new TokenServer(options.auth);
    this.#stop = stop;
  }

  addBlob(
    bytes: Buffer,
    mediaType: string = `${OCI}.layer.v1.tar`,
  ): TestDescriptor {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  /** Adds a manifest under its digest and, if one is given, under a tag. */
  addManifest(
    repository: string,
    tag: string | undefined,
    content: Buffer | object,
    mediaType: string = `${OCI}.manifest.v1+json`,
  ): TestDescriptor {
    const bytes = Buffer.isBuffer(content)
      ? content
      : Buffer.from(JSON.stringify(content));
    const digest = digestOf(bytes);
    this.#manifests.set(`${repository} ${digest}`, { bytes, mediaType });
    if (tag !== undefined) {
      this.#manifests.set(`${repository} ${tag}`, { bytes, mediaType });
      const tags = this.#tags.get(repository) ?? new Set();
      this.#tags.set(repository, tags.add(tag));
    }
    return { mediaType, digest, size: bytes.length };
  }

  /** Takes a tag, or a manifest by its digest, away again. */
  removeManifest(repository: string, item: string): void {
    this.#manifests.delete(`${repository} ${item}`);
    this.#tags.get(repository)?.delete(item);
  }

  /** Adds an OCI image of these layers, whatever bytes they are. */
  addImage(
    repository: string,
    tag: string | undefined,
    layers: Buffer[],
    config: object = { architecture: "amd64", os: "linux" },
  ): TestImage {
    const rootfs = { type: "layers", diff_ids: layers.map(digestOf) };
    const image = {
      config: this.addBlob(
        Buffer.from(JSON.stringify({ ...config, rootfs })),
        `${OCI}.config.v1+json`,
      ),
      layers: layers.map((layer) => this.addBlob(layer)),
    };
    const manifest = this.addManifest(repository, tag, {
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      ...image,
    });
    return { ...image, manifest };
  }

  /** Requests whose method and path fit. */
  sent(path: RegExp, method = "GET"): RecordedRequest[] {
    return this.requests.filter(
      (request) => request.method === method && path.test(request.url),
    );
  }

  async close(): Promise<void> {
    await this.#stop();
  }

  /** A fresh link to a blob, with a secret in it. */
  signedLink(digest: string): string {
    const link = `/signed/${digest}?signature=secret-signature-${this.#links.size}`;
    this.#links.set(link, this.linkUses);
    return this.url + link;
  }

  /** The right answer to a request. */
  async answer(request: IncomingMessage): Promise<Answer> {
    const url = new URL(request.url ?? "/", this.url);
    if (url.pathname === "/token" && this.tokens !== undefined) {
      const form = await text(request);
      await this.tokens.options.hold;
      return this.tokens.issue(request, url, form);
    }
    if (url.pathname.startsWith("/signed/")) return this.#signed(request, url);
    if (url.pathname === "/v2/") {
      return this.tokens?.refusePing(request, this.url) ?? json(200, {});
    }
    const [, repository, kind, item] =
      /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^/]+)$/.exec(url.pathname) ?? [];
    if (repository === undefined || item === undefined) {
      return json(404, { errors: [{ code: "NAME_UNKNOWN", message: "no" }] });
    }
    const refusal = this.tokens?.refuse(request, repository, this.url);
    if (refusal !== undefined) return refusal;
    if (kind === "tags") {
      const tags = [...(this.#tags.get(repository) ?? [])];
      return json(200, { name: repository, tags });
    }
    if (kind === "manifests") return this.#manifest(repository, item);
    const target = this.#options.redirectBlobsTo;
    if (target === undefined) return this.#blob(request, item);
    const location = target.signedLink(item);
    return { status: 307, headers: { location }, body: Buffer.from("moved") };
  }

  #manifest(repository: string, item: string): Answer {
    const found = this.#manifests.get(`${repository} ${item}`);
    if (found === undefined) {
      const error = { code: "MANIFEST_UNKNOWN", message: "manifest unknown" };
      return json(404, { errors: [{ ...error, detail: { Tag: item } }] });
    }
    return {
      status: 200,
      headers: {
        "content-type": found.mediaType,
        "docker-content-digest": digestOf(found.bytes),
      },
      body: found.bytes,
    };
  }

  #signed(request: IncomingMessage, url: URL): Answer {
    const link = url.pathname + url.search;
    const uses = this.#links.get(link) ?? 0;
    this.#links.set(link, uses - 1);
    const refuse = (status: number, code: string): Answer => ({
      status,
      headers: { "content-type": "application/xml" },
      body: Buffer.from(
        `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message><Signature>${url.search}</Signature></Error>`,
      ),
    });
    // As storage services do: a signature and a token are one too many.
    if (request.headers.authorization !== undefined) {
      return refuse(400, "InvalidArgument");
    }
    if (uses <= 0) return refuse(403, "AccessDenied");
    return this.#blob(request, url.pathname.slice("/signed/".length));
  }

  #blob(request: IncomingMessage, digest: string): Answer {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) {
      const error = { code: "BLOB_UNKNOWN", message: "blob unknown" };
      return json(404, { errors: [error] });
    }
    return answerRange(bytes, request.headers.range, this.ranges);
  }
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Starts a registry on a free loopback port. */
export async function startFaultRegistry(
  options: FaultRegistryOptions = {},
): Promise<FaultRegistry> {
  const server =
    options.tls === true
      ? createHttps({ cert: TEST_CERTIFICATE, key: TEST_KEY })
      : createHttp();
  await new Promise<void>((resolve) => {
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const registry = new FaultRegistry(options, port, async () => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  });
  server.on("request", (request, response) => {
    registry.requests.push({
      method: request.method ?? "",
      url: request.url ?? "",
      headers: request.headers,
    });
    const fault = takeFault(registry.faults, request);
    void (async () => {
      sendAnswer(request, response, await registry.answer(request), fault);
    })();
  });
  return registry;
}
