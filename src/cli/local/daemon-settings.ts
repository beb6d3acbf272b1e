/** The `daemon.json` that `--daemon-json` names. */
import { statSync } from "node:fs";
import {
  type DaemonSettings,
  parseDaemonSettings,
  readDaemonSettings,
} from "../../../store/daemons/index.js";
import { TpullError, isTpullError } from "../../../store/errors.js";
import { textOf } from "../../lists/file-text.js";
import type { CliInput } from "../prompt.js";

/**
 * @param path of a file or a pipe; `-` is standard input
 * @throws TpullError `DAEMON_JSON_INVALID`
 */
export async function daemonSettings(
  path: string,
  stdin: () => CliInput,
): Promise<DaemonSettings> {
  if (path !== "-" && !isStream(path)) return readDaemonSettings(path);
  const name = path === "-" ? "standard input" : path;
  return parseDaemonSettings(await streamed(path, name, stdin), name);
}

/** Not a device: what is read from those need not end. */
function isStream(path: string): boolean {
  try {
    const found = statSync(path);
    return found.isFIFO() || (found.isCharacterDevice() && isStdin(path));
  } catch {
    return false; // Reading it says why.
  }
}

function isStdin(path: string): boolean {
  return path === "/dev/stdin" || path === "/proc/self/fd/0";
}

async function streamed(
  path: string,
  name: string,
  stdin: () => CliInput,
): Promise<string> {
  try {
    return await textOf(path, path === "-" ? { stdin: stdin() } : {});
  } catch (error) {
    if (!isTpullError(error) || error.code === "ABORTED") throw error;
    throw new TpullError(
      "DAEMON_JSON_INVALID",
      `${name} cannot be used as dockerd's configuration: ${error.message}`,
      { cause: error },
    );
  }
}
