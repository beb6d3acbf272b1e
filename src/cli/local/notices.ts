/**
 * What the commands that look at a data root have to say beside their answer:
 * lines for stderr, so that stdout stays the answer alone.
 */
import { statSync } from "node:fs";
import { isAbsent } from "../../../store/io-error.js";
import type { Damage } from "../../../store/survey/damage.js";
import { holderOfRoot } from "../../../store/survey/holder.js";
import type { Layout } from "../../../store/layout.js";
import type { Output } from "../output.js";
import { oneLine } from "../terminal-text.js";

/**
 * One warning for each thing that was found damaged, and once where to turn
 * with it.
 */
export function tellDamage(output: Output, damage: readonly Damage[]): void {
  for (const { message, code } of damage) {
    output.err(`tpull: warning: ${oneLine(message)} (${code})\n`);
  }
  if (damage.length > 0) output.err("  hint: 'tpull verify' says more.\n");
}

/** Whether there is a directory; also where nobody may look, which is told otherwise. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    return !isAbsent(error);
  }
}

/**
 * A note when there is no root, as after a slip of the pen: it reads as an empty
 * one. And one when a dockerd runs on the root: it keeps its own account of the images
 * in memory, and what it is about to write is not on disk yet.
 */
export function tellHolder(output: Output, layout: Layout): void {
  if (!isDirectory(layout.root)) {
    output.err(
      `tpull: note: there is no data root at ${oneLine(layout.root)}\n`,
    );
    return;
  }
  const holder = holderOfRoot(layout);
  if (holder === undefined) return;
  const { name = "another process", pid } = holder;
  const who = pid === undefined ? name : `${name} (pid ${pid})`;
  output.err(
    `tpull: note: ${oneLine(who)} runs on ${oneLine(layout.root)}; this is what lies there on disk now\n`,
  );
}
