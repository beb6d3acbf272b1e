/** Whether what is about to be deleted may be deleted. */
import type { RemovalQuestion, RepairOptions } from "./repair-types.js";

/** `yes`, or why not. */
export type Answer =
  | "yes"
  | "nobody was asked whether it may go"
  | "it was not agreed that it goes";

export class Consent {
  readonly #confirm: RepairOptions["confirm"];
  readonly #dryRun: boolean;

  constructor({ confirm, dryRun }: Pick<RepairOptions, "confirm" | "dryRun">) {
    this.#confirm = confirm;
    this.#dryRun = dryRun ?? false;
  }

  /** In a dry run nothing is deleted, and nobody is asked. */
  async to(question: RemovalQuestion): Promise<Answer> {
    if (this.#dryRun) return "yes";
    if (this.#confirm === undefined)
      return "nobody was asked whether it may go";
    return (await this.#confirm(question))
      ? "yes"
      : "it was not agreed that it goes";
  }
}
