/** Repairing a data root until a check finds nothing more that could be repaired. */
import {
  type Finding,
  FINDING_KINDS,
  isDamage,
  type RepairStep,
  type Store,
  type Unrepaired,
  verifyStore,
} from "../../store/index.js";
import { repairOnce, type RepairOnceOptions } from "./repair-once.js";

/** A finding that is left at the end, and what is known of why. */
export type Left = Finding & Partial<Omit<Unrepaired, "finding">>;

export interface RepairResult {
  /** In the order in which they were done. */
  readonly steps: readonly RepairStep[];
  /** What a check still finds. In a dry run, what the repair could not mend. */
  readonly left: readonly Left[];
  /** Bytes received from registries. */
  readonly bytesFetched: number;
}

/**
 * Looks once more: at the structure of the whole root, and at the content of
 * the layers that these findings were about.
 */
export type Recheck = (
  concerned: readonly Finding[],
) => Promise<readonly Finding[]>;

export interface RepairOptions extends RepairOnceOptions {
  /** How to look once more; by default as the check does that looks at everything. */
  recheck?: Recheck;
}

/** One damage may hide another: of a config that was lost nobody knows which layers it names. */
const MOST_ROUNDS = 3;

/**
 * Mends what a check of a data root has found, as `repairStore` does, and
 * fetches what is lost from the registries it came from: only what is damaged,
 * with the credentials, mirrors and limits of a pull. Then looks once more at
 * what it had to do with, and repairs what only then came to light.
 * @param report what `verifyStore` found
 * @throws TpullError as `repairStore` and `verifyStore`; `OPTION_INVALID`, `TIMEOUT`
 */
export async function repair(
  store: Store,
  report: { readonly findings: readonly Finding[] },
  options: RepairOptions = {},
): Promise<RepairResult> {
  const { recheck = defaultRecheck(store, options), ...once } = options;
  const steps: RepairStep[] = [];
  const reasons = new Map<string, Unrepaired>();
  let bytesFetched = 0;
  let findings = report.findings.filter(isDamage);
  let concerned = findings;
  for (let round = 1; ; round += 1) {
    const repaired = await repairOnce(store, { findings }, once);
    steps.push(...repaired.steps);
    bytesFetched += repaired.bytesFetched;
    for (const one of repaired.unrepaired) reasons.set(keyOf(one.finding), one);
    if (options.dryRun) {
      const left = repaired.unrepaired.map(({ finding }) => finding);
      return { steps, left: explained(left, reasons), bytesFetched };
    }
    const after = (await recheck(concerned)).filter(isDamage);
    const fresh = after.filter(
      (finding) =>
        !reasons.has(keyOf(finding)) &&
        FINDING_KINDS[finding.code].remedy !== "none",
    );
    const isOver = round === MOST_ROUNDS || repaired.steps.length === 0;
    if (isOver || fresh.length === 0) {
      return { steps, left: explained(after, reasons), bytesFetched };
    }
    findings = fresh;
    concerned = [...concerned, ...fresh];
  }
}

function defaultRecheck(
  store: Store,
  { signal }: Pick<RepairOptions, "signal">,
): Recheck {
  return async (concerned) => {
    const contentOf = new Set(
      concerned.flatMap(({ chainId }) => chainId ?? []),
    );
    return (await verifyStore(store, { signal, contentOf })).findings;
  };
}

function keyOf({ code, path }: Finding): string {
  return `${code} ${path}`;
}

function explained(
  findings: readonly Finding[],
  reasons: ReadonlyMap<string, Unrepaired>,
): Left[] {
  return findings.map((finding) => {
    const { finding: _, ...why } = reasons.get(keyOf(finding)) ?? {};
    return { ...finding, ...why };
  });
}
