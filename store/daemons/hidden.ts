/** Which images of a data root a dockerd would not show, and what to do about it. */
import type { Known } from "../survey/filesystem.js";
import { type Choice, inDaemonJson } from "./choice.js";
import type { RootFacts } from "./facts.js";
import { type DaemonRemark, readsNames } from "./remarks.js";

/** Images that lie in a root and would not be shown. */
export interface HiddenImages {
  /** Relative to the root. */
  readonly path: string;
  readonly images: Known<number>;
  readonly why: "damaged" | "other driver" | "containerd store" | "remapped";
}

/** All of them, by where they lie. */
export function hiddenFrom(choice: Choice, facts: RootFacts): HiddenImages[] {
  const { store, driver } = choice;
  const hidden: HiddenImages[] = [];
  for (const [name, images] of facts.images) {
    if (store === "docker" && name === driver) continue;
    hidden.push({ path: `image/${name}`, images, why: "other driver" });
  }
  if (store === "docker" && facts.containerdImages !== 0) {
    const images = facts.containerdImages;
    hidden.push({ path: "containerd", images, why: "containerd store" });
  }
  if (readsNames(choice) && facts.damagedImages > 0) {
    const images = facts.damagedImages;
    hidden.push({ path: "image/overlay2", images, why: "damaged" });
  }
  for (const { name, images } of facts.remappedRoots) {
    hidden.push({ path: name, images, why: "remapped" });
  }
  return hidden;
}

export function hiddenRemark(
  { path, images, why }: HiddenImages,
  choice: Choice,
  facts: RootFacts,
): DaemonRemark {
  const what = images === "unknown" ? "images" : imagesOf(images);
  switch (why) {
    case "damaged":
      return {
        code: "IMAGES_DAMAGED",
        message: `${what} in ${path} would be left out, being damaged`,
        hint: "'tpull verify' says what is wrong, and 'tpull verify --repair' mends it.",
      };
    case "containerd store":
      return {
        code: "IMAGES_HIDDEN",
        message: `${what} in containerd's store would not be shown`,
        hint: `For those instead of the others, with 24 or newer: ${inDaemonJson({ features: { "containerd-snapshotter": true } })}`,
      };
    case "remapped":
      return {
        code: "IMAGES_HIDDEN",
        message: `${what} in ${path} would not be shown: they are of a dockerd with userns-remap`,
        hint: `For those instead of the others, set "userns-remap" in daemon.json to the user whose IDs begin there.`,
      };
    case "other driver":
      return {
        code: "IMAGES_HIDDEN",
        message: `${what} in ${path} would not be shown`,
        hint: showing(path.slice("image/".length), choice, facts),
      };
  }
}

/** What makes a dockerd take a storage driver that it would not take by itself. */
function showing(driver: string, choice: Choice, facts: RootFacts): string {
  const lost =
    driver === "overlay2" && !facts.prior.has("overlay2")
      ? " (Their layers' files are not there: see 'tpull verify'.)"
      : "";
  const settings =
    choice.store === "containerd"
      ? {
          features: { "containerd-snapshotter": false },
          "storage-driver": driver,
        }
      : { "storage-driver": driver };
  return `${inDaemonJson(settings)}${lost}`;
}

function imagesOf(count: number): string {
  return count === 1 ? "1 image" : `${count} images`;
}
