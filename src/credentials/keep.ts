/**
 * Keeping and forgetting a credential by docker's rules: with a helper where
 * config.json names one, else in config.json itself.
 */
import { isTpullError, type TpullError } from "../../store/errors.js";
import type { Credential } from "../registry/credentials.js";
import { helperFor, keysFor } from "./auth-file.js";
import { editConfig } from "./config-file.js";
import { dockerConfigPath, readIfThere, type Environment } from "./files.js";
import {
  helperErase,
  helperGet,
  helperStore,
  type HelperOptions,
} from "./helper.js";
import { serverKey } from "./server.js";

/** Where a credential is kept. */
export interface Kept {
  /** docker's config.json. */
  readonly path: string;
  /** `docker-credential-…`, where one keeps the secret; otherwise it is in the file, unencrypted. */
  readonly helper?: string;
}

export interface KeepOptions {
  readonly env: Environment;
  readonly helperTimeLimitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Keeps a host's credential in place of the one before.
 * @param host as `canonicalHost` gives it
 * @throws TpullError `CREDENTIALS_FILE_*`, `CREDENTIAL_HELPER_MISSING`,
 *   `CREDENTIAL_HELPER_FAILED`, `ABORTED`
 */
export async function keepCredential(
  host: string,
  credential: Exclude<Credential, { kind: "bearer" }>,
  options: KeepOptions,
): Promise<Kept> {
  const path = dockerConfigPath(options.env);
  const key = serverKey(host);
  return await editConfig(path, options.signal, async (edit) => {
    const helper = helperFor(edit.file, host);
    if (helper === undefined) {
      edit.setAuth(key, fileEntry(credential));
      return { path };
    }
    await helperStore(helper, key, credential, helperOptions(path, options));
    // By the empty entry docker knows that the helper has something.
    edit.setAuth(key, {});
    return { path, helper: `docker-credential-${helper}` };
  });
}

/**
 * Forgets a host's credential, under every key that docker would find it by.
 * @param onFound told before anything is removed
 * @returns whether there was one
 * @throws TpullError as {@link keepCredential}; what the file holds is gone even then
 */
export async function forgetCredential(
  host: string,
  options: KeepOptions,
  onFound: () => void = () => undefined,
): Promise<boolean> {
  const path = dockerConfigPath(options.env);
  // Nothing is made, not even a folder, to forget what is not there.
  if ((await readIfThere(path)) === undefined) return false;
  let failure: TpullError | undefined;
  const found = await editConfig(path, options.signal, async (edit) => {
    const keys = keysFor(edit.file.auths, host, undefined);
    const helper = helperFor(edit.file, host);
    const asked = helperOptions(path, options);
    const own = serverKey(host);
    const kept =
      helper !== undefined &&
      (keys.length > 0 || (await helperGet(helper, own, asked)) !== undefined);
    if (keys.length === 0 && !kept) return false;
    onFound();
    for (const key of keys) edit.setAuth(key, undefined);
    if (helper === undefined) return true;
    for (const server of new Set([own, ...keys])) {
      try {
        await helperErase(helper, server, asked);
      } catch (error) {
        if (!isTpullError(error)) throw error;
        failure ??= error;
      }
    }
    return true;
  });
  if (failure !== undefined) throw failure;
  return found;
}

function helperOptions(path: string, options: KeepOptions): HelperOptions {
  return {
    env: options.env,
    source: path,
    timeLimitMs: options.helperTimeLimitMs,
    signal: options.signal,
  };
}

/** As docker writes it. */
function fileEntry(
  credential: Exclude<Credential, { kind: "bearer" }>,
): object {
  const { username = "" } = credential;
  const password = credential.kind === "password" ? credential.password : "";
  const auth = Buffer.from(`${username}:${password}`).toString("base64");
  return credential.kind === "password"
    ? { auth }
    : {
        ...(username === "" ? {} : { auth }),
        identitytoken: credential.token,
      };
}
