/** Words that stand for images and are the names of files that are here. */
import { statSync } from "node:fs";
import type { Request } from "./args.js";
import { oneLine } from "./terminal-text.js";

/** Names that lists have, and images have not. */
const LIST =
  /\.(?:ya?ml|json|txt|list|lock)$|(?:^|\/)(?:docker|container)file/i;

/**
 * What to do about them: a shell makes several words of `-f *.yaml`, of which
 * only the first belongs to the option. Undefined where there are none.
 */
export function fileHint(request: Request): string | undefined {
  switch (request.command) {
    case "pull":
    case "prefetch":
    case "plan":
    case "bundle":
    case "lock":
      break;
    default:
      return undefined;
  }
  const { images, flags } = request;
  // Its operand is a file.
  if (flags.check) return undefined;
  const files = images.filter(
    (word) => (flags.file !== undefined || LIST.test(word)) && isFile(word),
  );
  const [first] = files;
  if (first === undefined) return undefined;
  const shown = oneLine(first);
  const more = files.length === 1 ? "" : ` (and ${files.length - 1} more)`;
  return `tpull: ${shown}${more} is a file here; to take the images that it names, write -f before it: -f ${shown}\n`;
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
