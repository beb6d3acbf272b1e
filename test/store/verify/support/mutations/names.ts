/** Damage to the names of images. */
import { chmodSync, lstatSync, truncateSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { Scene } from "../scene.js";
import { mutation, ONES, type Mutation } from "./mutation.js";

type References = Record<string, Record<string, string>>;
const firstId = (references: References): string =>
  Object.values(Object.values(references)[0]!)[0]!;

export const NAMES: readonly Mutation[] = [
  mutation("no names", "REPOSITORIES_MISSING", (s) =>
    unlinkSync(s.repositories),
  ),
  mutation("names cut short", "REPOSITORIES_DAMAGED", (s) =>
    truncateSync(s.repositories, lstatSync(s.repositories).size - 3),
  ),
  mutation("names that are empty", "REPOSITORIES_DAMAGED", (s) =>
    truncateSync(s.repositories),
  ),
  mutation("a name of an image that is not there", "CONFIG_MISSING", (s) =>
    names(s, (all) => (all["rich"]!["rich:ghost"] = `sha256:${ONES}`)),
  ),
  mutation("a name of nothing", "REPOSITORY_NAME_WRONG", (s) =>
    names(s, (all) => (all["rich"]!["rich:ghost"] = "an image")),
  ),
  mutation("a name that is written out", "REPOSITORY_NAME_WRONG", (s) =>
    names(s, (all) => {
      all["docker.io/library/x"] = { "docker.io/library/x:1": firstId(all) };
    }),
  ),
  mutation("a name with another repository", "REPOSITORY_NAME_WRONG", (s) =>
    names(s, (all) => (all["rich"]!["other/name:1"] = firstId(all))),
  ),
  mutation("a name that is none", "REPOSITORY_NAME_WRONG", (s) =>
    names(s, (all) => (all["rich"]!["rich:no tag"] = firstId(all))),
  ),
  mutation("a repository without names", "REPOSITORIES_FORM", (s) =>
    names(s, (all) => (all["void"] = {})),
  ),
  mutation("names for people", "REPOSITORIES_FORM", (s) =>
    s.write(
      s.repositories,
      JSON.stringify(JSON.parse(s.read(s.repositories)), null, 1),
    ),
  ),
  mutation("names that others may read", "STORE_MODE", (s) =>
    chmodSync(s.repositories, 0o644),
  ),
  mutation("names half written", "TEMPORARY_LEFTOVER", (s) =>
    s.write(join(s.driver, ".tmp-repositories.json1"), "{"),
  ),
];

function names(scene: Scene, change: (all: References) => void): void {
  const file = JSON.parse(scene.read(scene.repositories)) as {
    Repositories: References;
  };
  change(file.Repositories);
  const sorted = (object: object): object =>
    Object.fromEntries(
      Object.entries(object)
        .map(([key, value]: [string, unknown]) => [
          key,
          typeof value === "object" ? sorted(value as object) : value,
        ])
        .toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    );
  scene.write(scene.repositories, JSON.stringify(sorted(file)));
}
