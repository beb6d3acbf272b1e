/** What a repair did, and what is left, in words for people. */
import {
  type Finding,
  FINDING_KINDS,
  isDamage,
  type RepairStep,
} from "../../../store/index.js";
import type { Left, RepairResult } from "../../repair/repair.js";
import { humanSize } from "../format/units.js";
import { oneLine } from "../terminal-text.js";
import { shortened } from "./verify-text.js";

const WOULD: Readonly<Record<RepairStep["action"], string>> = {
  rebuilt: "would rebuild",
  restored: "would restore",
  fetched: "would fetch",
  removed: "would remove",
  kept: "would keep",
};

/** `rebuilt   overlay2/6fef3ec08c58…/lower` */
export function stepLine(step: RepairStep, dryRun: boolean): string {
  const action = dryRun ? WOULD[step.action] : step.action;
  const width = dryRun ? 14 : 9;
  const details = [
    ...(step.note === undefined ? [] : [shortened(step.note)]),
    ...(step.bytes === undefined ? [] : [humanSize(step.bytes)]),
  ];
  const more = details.length === 0 ? "" : `  (${details.join(", ")})`;
  return oneLine(`${action.padEnd(width)} ${shortened(step.path)}${more}`);
}

/** A finding that stays: what it is, and why. */
export function leftLines(left: Left): string {
  const { code, path, message, images, reason, sources } = left;
  const whose = images.length === 0 ? "" : ` (${images.join(", ")})`;
  const lines = [
    `${code} ${shortened(path)}: ${message}${whose}`,
    ...(reason === undefined || reason === FINDING_KINDS[code].meaning
      ? [`  it means: ${FINDING_KINDS[code].meaning}`]
      : [`  stays: ${reason}`]),
    ...(sources ?? []).slice(1).map((source) => `  or from ${source}`),
  ];
  return lines.map((line) => `${oneLine(line)}\n`).join("");
}

/** The last line: how it stands now. */
export function verdictLine(
  found: readonly Finding[],
  { steps, left, bytesFetched }: RepairResult,
  dryRun: boolean,
): string {
  const damage = found.filter(isDamage).length;
  if (damage === 0) return "nothing is wrong\n";
  if (dryRun) {
    const more =
      left.length === 0
        ? ""
        : `; ${counted(left.length, "finding")} would stay`;
    return `${counted(damage, "finding")}, ${counted(steps.length, "step")} to take${more}; nothing was changed\n`;
  }
  const fetched =
    bytesFetched === 0 ? "" : `, ${humanSize(bytesFetched)} fetched`;
  if (left.length === 0) {
    return `repaired: ${counted(damage, "finding")}, ${counted(steps.length, "step")}${fetched}; nothing is wrong any more\n`;
  }
  // More than there were: what was hidden by other damage has come to light.
  const share =
    left.length > damage
      ? counted(left.length, "finding")
      : `${left.length} of ${counted(damage, "finding")}`;
  return `not all is repaired: ${share} ${left.length === 1 ? "is" : "are"} left${fetched}\n`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
