/** What the answering commands get to work with. */
import type { QueryOptions } from "../../query/query.js";
import type { ImageRequest } from "../../requests.js";
import type { Flags } from "../options.js";
import type { CliStream, Output } from "../output.js";
import type { CliInput } from "../prompt.js";
import type { Environment } from "../settings.js";

export interface AnswerContext {
  /** The operands; as many as the command takes. */
  readonly images: readonly string[];
  /** The images with what lists say of them, where there are lists. */
  readonly requests?: readonly ImageRequest[];
  readonly flags: Flags;
  /** How registries are asked. Its signal ends the command. */
  readonly query: QueryOptions;
  readonly output: Output;
  /** Whether a person reads stdout on a terminal. */
  readonly isTTY: boolean;
  /** Whether stderr is a terminal. */
  readonly stderrIsTTY: boolean;
  /** Where bars are drawn. */
  readonly stderr: CliStream;
  /** Width of the terminal on stdout; undefined where there is none. */
  readonly columns: number | undefined;
  readonly env: Environment;
  /** Standard input; opened when it is first looked at. */
  readonly stdin: () => CliInput;
  /** What Ctrl-C at a question does: ends the command as the signal would. */
  readonly interrupt: () => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** The data root, for commands that look at it. */
  readonly root: () => string;
}

/** Prints the answer. Returns the exit status. */
export type Answer = (context: AnswerContext) => Promise<number>;

/** A JSON document for people and programs. */
export function jsonDocument(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
