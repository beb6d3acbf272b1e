/** What lies about in a root, and what is missing of its frame. */
import { chmodSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Scene } from "../scene.js";
import { mutation, ONES, ZEROS, type Mutation } from "./mutation.js";

/** The place of a kept blob, which is made. */
function keptBlob({ root }: Scene, name: string): string {
  const folder = join(root, "tpull/blobs/sha256");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, name);
}

export const ROOT: readonly Mutation[] = [
  mutation("a download", "DOWNLOAD_LEFTOVER", (s) =>
    s.write(join(s.root, "tmp/GetImageBlob123"), "x"),
  ),
  mutation("a layer that was not finished", "STAGING_LEFTOVER", (s) =>
    mkdirSync(join(s.root, "tpull/staging", ONES)),
  ),
  mutation(
    "a layer's files that were moved and not published",
    "STAGING_LEFTOVER",
    (s) => {
      s.write(join(s.root, "tpull/staging", ONES, "write-set/cache-id"), ZEROS);
      s.write(join(s.overlay, ZEROS, "diff/x"), "");
      s.write(join(s.overlay, ZEROS, "link"), "A".repeat(26));
      symlinkSync(`../${ZEROS}/diff`, join(s.overlay, "l", "A".repeat(26)));
    },
  ),
  mutation("a note of an unused layer that is none", "HINT_DAMAGED", (s) =>
    s.write(join(s.root, "tpull/unused", ONES), "soon"),
  ),
  mutation("a manifest of another image", "HINT_DAMAGED", (s) =>
    s.write(join(s.root, "tpull/manifests", ONES), "{}"),
  ),
  mutation("a kept blob with other bytes", "BLOB_DAMAGED", (s) =>
    s.write(keptBlob(s, ONES), "x"),
  ),
  mutation("a kept blob that is a link", "BLOB_DAMAGED", (s) =>
    symlinkSync(s.config, keptBlob(s, ONES)),
  ),
  mutation("a kept blob that is a directory", "BLOB_DAMAGED", (s) =>
    mkdirSync(join(keptBlob(s, ONES), "x"), { recursive: true }),
  ),
  mutation("a file of no digest among the kept blobs", "FOREIGN_FILE", (s) =>
    s.write(keptBlob(s, "note"), ""),
  ),
  mutation("a blob that was not kept to its end", "TEMPORARY_LEFTOVER", (s) =>
    s.write(keptBlob(s, `../.tmp-${ONES}-1`), "x"),
  ),
  mutation("kept blobs that others may read", "STORE_MODE", (s) =>
    chmodSync(dirname(keptBlob(s, ONES)), 0o755),
  ),
  mutation("something in tpull's own directory", "FOREIGN_FILE", (s) =>
    s.write(join(s.root, "tpull/note"), ""),
  ),
  mutation("a store that others may read", "STORE_MODE", (s) =>
    chmodSync(s.driver, 0o755),
  ),
  mutation("a root that anybody may write", "STORE_MODE", (s) =>
    chmodSync(s.root, 0o777),
  ),
  mutation(
    "no short links at all",
    ["OVERLAY_LINK_DAMAGED", "STORE_DIRECTORY_MISSING"],
    (s) => rmSync(join(s.overlay, "l"), { recursive: true }),
  ),
  mutation(
    "no images at all",
    ["CONFIG_MISSING", "STORE_DIRECTORY_MISSING"],
    (s) => rmSync(join(s.driver, "imagedb/content"), { recursive: true }),
  ),
];
