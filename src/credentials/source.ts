/**
 * The credential source of tpull: what docker or podman logged in to just
 * works. The order is docker's, then podman's: `$DOCKER_AUTH_CONFIG`, docker's
 * config.json, podman's auth.json; in each first the helper for the host, then
 * the helper for all hosts, then the file's own entries.
 */
import { isTpullError, type TpullError } from "../../store/errors.js";
import type { Credential, CredentialSource } from "../registry/credentials.js";
import {
  entryFor,
  helperFor,
  parseAuthFile,
  type AuthFile,
} from "./auth-file.js";
import {
  dockerConfigPath,
  INLINE,
  podmanAuthPaths,
  readAuthFile,
  type Environment,
} from "./files.js";
import { helperGet } from "./helper.js";
import { canonicalHost, serverKey } from "./server.js";

/** Something to know about credentials that need not be a failure. */
export interface CredentialWarning {
  readonly code: string;
  readonly message: string;
}

export interface CredentialSourceOptions {
  /** Default: the process's. */
  readonly env?: Environment;
  /** How long a helper program may take; default 60,000 milliseconds. */
  readonly helperTimeLimitMs?: number;
  /** Kills a helper that is at work. */
  readonly signal?: AbortSignal | undefined;
  /** Told each problem once: a file that cannot be read, a helper that fails. */
  readonly onWarning?: ((warning: CredentialWarning) => void) | undefined;
}

/** One place to look into. */
interface Lookup {
  readonly read: () => Promise<AuthFile | undefined>;
}

/**
 * Makes a source that looks where docker and podman keep credentials. It reads
 * each file and runs each helper for each server at most once, when it is
 * first needed.
 *
 * What cannot be read is warned of and passed over, as docker does it: an
 * anonymous pull need not fail for it. Only when nothing else is found either,
 * the call throws that problem, so that a refusal can name it.
 *
 * The source throws TpullError `CREDENTIALS_FILE_INVALID`,
 * `CREDENTIALS_FILE_UNREADABLE`, `CREDENTIAL_HELPER_MISSING`,
 * `CREDENTIAL_HELPER_FAILED`, `ABORTED`.
 */
export function createCredentialSource(
  options: CredentialSourceOptions = {},
): CredentialSource {
  const search = new Search(options);
  return (host, repository) => search.find(canonicalHost(host), repository);
}

class Search {
  readonly #options: CredentialSourceOptions;
  readonly #env: Environment;
  readonly #lookups: readonly Lookup[];
  /** By helper and server. */
  readonly #helpers = new Map<string, Promise<Credential | undefined>>();
  readonly #warned = new Set<string>();

  constructor(options: CredentialSourceOptions) {
    this.#options = options;
    this.#env = options.env ?? process.env;
    const inline = this.#env[INLINE];
    const paths = [dockerConfigPath(this.#env), ...podmanAuthPaths(this.#env)];
    this.#lookups = [
      ...(inline
        ? [{ read: once(async () => parseAuthFile(inline, `$${INLINE}`)) }]
        : []),
      ...paths.map((path) => ({ read: once(() => readAuthFile(path)) })),
    ];
  }

  async find(
    host: string,
    repository: string | undefined,
  ): Promise<Credential | undefined> {
    let problem: TpullError | undefined;
    const passOver = (error: unknown): undefined => {
      if (!isTpullError(error) || error.code === "ABORTED") throw error;
      this.#warn(error);
      problem ??= error;
    };
    for (const { read } of this.#lookups) {
      const file = await read().catch(passOver);
      if (file === undefined) continue;
      const helper = helperFor(file, host);
      const kept =
        helper === undefined
          ? undefined
          : await this.#ask(helper, host, file.source).catch(passOver);
      if (kept !== undefined) return kept;
      try {
        const entry = entryFor(file, host, repository);
        if (entry !== undefined) return entry;
      } catch (error) {
        passOver(error);
      }
    }
    if (problem !== undefined) throw problem;
    return undefined;
  }

  #ask(
    helper: string,
    host: string,
    source: string,
  ): Promise<Credential | undefined> {
    const server = serverKey(host);
    const key = `${helper} ${server}`;
    let answer = this.#helpers.get(key);
    if (answer === undefined) {
      answer = helperGet(helper, server, {
        env: this.#env,
        source,
        timeLimitMs: this.#options.helperTimeLimitMs,
        signal: this.#options.signal,
      });
      this.#helpers.set(key, answer);
    }
    return answer;
  }

  #warn({ code, message }: TpullError): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#options.onWarning?.({ code, message });
  }
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}
