/** A command that changes a root, from its arguments to what it printed. */
import { main } from "#src/cli/main.js";
import type { CliInput } from "#src/cli/prompt.js";
import { loadAnswer } from "#src/cli/run-answer.js";
import { type Fakes, fakes } from "../fake-context.js";

export interface Printed {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** Begins `tpull WORDS --root ROOT`. */
export function begin(
  root: string,
  words: readonly string[],
  stdin?: CliInput,
): { made: Fakes; ended: Promise<Printed> } {
  const made = fakes({ loadAnswer, ...(stdin === undefined ? {} : { stdin }) });
  const context = { ...made.context, now: Date.now };
  const ended = main([...words, "--root", root], context).then((status) => ({
    status,
    out: made.stdout.text,
    err: made.stderr.text,
  }));
  return { made, ended };
}

/** Runs it to its end, with nobody to ask. */
export async function run(root: string, ...words: string[]): Promise<Printed> {
  return await begin(root, words).ended;
}
