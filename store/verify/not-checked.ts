/** What a check leaves open, and why. */
import type { ImageId } from "../digest.js";
import { privilege } from "../privilege.js";
import type { PassResult, ReadableLayer } from "./content/pass.js";
import type { Look } from "./look.js";
import type { NotChecked } from "./verification.js";

export function whatWasNotChecked(
  { live, unjudgedLayers }: Look,
  readable: readonly ReadableLayer[],
  { forbidden }: PassResult,
  chosen: ReadonlySet<ImageId> | undefined,
): NotChecked[] {
  const notes: NotChecked[] = [];
  const isWhole = chosen === undefined;
  if (isWhole && (live.session || live.dockerd !== undefined)) {
    const who = live.session ? "another tpull" : "a dockerd";
    notes.push({
      code: "IN_THE_MAKING",
      message: `leftovers, and what nobody uses: ${who} is at work in the root`,
    });
  }
  if (isWhole && unjudgedLayers > 0) {
    notes.push({
      code: "ORPHANS",
      message: `whether anybody needs ${unjudgedLayers} layers that no image names: the config of an image is lost, and they may be its layers`,
    });
  }
  if (forbidden > 0) {
    notes.push({
      code: "FILES_FORBIDDEN",
      message: `${forbidden} files that this user must not read, and with them whether their layers are whole`,
    });
  }
  if (readable.length === 0) return notes;
  if (readable.some(({ job }) => job.rules.unprivileged)) {
    notes.push({
      code: "OWNERS",
      message:
        "the owners of files in layers that were unpacked without root's rights, where all belong to the user",
    });
  } else if (privilege() !== "native") {
    notes.push({
      code: "TRUSTED_ATTRIBUTES",
      message:
        "attributes that only root is shown (trusted.*), among them the marks of directories that hide those below",
    });
  }
  return notes;
}
