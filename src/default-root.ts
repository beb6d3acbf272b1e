/** Where images go when nobody says where. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";

/**
 * The data root as an absolute path: `$TPULL_ROOT`, else `/var/lib/tpull` for
 * root and `${XDG_DATA_HOME:-~/.local/share}/tpull` for everybody else. An
 * empty variable counts as unset and a relative `$XDG_DATA_HOME` is ignored,
 * both as the XDG base directory specification asks.
 */
export function defaultRoot(
  env: Readonly<Record<string, string | undefined>> = process.env,
  user: { uid: number | undefined; home: string } = {
    uid: process.getuid?.(),
    home: homedir(),
  },
): string {
  const chosen = env["TPULL_ROOT"];
  if (chosen !== undefined && chosen !== "") return resolve(chosen);
  if (user.uid === 0) return "/var/lib/tpull";
  const data = env["XDG_DATA_HOME"];
  return data?.startsWith("/")
    ? join(data, "tpull")
    : join(user.home, ".local/share/tpull");
}
