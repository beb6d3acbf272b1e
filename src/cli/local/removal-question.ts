/** Asking the person at the terminal before something is deleted. */
import type { RemovalQuestion } from "../../../store/index.js";
import type { AnswerContext } from "../answers/answer.js";
import { humanSize } from "../format/units.js";
import { askLine } from "../prompt.js";
import { oneLine } from "../terminal-text.js";

/** Most things that are listed one by one. */
const MOST_LISTED = 20;

const ABOUT: Readonly<
  Record<RemovalQuestion["about"], readonly [what: string, ask: string]>
> = {
  leftovers: ["Nothing needs this:", "Remove it?"],
  layers: ["No image needs these layers:", "Remove them?"],
  names: ["These names lead to no image:", "Remove them?"],
  repositories: [
    "The file of all names, repositories.json, cannot be read. It can be written anew; the old one is kept in tpull/kept. This is what is left of the names:",
    "Write it anew?",
  ],
};

/**
 * How to find out whether something may be deleted: `--yes` says so, a person at
 * a terminal is asked.
 * @returns undefined where there is nobody to ask
 */
export function removalQuestion({
  flags,
  output,
  stdin,
  stderrIsTTY,
  query,
  interrupt,
}: AnswerContext):
  ((question: RemovalQuestion) => Promise<boolean>) | undefined {
  if (flags.yes) return async () => true;
  if (flags.json || !stderrIsTTY || stdin().isTTY !== true) return undefined;
  return async (question) => {
    output.err(questionText(question));
    const [, ask] = ABOUT[question.about];
    const answer = await askLine(`${ask} [y/N] `, {
      input: stdin(),
      show: (text) => output.err(text),
      signal: query.signal ?? new AbortController().signal,
      onInterrupt: interrupt,
    });
    return /^\s*y(?:es)?\s*$/i.test(answer);
  };
}

/** What would be deleted, one a line. */
export function questionText({ about, items }: RemovalQuestion): string {
  const listed = items.slice(0, MOST_LISTED).map(({ path, what, bytes }) => {
    const size = bytes === undefined ? "" : ` (${humanSize(bytes)})`;
    return `  ${oneLine(path)}: ${oneLine(what)}${size}\n`;
  });
  const others = items.length - listed.length;
  const rest = others > 0 ? `  and ${others} more\n` : "";
  return `${ABOUT[about][0]}\n${listed.join("")}${rest}`;
}
