/** How much room there is for an answer, and what may be drawn in it. */
import type { AnswerContext } from "../answers/answer.js";
import {
  type Strokes,
  strokesFor,
  type Style,
  styleFor,
} from "../format/style.js";

export interface Look {
  readonly style: Style;
  readonly strokes: Strokes;
  /** Width of the terminal; undefined where lines may be as long as they like. */
  readonly columns: number | undefined;
  /** Whether IDs and commands are shown whole. */
  readonly whole: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export function lookOf(context: AnswerContext): Look {
  const { flags, isTTY, columns, env, now } = context;
  return {
    style: styleFor(isTTY, env),
    strokes: strokesFor(env),
    columns: isTTY ? columns : undefined,
    whole: flags["no-trunc"] === true,
    now: now(),
  };
}
