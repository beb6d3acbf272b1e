/** What dockerds would make of a data root: `daemonVerdicts`. */
import { attempt } from "../io-error.js";
import type { Store } from "../store.js";
import { type Survey, surveyed } from "../survey/survey.js";
import { rootFacts, type StoreImages } from "./facts.js";
import type { DaemonSettings } from "./settings.js";
import { type DaemonVerdict, verdictsOn } from "./verdict.js";

export {
  type DaemonSettings,
  parseDaemonSettings,
  readDaemonSettings,
} from "./settings.js";
export type { HiddenImages } from "./hidden.js";
export type { DaemonRemark } from "./remarks.js";
export type { DaemonOutcome, DaemonVerdict } from "./verdict.js";

/**
 * Says what a dockerd of each release, 20.10 to 29, would do if it were started
 * on a data root: whether it starts, which storage driver it takes, which images
 * it would not show, why, and what to do. Writes nothing and takes no lock; what
 * dockerd finds out by mounting something is told from the machine's settings.
 * @param settings of the dockerd; as without any daemon.json by default
 * @returns one verdict for each release, the oldest first
 * @throws TpullError `ROOT_NOT_READABLE`, `STORE_IO_FAILED`
 */
export async function daemonVerdicts(
  store: Store,
  settings: DaemonSettings = {},
): Promise<DaemonVerdict[]> {
  const { result } = await surveyed(store, storeImages);
  return await verdictsWith(store, result, settings);
}

/** The same for who has surveyed the store already. */
export async function verdictsWith(
  { root, layout }: Store,
  images: StoreImages,
  settings: DaemonSettings,
): Promise<DaemonVerdict[]> {
  return await attempt(
    `look at the data root ${root}`,
    () => verdictsOn(rootFacts(layout, images), settings),
    "read",
  );
}

/** What a survey says of the store's own images. */
export function storeImages(survey: Survey): StoreImages {
  const whole = survey.images().length;
  const namesDamaged =
    survey.references.size === 0 &&
    survey.damage.some(({ code }) => code === "REPOSITORIES_DAMAGED");
  return { whole, damaged: survey.imageIds.length - whole, namesDamaged };
}
