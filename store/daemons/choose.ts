/** Where a dockerd of a release keeps images in a data root, decided in the order in which it decides itself. */
import type { Choice, Obstacle } from "./choice.js";
import { containerdChoice, migrated } from "./containerd-store.js";
import type { RootFacts } from "./facts.js";
import type { Release } from "./releases.js";
import type { DaemonSettings } from "./settings.js";
import { graphDriver } from "./storage-drivers.js";

export function choose(
  release: Release,
  facts: RootFacts,
  settings: DaemonSettings,
): Choice | Obstacle {
  const containerd = containerdChoice(release, facts, settings);
  if (containerd !== undefined) return containerd;
  const chosen = graphDriver(release, facts, settings);
  return chosen.kind === "chosen"
    ? migrated(chosen, release, facts, settings)
    : chosen;
}
