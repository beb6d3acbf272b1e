/** The name of an archive that is written without compression. */
import { basename } from "node:path";
import { TpullError } from "../../store/errors.js";
import { printable } from "../../store/reference/printable.js";

const COMPRESSED =
  /\.(tgz|tbz2?|txz|tzst|tlz|taz|zip|7z|rar|(tar\.)?(gz|bz2|xz|zst|zstd|lz4?|lzma|z|br))$/i;

/**
 * Refuses a name that promises another form than a plain tar: who gets the
 * file would not be able to open it by that name.
 * @throws TpullError `OPTION_INVALID`
 */
export function requirePlainName(path: string): void {
  const name = basename(path);
  const [ending] = COMPRESSED.exec(name) ?? [];
  if (ending === undefined) return;
  const plain = `${name.slice(0, -ending.length).replace(/\.tar$/i, "")}.tar`;
  throw new TpullError(
    "OPTION_INVALID",
    `${printable(name)} is the name of something compressed, and this is a plain tar`,
    {
      hint: `The layers in it are compressed already. Name it ${printable(plain)}.`,
    },
  );
}
