/** `serve()`: images from layouts, archives and data roots as a registry that others pull from. */
import { resolve } from "node:path";
import { TpullError } from "../../store/index.js";
import type { Exchange } from "./exchange.js";
import { referenceName } from "./layout/entry-name.js";
import { openLayout } from "./layout/source.js";
import {
  isLoopback,
  parseListenAddress,
  type ListenAddress,
} from "./listen-address.js";
import { mergedContent } from "./merged-content.js";
import { ServeMetrics } from "./metrics.js";
import { isRepositoryName } from "./names.js";
import { startMetricsServer } from "./metrics-server.js";
import { type Passwords, passwordDoor, readHtpasswd } from "./passwords.js";
import { openRoot } from "./root-source.js";
import { announce, servedBy, type ServedRepository } from "./served.js";
import { startRegistryServer } from "./server.js";
import type { OnServeWarning, ServeWarning, Source } from "./source.js";
import { readTls, type TlsFiles } from "./tls-files.js";

/** An image layout: a folder, or a plain tar archive of one. */
export interface ServedLayout {
  readonly layout: string;
  /**
   * What all images in it are called, e.g. `library/nginx` or
   * `docker.io/library/nginx`; their tags stay. Default: what the layout says,
   * and the name of the file or folder for images that only have a tag.
   */
  readonly name?: string | undefined;
}

/**
 * A docker data root. Images of which all blobs are kept are served as their
 * registry has them, others by their tags, with manifests of their own.
 */
export interface ServedRoot {
  readonly root: string;
}

export interface ServeOptions {
  /** What to serve; a string is the path of a layout. Where two have the same name, the first counts. */
  readonly sources: readonly (string | ServedLayout | ServedRoot)[];
  /** `host:port`, `:port` for all addresses, or `unix:PATH`; default `127.0.0.1:5000`. Port 0 is a free one. */
  readonly listen?: string | undefined;
  /** PEM files. Without them plain HTTP is spoken. */
  readonly tls?: TlsFiles | undefined;
  /** A file of `user:hash` lines with bcrypt hashes; without one everybody may pull. */
  readonly htpasswdFile?: string | undefined;
  /** Where `/metrics` is for Prometheus, as `listen`; default: nowhere. */
  readonly metrics?: string | undefined;
  /** How long transfers may go on when it is to end, in milliseconds; default 10,000. */
  readonly graceMs?: number | undefined;
  /** Ends it, as `close()` does. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each request when it is over. */
  readonly onRequest?: ((exchange: Exchange) => void) | undefined;
  /** Told of what is doubtful, at the start and later. */
  readonly onWarning?: OnServeWarning | undefined;
}

/** A registry that runs. */
export interface Serving {
  /** e.g. `http://127.0.0.1:5000`, `https://…`, or `unix:PATH` */
  readonly url: string;
  /** What stands before the first `/` of a reference: `127.0.0.1:5000`. */
  readonly host: string;
  readonly metricsUrl: string | undefined;
  /** What is there now. */
  repositories(): Promise<readonly ServedRepository[]>;
  /** Lets transfers end, within the grace, and gives everything back. May be called again. */
  close(): Promise<void>;
  /** Resolves when it has ended, for whatever reason. */
  readonly closed: Promise<void>;
}

/**
 * Serves images read-only by the OCI distribution-spec until `close()`, or until
 * the signal. Sources are followed as they change.
 * @throws TpullError `LAYOUT_INVALID`, `REPOSITORY_INVALID`, `ROOT_NOT_FOUND`,
 *   `ROOT_NOT_A_DIRECTORY`, `ROOT_NOT_READABLE`, `STORE_IO_FAILED`, `HTPASSWD_INVALID`, `TLS_INVALID`, `OPTION_INVALID`,
 *   `LISTEN_FAILED`, `ABORTED`
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { signal, onWarning, graceMs = 10_000 } = options;
  const listen = addressOf(options.listen ?? "127.0.0.1:5000");
  const metricsAt =
    options.metrics === undefined ? undefined : addressOf(options.metrics);
  const tls = options.tls && (await readTls(options.tls));
  const steps: (() => Promise<void>)[] = [];
  const giveBack = async (): Promise<void> => {
    for (let step = steps.pop(); step; step = steps.pop()) await step();
  };
  try {
    const passwords = await openDoor(options.htpasswdFile);
    if (passwords !== undefined) {
      steps.push(() => passwords.close());
      if (tls === undefined && !isLoopback(listen)) {
        onWarning?.({
          code: "SERVE_PASSWORD_BARE",
          message:
            "passwords are asked for without TLS: whoever is on the way can read them",
        });
      }
    }
    const sources: Source[] = [];
    for (const given of options.sources) {
      const source = await openSource(given, onWarning);
      steps.push(() => source.close());
      sources.push(source);
    }
    await announce(sources, onWarning);
    if (signal?.aborted) {
      throw new TpullError("ABORTED", "stopped before it was done");
    }
    let connections = (): number => 0;
    const metrics = new ServeMetrics(() => connections());
    const server = await startRegistryServer({
      content: mergedContent(sources),
      address: listen,
      tls,
      closeGraceMs: graceMs,
      doorkeeper: passwords?.doorkeeper,
      onBegin: metrics.onBegin,
      onEnd: (exchange) => {
        metrics.onEnd(exchange);
        options.onRequest?.(exchange);
      },
      onError: (error) => onWarning?.(failureOf(error)),
    });
    connections = server.connections;
    steps.push(() => server.close());
    const metricsServer =
      metricsAt && (await startMetricsServer(metrics, metricsAt));
    if (metricsServer !== undefined) steps.push(() => metricsServer.close());
    let ended = (): void => {};
    const closed = new Promise<void>((settle) => (ended = settle));
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      closing ??= giveBack().finally(() => {
        signal?.removeEventListener("abort", onAbort);
        ended();
      });
      return closing;
    };
    const onAbort = (): void => void close();
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) void close();
    return {
      url: server.url,
      host: server.host,
      metricsUrl: metricsServer?.url,
      repositories: () => servedBy(sources),
      close,
      closed,
    };
  } catch (error) {
    await giveBack();
    throw error;
  }
}

function addressOf(text: string): ListenAddress {
  const address = parseListenAddress(text);
  if (address !== undefined) return address;
  throw new TpullError(
    "OPTION_INVALID",
    `${JSON.stringify(text)} is no address to listen on`,
    { hint: "Write host:port, :port or unix:PATH." },
  );
}

async function openDoor(
  path: string | undefined,
): Promise<Passwords | undefined> {
  return path === undefined
    ? undefined
    : passwordDoor(await readHtpasswd(path));
}

async function openSource(
  given: string | ServedLayout | ServedRoot,
  onWarning: OnServeWarning | undefined,
): Promise<Source> {
  if (typeof given === "string") {
    return await openLayout(resolve(given), { onWarning });
  }
  if ("root" in given) {
    return await openRoot(given.root, onWarning);
  }
  const { layout, name } = given;
  if (name === undefined) {
    return await openLayout(resolve(layout), { onWarning });
  }
  return await openLayout(resolve(layout), { name: placeOf(name), onWarning });
}

/** `library/nginx` has no host; `docker.io/library/nginx` and `quay.io/x` have. */
function placeOf(name: string): { host: string | undefined; path: string } {
  const parsed = referenceName(name);
  const first = name.split("/", 1)[0] ?? "";
  const isHosted =
    parsed?.host !== undefined && name.startsWith(`${parsed.host}/`);
  if (isHosted && parsed.path !== undefined && !hasTag(name, first)) {
    return { host: parsed.host, path: parsed.path };
  }
  if (isRepositoryName(name)) return { host: undefined, path: name };
  throw new TpullError(
    "REPOSITORY_INVALID",
    `${JSON.stringify(name.slice(0, 300))} is not a name that images can be served under`,
    { hint: "Write [host/]repository, without a tag." },
  );
}

function hasTag(name: string, host: string): boolean {
  return /[:@]/.test(name.slice(host.length));
}

function failureOf(error: unknown): ServeWarning {
  const { code, message } = error as { code?: unknown; message: string };
  return code === "SERVE_CONTENT_FAILED"
    ? { code, message }
    : { code: "SERVE_FAILED", message: `a request failed: ${message}` };
}
