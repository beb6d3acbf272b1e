/** Damage to configs and to docker's notes on images. */
import { chmodSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { Scene } from "../scene.js";
import { flip } from "../files.js";
import { mutation, ZEROS, type Mutation } from "./mutation.js";

export const IMAGES: readonly Mutation[] = [
  mutation("a bit of a config", "CONFIG_DAMAGED", (s) => flip(s.config)),
  mutation("a config that is empty", "CONFIG_DAMAGED", (s) =>
    s.write(s.config, ""),
  ),
  mutation("a config that is gone", "CONFIG_MISSING", (s) =>
    unlinkSync(s.config),
  ),
  mutation("a config that others may read", "CONFIG_MODE", (s) =>
    chmodSync(s.config, 0o644),
  ),
  mutation("a config half written", "TEMPORARY_LEFTOVER", (s) =>
    s.write(join(s.config, "../.tmp-abc123"), "x"),
  ),
  mutation("something beside the configs", "FOREIGN_FILE", (s) =>
    s.write(join(s.config, "../notes.txt"), "x"),
  ),
  mutation("a note of a parent that is not there", "METADATA_DAMAGED", (s) =>
    s.write(metadata(s, "parent"), `sha256:${ZEROS}`),
  ),
  mutation("a note of a time that is none", "METADATA_DAMAGED", (s) =>
    s.write(metadata(s, "lastUpdated"), "yesterday"),
  ),
  mutation(
    "a note of where it was built that says nothing",
    "METADATA_DAMAGED",
    (s) => s.write(metadata(s, "builtLocally"), ""),
  ),
  mutation("notes on an image that is not there", "METADATA_ORPHAN", (s) =>
    s.write(
      join(s.driver, "imagedb/metadata/sha256", ZEROS, "lastUpdated"),
      "x",
    ),
  ),
];

function metadata(scene: Scene, key: string): string {
  const id = scene.config.split("/").at(-1)!;
  return join(scene.driver, "imagedb/metadata/sha256", id, key);
}
