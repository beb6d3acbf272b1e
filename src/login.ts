/** Logging in to a registry and out of it, where docker keeps its log-ins. */
import { TpullError } from "../store/errors.js";
import { canonicalHost, HUB, serverKey } from "./credentials/server.js";
import type { CredentialWarning } from "./credentials/source.js";
import type { Environment } from "./credentials/files.js";
import { dockerEnvironment, type NetworkSettings } from "./network-settings.js";
import { quoted } from "../store/reference/printable.js";
import { checkRegistry } from "../store/reference/host.js";
import type { RegistryClientOptions } from "./registry/client-types.js";

interface KeepingOptions {
  /** Default: the process's. Says where docker's configuration is, and where helpers are looked for. */
  env?: Environment;
  /** How long a helper program may take; default 60,000 milliseconds. */
  helperTimeLimitMs?: number;
  /** Ends it with `ABORTED`. */
  signal?: AbortSignal;
}

export interface LoginOptions extends KeepingOptions {
  username: string;
  /** Or an access token. */
  password: string;
  /** What certificates and hosts the registry is reached with. */
  network?: NetworkSettings;
  /** How requests are sent. */
  registry?: Omit<
    RegistryClientOptions,
    "credentials" | "onRetry" | "onWarning" | "signal"
  >;
  onWarning?: (warning: CredentialWarning) => void;
}

export interface LoginResult {
  /** The key of the credential: the host, or `https://index.docker.io/v1/` for Docker Hub. */
  server: string;
  username: string;
  /** Docker's config.json. */
  path: string;
  /** The program that keeps the secret; without one it is in the file, unencrypted. */
  helper?: string;
  /** Whether the token server gave an identity token, which is kept instead of the password. */
  identityToken: boolean;
}

export interface LogoutOptions extends KeepingOptions {
  /** Told that there is a log-in, before it is removed. */
  onFound?: (server: string) => void;
}

export interface LogoutResult {
  /** As in {@link LoginResult}. */
  server: string;
  /** Whether there was a log-in. */
  removed: boolean;
}

/**
 * Asks the registry whether it takes the credentials, and keeps them if so: in
 * docker's config.json, or with the credential helper that it names.
 * @param registry host[:port]; Docker Hub without
 * @throws TpullError `OPTION_INVALID`, `UNAUTHORIZED`, `DENIED`,
 *   `CREDENTIALS_FILE_*`, `CREDENTIAL_HELPER_*`, and what a request to a
 *   registry may throw
 */
export async function login(
  registry: string | undefined,
  options: LoginOptions,
): Promise<LoginResult> {
  const host = hostOf(registry);
  const { username, password, network = {}, signal } = options;
  const env = dockerEnvironment(network, options.env);
  checkPair(username, password);
  const { connect } = await import("./connect.js");
  const { registry: requests = {}, onWarning } = options;
  const client = connect(
    { network, registry: requests },
    { signal, ...(onWarning === undefined ? {} : { onWarning }) },
  );
  let proof;
  try {
    const credential = { kind: "password", username, password } as const;
    proof = await client.prove(host, credential);
  } finally {
    await client.close();
  }
  if (!proof.asked) {
    options.onWarning?.({
      code: "LOGIN_NOT_ASKED_FOR",
      message: `${host} does not ask for credentials, so these are kept unproved`,
    });
  }
  const { keepCredential } = await import("./credentials/keep.js");
  const { helperTimeLimitMs } = options;
  const kept = await keepCredential(host, proof.credential, {
    env,
    helperTimeLimitMs,
    signal,
  });
  if (kept.helper === undefined) {
    options.onWarning?.({
      code: "STORED_UNENCRYPTED",
      message: `the credentials are stored unencrypted in ${kept.path}; a credential helper, named there as "credsStore", would keep them safe`,
    });
  }
  return {
    server: serverKey(host),
    username,
    ...kept,
    identityToken: proof.credential.kind === "identity",
  };
}

/**
 * Forgets what `login` or docker has kept. What podman keeps is podman's.
 * @param registry host[:port]; Docker Hub without
 * @throws TpullError `OPTION_INVALID`, `CREDENTIALS_FILE_*`, `CREDENTIAL_HELPER_*`
 */
export async function logout(
  registry: string | undefined,
  options: LogoutOptions = {},
): Promise<LogoutResult> {
  const host = hostOf(registry);
  const { env = process.env, helperTimeLimitMs, signal, onFound } = options;
  const { forgetCredential } = await import("./credentials/keep.js");
  const server = serverKey(host);
  const removed = await forgetCredential(
    host,
    { env, helperTimeLimitMs, signal },
    () => onFound?.(server),
  );
  return { server, removed };
}

/** The host of what was typed: also a URL, as docker takes it. */
function hostOf(registry: string | undefined): string {
  if (registry === undefined) return HUB;
  const host = registry
    .replace(/^https?:\/\//i, "")
    .replace(/(?:\/v[12])?\/*$/, "");
  if (host.includes("/")) {
    throw new TpullError(
      "OPTION_INVALID",
      `${quoted(host)} is not a registry but something in one`,
      { hint: `Log in to the host: ${host.slice(0, host.indexOf("/"))}` },
    );
  }
  try {
    checkRegistry(host);
  } catch (error) {
    throw new TpullError("OPTION_INVALID", (error as Error).message, {
      cause: error,
    });
  }
  return canonicalHost(host);
}

function checkPair(username: string, password: string): void {
  const invalid = (message: string): TpullError =>
    new TpullError("OPTION_INVALID", message);
  if (username === "") throw invalid("the user name is empty");
  if (username.includes(":")) throw invalid('a user name has no ":"');
  if (password === "") throw invalid("the password is empty");
  if (/[\r\n\0]/.test(username + password)) {
    throw invalid("user name and password are one line each");
  }
}
