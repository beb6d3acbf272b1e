/** Damage to the maps of where layers came from. */
import { chmodSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../files.js";
import { mutation, ONES, type Mutation } from "./mutation.js";

export const ORIGINS: readonly Mutation[] = [
  mutation("a blob's layer that is gone", "DISTRIBUTION_MISSING", (s) =>
    unlinkSync(s.distribution("diffid-by-digest", s.blobs[1]!)),
  ),
  mutation("a blob's layer with a line break", "DISTRIBUTION_DAMAGED", (s) => {
    const path = s.distribution("diffid-by-digest", s.blobs[1]!);
    s.append(path, "\n");
  }),
  mutation(
    "a blob's layer that is another",
    ["DISTRIBUTION_DAMAGED", "DISTRIBUTION_MISSING"],
    (s) =>
      s.write(
        s.distribution("diffid-by-digest", s.blobs[1]!),
        `sha256:${ONES}`,
      ),
  ),
  mutation("a layer's blobs that are gone", "DISTRIBUTION_MISSING", (s) =>
    unlinkSync(s.distribution("v2metadata-by-diffid", s.diffIds[1]!)),
  ),
  mutation("a layer's blobs that are no JSON", "DISTRIBUTION_DAMAGED", (s) =>
    s.write(s.distribution("v2metadata-by-diffid", s.diffIds[1]!), "[{"),
  ),
  mutation("a layer's blobs of a short name", "DISTRIBUTION_DAMAGED", (s) =>
    s.json(
      s.distribution("v2metadata-by-diffid", s.diffIds[1]!),
      ([first]: [{ SourceRepository: string }]) => {
        first.SourceRepository = "busybox";
      },
    ),
  ),
  mutation("a layer's blobs in another form", "DISTRIBUTION_DAMAGED", (s) => {
    const path = s.distribution("v2metadata-by-diffid", s.diffIds[1]!);
    s.write(path, JSON.stringify(JSON.parse(s.read(path)), null, 1));
  }),
  mutation("all that is known of blobs", "DISTRIBUTION_MISSING", (s) => {
    for (const map of ["diffid-by-digest", "v2metadata-by-diffid"] as const) {
      for (const name of namesIn(s.distribution(map, ""))) {
        unlinkSync(s.distribution(map, name));
      }
    }
  }),
  mutation(
    "the folder of all that is known of blobs",
    ["DISTRIBUTION_MISSING", "STORE_DIRECTORY_MISSING"],
    (s) => rmSync(join(s.driver, "distribution"), { recursive: true }),
  ),
  mutation("something beside it", "FOREIGN_FILE", (s) =>
    s.write(join(s.driver, "distribution/note"), ""),
  ),
  mutation("a blob's layer that others may write", "STORE_MODE", (s) =>
    chmodSync(s.distribution("diffid-by-digest", s.blobs[1]!), 0o666),
  ),
];
