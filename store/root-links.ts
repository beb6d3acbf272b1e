/**
 * A data root may come from anywhere, and who writes in it is mostly root. A
 * symbolic link in the place of one of the store's directories would make
 * another place of the machine part of the store: what is there would be taken
 * for leftovers, and removed.
 */
import { lstatSync } from "node:fs";
import { dirname, relative } from "node:path";
import { TpullError } from "./errors.js";
import { isAbsent } from "./io-error.js";
import type { Layout } from "./layout.js";
import { blobDirectories, directories } from "./skeleton.js";

/**
 * The path of the root itself is the user's choice, links and all.
 * @throws TpullError `ROOT_LEADS_ELSEWHERE`
 */
export function refuseLinks(layout: Layout): void {
  const { root, overlayStaging, kept, mounts } = layout;
  const own = [...directories(layout), ...blobDirectories(layout)].map(
    ([path]) => path,
  );
  for (const path of [...own, overlayStaging, kept, mounts]) {
    if (!isLink(path)) continue;
    const name = relative(root, path);
    throw new TpullError(
      "ROOT_LEADS_ELSEWHERE",
      `the data root ${root} is not to be written: its directory ${name} is a symbolic link`,
      {
        hint: "tpull would write and remove files at another place. If that is meant, mount it there instead (mount --bind); else remove the link.",
        details: { path: name },
      },
    );
  }
}

/** Whether a path below the root has a symbolic link on the way to it: it then leads out, or to something else. */
export function leadsElsewhere({ root }: Layout, path: string): boolean {
  for (let above = dirname(path); above.length > root.length;) {
    if (isLink(above)) return true;
    above = dirname(above);
  }
  return false;
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
