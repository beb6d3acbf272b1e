/** Where docker and podman keep credentials, and reading them there. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { TpullError } from "../../store/errors.js";
import { parseAuthFile, type AuthFile } from "./auth-file.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variable that holds credentials itself, in the form of config.json. */
export const INLINE = "DOCKER_AUTH_CONFIG";

/** Path of docker's client configuration: `$DOCKER_CONFIG`, else `~/.docker`. */
export function dockerConfigPath(env: Environment): string {
  const folder = env["DOCKER_CONFIG"] || join(homeOf(env), ".docker");
  return join(folder, "config.json");
}

/**
 * Podman's files, the one that counts most first. A file named by
 * `$REGISTRY_AUTH_FILE` is the only one, as it is for podman.
 */
export function podmanAuthPaths(env: Environment): string[] {
  const named = env["REGISTRY_AUTH_FILE"];
  if (named) return [named];
  const runtime = env["XDG_RUNTIME_DIR"];
  const uid = process.getuid?.();
  return [
    ...(runtime ? [join(runtime, "containers/auth.json")] : []),
    // Where podman writes without a runtime folder, as for root.
    ...(!runtime && uid !== undefined
      ? [`/run/containers/${uid}/auth.json`]
      : []),
    join(
      env["XDG_CONFIG_HOME"] || join(homeOf(env), ".config"),
      "containers/auth.json",
    ),
  ];
}

/**
 * Reads a credential file; `undefined` when there is none.
 * @throws TpullError `CREDENTIALS_FILE_INVALID`, `CREDENTIALS_FILE_UNREADABLE`
 */
export async function readAuthFile(
  path: string,
): Promise<AuthFile | undefined> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : parseAuthFile(text, path);
}

/** @throws TpullError `CREDENTIALS_FILE_UNREADABLE` */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code = "EIO" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new TpullError(
      "CREDENTIALS_FILE_UNREADABLE",
      `the credentials in ${path} cannot be read: ${code}`,
      { hint: "Check who may read the file.", cause: error },
    );
  }
}

function homeOf(env: Environment): string {
  return env["HOME"] || homedir();
}
