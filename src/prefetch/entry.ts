/** An image of a prefetch among the others. */
import type { FailedPull } from "../events.js";
import type { ImageTask } from "../image-task.js";
import type { Done, Found } from "./steps.js";

/** How far an image is. */
export type State =
  Found | Done | { readonly kind: "failed"; readonly failure: FailedPull };

export interface Entry {
  /** Absent where it was not found out which images a reference stands for. */
  readonly task?: ImageTask;
  state: State;
}
