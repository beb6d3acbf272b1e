/** What the answering commands get to work with. */
import type { QueryOptions } from "../../query/query.js";
import type { Flags } from "../options.js";
import type { Output } from "../output.js";

export interface AnswerContext {
  /** The operands; as many as the command takes. */
  readonly images: readonly string[];
  readonly flags: Flags;
  /** How registries are asked. */
  readonly query: QueryOptions;
  readonly output: Output;
  /** Whether a person reads stdout on a terminal. */
  readonly isTTY: boolean;
  /** The data root, for commands that look at it. */
  readonly root: () => string;
}

/** Prints the answer. Returns the exit status. */
export type Answer = (context: AnswerContext) => Promise<number>;

/** A JSON document for people and programs. */
export function jsonDocument(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
