/** What of a root's images could be used, as far as a check knows. */
import type { Finding, Store } from "#store/index.js";
import { surveyed } from "#store/survey/survey.js";

/** Findings of a layer with which its images cannot be run. */
const IN_THE_WAY =
  /^(TREE_DAMAGED|OVERLAY_(MISSING|LINK_DAMAGED|LOWER_DAMAGED))$/;

/** IDs of the images whose configs and layers are all there, and none of them damaged. */
export async function readableImages(
  store: Store,
  findings: readonly Finding[],
): Promise<string[]> {
  const damaged = new Set(
    findings.flatMap(({ code, chainId }) =>
      IN_THE_WAY.test(code) ? (chainId ?? []) : [],
    ),
  );
  const { result } = await surveyed(store, (survey) => survey.images());
  return result
    .filter(({ layers }) =>
      layers.every(({ chainId }) => !damaged.has(chainId)),
    )
    .map(({ id }) => id);
}
