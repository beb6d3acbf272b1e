/** What a running template knows: where it is, its variables, what it has printed. */
import type { FunctionTable } from "./functions.js";
import { sourceOf, type Pointed } from "./nodes.js";
import { formatError, LONGEST_OUTPUT } from "./problem.js";
import { quoted } from "./quote.js";
import type { GoValue } from "./values.js";

/** What a map gives for a key that it lacks: `<no value>`, the zero of its elements, or an error. */
export type MissingKey = "default" | "zero" | "error";

/** Nodes that one run may visit, and what else takes as long, so that no template runs for ever. */
const MOST_STEPS = 2_000_000;

interface Variable {
  readonly name: string;
  value: GoValue | undefined;
}

export class State {
  readonly functions: FunctionTable;
  readonly missingKey: MissingKey;
  readonly #source: string;
  /** The node that an error would be about. */
  #node: Pointed | undefined;
  #variables: Variable[] = [];
  /** The template that runs; the text's own one has the empty name. */
  #template = "";
  #output = "";
  #steps = 0;

  constructor(
    source: string,
    functions: FunctionTable,
    missingKey: MissingKey,
  ) {
    this.#source = source;
    this.functions = functions;
    this.missingKey = missingKey;
  }

  output(): string {
    return this.#output;
  }

  write(text: string): void {
    this.#output += text;
    if (this.#output.length > LONGEST_OUTPUT) this.fail("the text is too long");
  }

  /** Marks the node that errors from now on are about. */
  at(node: Pointed): void {
    this.#node = node;
    this.spend(1);
  }

  /** Counts work that takes as long as so many nodes. */
  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > MOST_STEPS) this.fail("the template runs too long");
  }

  /** Ends the run with Go's words for it: `template: :1:2: executing "" at <.Foo>: …`. */
  fail(message: string): never {
    const node = this.#node;
    const name = this.#template;
    if (node === undefined) throw formatError(`template: ${name}: ${message}`);
    const before = this.#source.slice(0, node.at);
    const lines = before.split("\n");
    const column = Buffer.byteLength(lines.at(-1) ?? "");
    throw formatError(
      `template: :${lines.length}:${column}: executing ${quoted(name)} at <${sourceOf(node)}>: ${message}`,
    );
  }

  /** Runs a template by its name: it sees no variables but `$`. */
  inside(name: string, dot: GoValue | undefined, run: () => void): void {
    const outer = { template: this.#template, variables: this.#variables };
    this.#template = name;
    this.#variables = [{ name: "$", value: dot }];
    run();
    this.#template = outer.template;
    this.#variables = outer.variables;
  }

  /** How many variables there are, for {@link forget}. */
  mark(): number {
    return this.#variables.length;
  }

  /** Drops the variables that were declared since the mark. */
  forget(mark: number): void {
    this.#variables.length = mark;
  }

  declare(name: string, value: GoValue | undefined): void {
    this.#variables.push({ name, value });
  }

  /** Gives the variable so many places below the top a value. */
  setFromTop(place: number, value: GoValue | undefined): void {
    const variable = this.#variables.at(-place);
    if (variable !== undefined) variable.value = value;
  }

  assign(name: string, value: GoValue | undefined): void {
    this.#find(name).value = value;
  }

  variable(name: string): GoValue | undefined {
    return this.#find(name).value;
  }

  #find(name: string): Variable {
    const found = this.#variables.findLast((each) => each.name === name);
    return found ?? this.fail(`undefined variable: ${name}`);
  }
}
