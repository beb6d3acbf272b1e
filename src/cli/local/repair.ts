/** `tpull verify --repair`, after the check. */
import {
  type Finding,
  FINDING_KINDS,
  isDamage,
  type RepairProgress,
  type Store,
} from "../../../store/index.js";
import { type Left, type Recheck, repair } from "../../repair/repair.js";
import { type AnswerContext, jsonDocument } from "../answers/answer.js";
import { formatPair } from "../bars/units.js";
import type { Output } from "../output.js";
import { jsonLine, oneLine } from "../terminal-text.js";
import { removalQuestion } from "./removal-question.js";
import { leftLines, stepLine, verdictLine } from "./repair-text.js";

/**
 * Repairs what a check has found, and says what was done and what is left.
 * @param found all findings of the check
 * @param recheck see {@link Recheck}
 * @returns the exit status: 0 only when nothing is wrong any more
 */
export async function repairFound(
  context: AnswerContext,
  store: Store,
  found: readonly Finding[],
  recheck: Recheck,
): Promise<number> {
  const { flags, output, query } = context;
  const dryRun = flags["dry-run"] ?? false;
  const asEvents = flags.progress === "json" && !flags.json;
  const progress = new FetchLine(context);
  const result = await repair(
    store,
    { findings: found },
    {
      ...query,
      recheck,
      confirm: removalQuestion(context),
      dryRun,
      onStep: (step) => {
        progress.clear();
        if (asEvents) output.out(jsonLine({ type: "step", ...step }));
        else if (!flags.json && !flags.quiet) {
          output.out(`${stepLine(step, dryRun)}\n`);
        }
      },
      onProgress: (one) => progress.show(one),
      onWait: (reason) => output.err(`tpull: waiting: ${oneLine(reason)}\n`),
    },
  ).finally(() => progress.clear());
  const isSound = dryRun ? !found.some(isDamage) : result.left.length === 0;
  if (flags.json) {
    const damage = found.filter(isDamage);
    const document = { root: store.root, dryRun, sound: isSound };
    output.out(jsonDocument({ ...document, found: damage, ...result }));
  } else if (asEvents) {
    for (const left of result.left) {
      const { remedy } = FINDING_KINDS[left.code];
      output.out(jsonLine({ type: "finding", remedy, ...left }));
    }
    const { steps, left, bytesFetched } = result;
    const counts = { steps: steps.length, left: left.length, bytesFetched };
    output.out(
      jsonLine({ type: "summary", sound: isSound, dryRun, ...counts }),
    );
  } else {
    output.out(result.left.map(leftLines).join(""));
    if (result.left.some(isUnasked)) output.err(`  hint: ${YES_HINT}\n`);
    if (!flags.quiet) output.out(verdictLine(found, result, dryRun));
  }
  return isSound ? 0 : 1;
}

function isUnasked({ reason }: Left): boolean {
  return reason?.includes("nobody was asked") === true;
}

const YES_HINT =
  "'tpull verify --repair --yes' removes what is left over; --dry-run says what that is.";
const REDRAW_MS = 100;

/** One line on a terminal that says how far the layers are that are being fetched. */
class FetchLine {
  readonly #output: Output;
  readonly #isOn: boolean;
  readonly #now: () => number;
  readonly #blobs = new Map<string, RepairProgress>();
  #drawnAt = Number.NEGATIVE_INFINITY;
  #isDrawn = false;

  constructor({ flags, output, stderrIsTTY, env, now }: AnswerContext) {
    const { progress = "auto" } = flags;
    this.#output = output;
    this.#now = now;
    this.#isOn =
      stderrIsTTY &&
      env["TERM"] !== "dumb" &&
      !flags.quiet &&
      (progress === "auto" || progress === "tty");
  }

  show(one: RepairProgress): void {
    if (!this.#isOn) return;
    this.#blobs.set(one.digest, one);
    if (this.#now() - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = this.#now();
    let current = 0;
    let total = 0;
    for (const blob of this.#blobs.values()) {
      current += blob.current;
      total += blob.total;
    }
    this.#output.err(`\r\x1b[Kfetching ${formatPair(current, total)}`);
    this.#isDrawn = true;
  }

  clear(): void {
    if (this.#isDrawn) this.#output.err("\r\x1b[K");
    this.#isDrawn = false;
  }
}
