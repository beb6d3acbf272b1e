/** Damage to the directories of layers and the links to them. */
import {
  chmodSync,
  mkdirSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { mutation, setXattr, type Mutation } from "./mutation.js";

export const OVERLAY: readonly Mutation[] = [
  mutation("a layer's directory that is gone", "OVERLAY_MISSING", (s) =>
    rmSync(s.cache(1), { recursive: true }),
  ),
  mutation("a layer's files that are gone", "OVERLAY_MISSING", (s) =>
    rmSync(s.cache(1, "diff"), { recursive: true }),
  ),
  mutation("a file instead of a layer's files", "OVERLAY_MISSING", (s) => {
    rmSync(s.cache(1, "diff"), { recursive: true });
    s.write(s.cache(1, "diff"), "");
  }),
  mutation("a directory of no layer", "OVERLAY_ORPHAN", (s) =>
    mkdirSync(join(s.overlay, "d".repeat(64), "diff"), { recursive: true }),
  ),
  mutation("something in overlay2", "FOREIGN_FILE", (s) =>
    s.write(join(s.overlay, "note"), ""),
  ),
  mutation("something in a layer's directory", "FOREIGN_FILE", (s) =>
    s.write(s.cache(1, "note"), ""),
  ),
  mutation("a link ID with a line break", "OVERLAY_LINK_DAMAGED", (s) =>
    s.append(s.cache(1, "link"), "\n"),
  ),
  mutation("a link ID that is gone", "OVERLAY_LINK_DAMAGED", (s) =>
    unlinkSync(s.cache(1, "link")),
  ),
  mutation("a link ID of another layer", "OVERLAY_LINK_DAMAGED", (s) =>
    s.write(s.cache(1, "link"), s.read(s.cache(0, "link"))),
  ),
  mutation("a short link that is gone", "OVERLAY_LINK_DAMAGED", (s) =>
    unlinkSync(s.link(0)),
  ),
  mutation("a short link to elsewhere", "OVERLAY_LINK_DAMAGED", (s) => {
    const link = s.link(0);
    unlinkSync(link);
    symlinkSync(s.cache(0, "diff"), link);
  }),
  mutation("a short link of no layer", "OVERLAY_LINK_STRAY", (s) =>
    symlinkSync("../nothing/diff", join(s.overlay, "l", "A".repeat(26))),
  ),
  mutation("a second short link of a layer", "OVERLAY_LINK_STRAY", (s) =>
    symlinkSync(
      `../${s.cacheId(1)}/diff`,
      join(s.overlay, "l", "A".repeat(26)),
    ),
  ),
  mutation("something beside the short links", "FOREIGN_FILE", (s) =>
    s.write(join(s.overlay, "l/note"), ""),
  ),
  mutation("no lower", "OVERLAY_LOWER_DAMAGED", (s) =>
    unlinkSync(s.cache(2, "lower")),
  ),
  mutation("a lower in the wrong order", "OVERLAY_LOWER_DAMAGED", (s) => {
    const path = s.cache(2, "lower");
    s.write(path, s.read(path).split(":").toReversed().join(":"));
  }),
  mutation("a lower with a line break", "OVERLAY_LOWER_DAMAGED", (s) =>
    s.append(s.cache(2, "lower"), "\n"),
  ),
  mutation("a lower of a base", "OVERLAY_LOWER_DAMAGED", (s) => {
    s.write(s.cache(0, "lower"), `l/${"A".repeat(26)}`);
    chmodSync(s.cache(0, "lower"), 0o644);
  }),
  mutation("no committed", "OVERLAY_COMMITTED_DAMAGED", (s) =>
    unlinkSync(s.cache(0, "committed")),
  ),
  mutation("something in committed", "OVERLAY_COMMITTED_DAMAGED", (s) =>
    s.write(s.cache(0, "committed"), "x"),
  ),
  mutation("no work", "OVERLAY_WORK_DAMAGED", (s) =>
    rmdirSync(s.cache(2, "work")),
  ),
  mutation("something in work", "OVERLAY_LEFTOVER", (s) =>
    s.write(s.cache(2, "work/x"), ""),
  ),
  mutation("a mount's directory", "OVERLAY_LEFTOVER", (s) =>
    mkdirSync(s.cache(1, "merged")),
  ),
  mutation("a layer that others may look into", "OVERLAY_MODE", (s) =>
    chmodSync(s.cache(1), 0o755),
  ),
  mutation("a committed that others may read", "OVERLAY_MODE", (s) =>
    chmodSync(s.cache(0, "committed"), 0o644),
  ),
  mutation("files that nobody may look at", "OVERLAY_MODE", (s) =>
    chmodSync(s.cache(1, "diff"), 0o700),
  ),
  mutation("an attribute of all files' directory", "TREE_DIFFERS", (s) =>
    setXattr(s.cache(1, "diff"), "user.x", "y"),
  ),
];
