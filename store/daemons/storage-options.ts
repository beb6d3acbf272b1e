/**
 * What overlay2 makes of `storage-opts` (moby, daemon/graphdriver/overlay2/overlay.go,
 * `parseOptions` and `Init`). An option that it does not know stops the dockerd.
 */
import type { Obstacle } from "./choice.js";
import type { RootFacts } from "./facts.js";

/** As Go's `strconv.ParseBool` has them. */
const BOOLEANS = /^(?:1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/;
/** As `RAMInBytes` of docker's go-units has them; what else it takes differs by version. */
const SIZE = /^(\d+(?:\.\d+)?) ?(?:[kmgtp]?i?b|[kmgtp])?$/i;

/**
 * @param options `key=value`, in the order in which they are written
 * @returns what the first one that does not do stops it with
 */
export function optionObstacle(
  facts: RootFacts,
  options: readonly string[],
): Obstacle | undefined {
  for (const option of options) {
    const why = problemOf(option);
    if (why !== undefined) return refused(option, why);
  }
  // The last one of a size counts.
  const size = options.findLast((option) => keyOf(option) === "overlay2.size");
  return size === undefined ? undefined : sizeObstacle(facts, size);
}

/** What is wrong with an option wherever the root is; undefined where nothing is. */
function problemOf(option: string): string | undefined {
  if (!option.includes("=")) return "it is not of the form key=value";
  const value = valueOf(option);
  switch (keyOf(option)) {
    case "overlay2.size":
      return SIZE.test(value) ? undefined : "the size is none";
    case "overlay2.override_kernel_check":
      return BOOLEANS.test(value) ? undefined : "it is neither true nor false";
    default:
      return "overlay2 has no such option";
  }
}

function sizeObstacle(
  { onXfs }: RootFacts,
  option: string,
): Obstacle | undefined {
  const [, number = "0"] = SIZE.exec(valueOf(option)) ?? [];
  if (Number(number) === 0) return undefined;
  if (!onXfs) {
    return refused(
      option,
      "only XFS has the quotas for it, mounted with pquota",
    );
  }
  return {
    kind: "unknown",
    code: "STORAGE_OPTION_UNCERTAIN",
    message: `"storage-opts": ${option}: whether the filesystem keeps project quotas cannot be seen`,
    hint: "Mount the filesystem of the data root with the option pquota.",
  };
}

function refused(option: string, why: string): Obstacle {
  return {
    kind: "refused",
    code: "STORAGE_OPTION_REFUSED",
    message: `"storage-opts": ${option}: ${why}`,
    hint: `Take ${JSON.stringify(option)} out of "storage-opts" in daemon.json.`,
  };
}

/** moby, pkg/parsers, `ParseKeyValueOpt`; keys in any case. */
function keyOf(option: string): string {
  return option.slice(0, option.indexOf("=")).trim().toLowerCase();
}

function valueOf(option: string): string {
  return option.slice(option.indexOf("=") + 1).trim();
}
