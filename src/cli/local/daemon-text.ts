/** What dockerds would make of a root, as lines of `tpull info`. */
import type {
  DaemonOutcome,
  DaemonRemark,
  DaemonVerdict,
} from "../../../store/daemons/index.js";

/** A line, and the lines that belong to it. */
export type Fact = readonly [
  key: string,
  value: string,
  below?: readonly Fact[],
];

const OUTCOMES: Readonly<Record<DaemonOutcome, string>> = {
  usable: "usable",
  hidden: "starts, with images hidden",
  unfit: "starts, but the root is not for it",
  refused: "does not start",
  unknown: "cannot be told",
};

/** What does not decide anything. */
const NOTES: ReadonlySet<DaemonRemark["code"]> = new Set([
  "DATA_ROOT_DIFFERS",
  "DIRECTIVES_NOT_JUDGED",
  "NO_D_TYPE",
  "NO_NATIVE_DIFF",
  "ROOTLESS",
  "SNAPSHOTTER_UNKNOWN",
]);

/** A line for each group of releases, one after the other, that would do the same. */
export function daemonFacts(verdicts: readonly DaemonVerdict[]): Fact[] {
  const groups: { first: string; last: string; verdict: DaemonVerdict }[] = [];
  for (const verdict of verdicts) {
    const { release } = verdict;
    const group = groups.at(-1);
    if (group !== undefined && isSame(group.verdict, verdict)) {
      group.last = release;
    } else groups.push({ first: release, last: release, verdict });
  }
  return groups.map(({ first, last, verdict }) => [
    first === last ? first : `${ends(first)[0]} to ${ends(last)[1]}`,
    headline(verdict),
    verdict.remarks.flatMap(({ code, message, hint }): Fact[] => [
      [NOTES.has(code) ? "Note" : "Reason", `${message} (${code})`],
      ...(hint === undefined ? [] : [["Hint", hint] as const]),
    ]),
  ]);
}

function isSame(one: DaemonVerdict, other: DaemonVerdict): boolean {
  const same = { ...other, release: one.release };
  return JSON.stringify(one) === JSON.stringify(same);
}

/** `25 to 28` has two, any other name one. */
function ends(release: string): [first: string, last: string] {
  const [first = release, last = first] = release.split(" to ");
  return [first, last];
}

function headline(verdict: DaemonVerdict): string {
  const { outcome, store, driver, because } = verdict;
  const what = OUTCOMES[outcome];
  if (store === undefined) return what;
  const name = driver ?? "a driver that cannot be told";
  const where = store === "containerd" ? `containerd's store, ${name}` : name;
  return `${what}; ${where}, because ${because}`;
}
