/** What a repair does, step by step: told, and in a dry run only told. */
import { relative } from "node:path";
import { isTpullError } from "../errors.js";
import { ioFailure } from "../io-error.js";
import type { Layout } from "../layout.js";
import type { Finding } from "../verify/finding.js";
import type { RepairStep, Unrepaired } from "./repair-types.js";

export class Steps {
  readonly done: RepairStep[] = [];
  readonly unrepaired: Unrepaired[] = [];
  readonly dryRun: boolean;
  readonly #root: string;
  readonly #onStep: ((step: RepairStep) => void) | undefined;

  constructor(
    { root }: Layout,
    dryRun: boolean,
    onStep: ((step: RepairStep) => void) | undefined,
  ) {
    this.#root = root;
    this.dryRun = dryRun;
    this.#onStep = onStep;
  }

  /** Whether anything has been changed. */
  get changed(): boolean {
    return !this.dryRun && this.done.length > 0;
  }

  /** A path as findings and steps show it. */
  shown(path: string): string {
    return relative(this.#root, path) || ".";
  }

  /** Does something and tells of it. In a dry run it is told only. */
  async take(
    step: Omit<RepairStep, "path"> & { readonly path: string },
    work: () => void | Promise<void>,
  ): Promise<void> {
    if (!this.dryRun) await work();
    const told = { ...step, path: this.shown(step.path) };
    this.done.push(told);
    try {
      this.#onStep?.(told);
    } catch {
      // Nothing of a repair depends on anybody hearing of it.
    }
  }

  /** Notes that a finding stays. */
  leave(
    finding: Finding,
    reason: string,
    more: Pick<Unrepaired, "failure" | "sources"> = {},
  ): void {
    const before = this.unrepaired.find((one) => one.finding === finding);
    if (before === undefined) {
      this.unrepaired.push({ finding, reason, ...more });
    }
  }

  /**
   * Runs a part of the repair that may fail without the others.
   * @param concerned findings that stay if it does
   * @throws what is no expected failure, and `ABORTED`
   */
  async part<Result>(
    doing: string,
    concerned: readonly Finding[],
    work: () => Promise<Result>,
  ): Promise<Result | undefined> {
    try {
      return await work();
    } catch (cause) {
      const error = ioFailure(cause, doing);
      if (!isTpullError(error) || error.code === "ABORTED") throw error;
      for (const finding of concerned) {
        const { code, message, details } = error;
        const sources = details["sources"] as string[] | undefined;
        const more = { failure: code, ...(sources && { sources }) };
        this.leave(finding, message, more);
      }
      return undefined;
    }
  }
}
