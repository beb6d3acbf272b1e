/** Damage to the entries of layers and containers. */
import {
  chmodSync,
  chownSync,
  mkdirSync,
  rmSync,
  truncateSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import { asRoot, mutation, ONES, ZEROS, type Mutation } from "./mutation.js";

type References = Record<string, Record<string, string>>;

export const LAYERS: readonly Mutation[] = [
  mutation(
    "a layer's entry that is gone",
    ["LAYER_MISSING", "OVERLAY_ORPHAN"],
    (s) => rmSync(s.entry(1), { recursive: true }),
  ),
  mutation("a cache-id with a line break", "LAYER_FILE_DAMAGED", (s) =>
    s.append(s.entry(1, "cache-id"), "\n"),
  ),
  mutation("a cache-id of another layer", "LAYER_FILE_DAMAGED", (s) =>
    s.write(s.entry(1, "cache-id"), s.cacheId(0)),
  ),
  mutation("a cache-id of no layer", "LAYER_FILE_DAMAGED", (s) =>
    s.write(s.entry(1, "cache-id"), ZEROS),
  ),
  mutation("a cache-id that is gone", "LAYER_FILE_DAMAGED", (s) =>
    unlinkSync(s.entry(2, "cache-id")),
  ),
  mutation("the top layer's cache-id that is gone", "LAYER_FILE_DAMAGED", (s) =>
    unlinkSync(s.entry(3, "cache-id")),
  ),
  mutation("the base's cache-id that is gone", "LAYER_FILE_DAMAGED", (s) =>
    unlinkSync(s.entry(0, "cache-id")),
  ),
  mutation("a diff ID with a line break", "LAYER_FILE_DAMAGED", (s) =>
    s.append(s.entry(1, "diff"), "\n"),
  ),
  mutation("a wrong diff ID", "LAYER_FILE_DAMAGED", (s) =>
    s.write(s.entry(1, "diff"), `sha256:${ONES}`),
  ),
  mutation("no parent", "LAYER_FILE_DAMAGED", (s) =>
    unlinkSync(s.entry(1, "parent")),
  ),
  mutation("a wrong parent", "LAYER_FILE_DAMAGED", (s) =>
    s.write(s.entry(1, "parent"), `sha256:${ONES}`),
  ),
  mutation("a parent of a base", "LAYER_FILE_DAMAGED", (s) =>
    s.write(s.entry(0, "parent"), `sha256:${s.chain[1]}`),
  ),
  mutation("a size with a line break", "LAYER_FILE_DAMAGED", (s) =>
    s.append(s.entry(1, "size"), "\n"),
  ),
  mutation("a wrong size", "LAYER_SIZE_WRONG", (s) =>
    s.write(s.entry(1, "size"), String(Number(s.read(s.entry(1, "size"))) + 1)),
  ),
  mutation("no size", "LAYER_FILE_DAMAGED", (s) =>
    unlinkSync(s.entry(1, "size")),
  ),
  mutation("a size that is empty", "LAYER_FILE_DAMAGED", (s) =>
    truncateSync(s.entry(2, "size")),
  ),
  mutation("an entry that others may read", "LAYER_MODE", (s) =>
    chmodSync(s.entry(1), 0o755),
  ),
  mutation("a file of an entry with another mode", "LAYER_MODE", (s) =>
    chmodSync(s.entry(1, "diff"), 0o600),
  ),
  asRoot("an entry of another owner", "LAYER_MODE", (s) =>
    chownSync(s.entry(1), 1, 1),
  ),
  mutation("something in an entry", "FOREIGN_FILE", (s) =>
    s.write(s.entry(1, "note"), "x"),
  ),
  mutation(
    "a blob's description that names none",
    ["LAYER_FILE_DAMAGED"],
    (s) => {
      s.write(s.entry(1, "descriptor.json"), "{}");
      chmodSync(s.entry(1, "descriptor.json"), 0o644);
    },
  ),
  mutation("a write that was not finished", "LAYER_LEFTOVER", (s) =>
    mkdirSync(join(s.driver, "layerdb/tmp/write-set-123")),
  ),
  mutation("a removal that was not finished", "LAYER_LEFTOVER", (s) =>
    mkdirSync(`${s.entry(1)}-${ONES}-removing`),
  ),
  mutation("layers of an image that is gone", ["LAYER_ORPHAN"], (s) => {
    unlinkSync(s.config);
    s.json(s.repositories, (file: { Repositories: References }) => {
      delete file.Repositories["rich"];
    });
  }),
  mutation("a container that leads nowhere", ["CONTAINER_DAMAGED"], (s) => {
    const mount = join(s.driver, "layerdb/mounts", ONES);
    s.write(join(mount, "mount-id"), ZEROS);
    s.write(join(mount, "parent"), `sha256:${s.chain[3]}`);
    s.write(s.cache(3, "committed"), "");
    chmodSync(s.cache(3, "committed"), 0o600);
  }),
  mutation(
    "a container of a layer that is gone",
    ["CONTAINER_DAMAGED", "LAYER_MISSING"],
    (s) => {
      const mount = join(s.driver, "layerdb/mounts", ONES);
      s.write(join(mount, "mount-id"), "nonsense");
      s.write(join(mount, "parent"), `sha256:${ONES}`);
    },
  ),
];
