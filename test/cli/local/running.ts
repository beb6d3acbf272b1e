/** A command on a root, from its arguments to what it printed. */
import { main } from "#src/cli/main.js";
import { loadAnswer } from "#src/cli/run-answer.js";
import type { CliInput } from "#src/cli/prompt.js";
import { FakeStream, fakes } from "../fake-context.js";

export interface Printed {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly isTTY?: boolean;
  readonly stdin?: CliInput;
  /** What time it is. */
  readonly now?: string;
}

/** Runs `tpull WORDS --root ROOT`; the zone is UTC by default. */
export async function run(
  root: string,
  words: readonly string[],
  { env = { TZ: "UTC" }, isTTY = false, now = NOW, stdin }: RunOptions = {},
): Promise<Printed> {
  const made = fakes({
    loadAnswer,
    env,
    ...(stdin === undefined ? {} : { stdin }),
  });
  const stdout = new FakeStream(isTTY);
  const context = { ...made.context, stdout, now: () => Date.parse(now) };
  const status = await main([...words, "--root", root], context);
  return { status, out: stdout.text, err: made.stderr.text };
}

export const NOW = "2024-06-01T12:00:00Z";
