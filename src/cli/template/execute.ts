/** Runs a template: walks over its nodes and prints what they stand for. */
import { evaluatePipeline } from "./evaluate.js";
import type { Branch, Node } from "./nodes.js";
import type { TemplateSet } from "./parse.js";
import { formatValue, sortedEntries } from "./print.js";
import { DEEPEST } from "./problem.js";
import { quoted } from "./quote.js";
import type { State } from "./state.js";
import { indirect, isTrue } from "./truth.js";
import { listOf } from "./parts.js";
import { INT, STRING, type GoType } from "./types.js";
import type { GoValue } from "./values.js";
import { NO_FLAGS } from "./verbs.js";

type Value = GoValue | undefined;

/** How a list of nodes ended: at its end, or at a word that leaves it. */
type Outcome = "done" | "break" | "continue";

/** Runs the template of a name. What it prints is in the state then. */
export function runTemplate(
  state: State,
  templates: TemplateSet,
  dot: Value,
): void {
  new Run(state, templates).template("", dot, 0);
}

class Run {
  readonly #state: State;
  readonly #templates: TemplateSet;
  #depth = 0;

  constructor(state: State, templates: TemplateSet) {
    this.#state = state;
    this.#templates = templates;
  }

  template(name: string, dot: Value, depth: number): void {
    const nodes = this.#templates.get(name);
    if (nodes === undefined) {
      return this.#state.fail(`template ${quoted(name)} not defined`);
    }
    const outer = this.#depth;
    this.#depth = depth;
    this.#state.inside(name, dot, () => this.#list(nodes, dot));
    this.#depth = outer;
  }

  #list(nodes: readonly Node[], dot: Value): Outcome {
    for (const node of nodes) {
      const outcome = this.#node(node, dot);
      if (outcome !== "done") return outcome;
    }
    return "done";
  }

  #node(node: Node, dot: Value): Outcome {
    const state = this.#state;
    state.at(node);
    switch (node.kind) {
      case "text":
        state.write(node.text);
        return "done";
      case "action": {
        const { pipeline } = node;
        const value = evaluatePipeline(state, dot, pipeline);
        if (pipeline.variables.length > 0) return "done";
        state.at(node);
        state.write(printed(value));
        return "done";
      }
      case "break":
      case "continue":
        return node.kind;
      case "template": {
        if (!this.#templates.has(node.name)) {
          state.fail(`template ${quoted(node.name)} not defined`);
        }
        if (this.#depth >= DEEPEST) {
          state.fail(`exceeded maximum template depth (${DEEPEST})`);
        }
        const value =
          node.pipeline === undefined
            ? undefined
            : evaluatePipeline(state, dot, node.pipeline);
        this.template(node.name, value, this.#depth + 1);
        return "done";
      }
      case "range":
        return this.#range(node, dot);
      case "if":
      case "with":
        return this.#branch(node, dot);
    }
  }

  #branch(node: Branch, dot: Value): Outcome {
    const state = this.#state;
    const mark = state.mark();
    const value = evaluatePipeline(state, dot, node.pipeline);
    const inner = node.kind === "with" ? value : dot;
    const outcome = isTrue(value)
      ? this.#list(node.body, inner)
      : this.#list(node.otherwise ?? [], dot);
    state.forget(mark);
    return outcome;
  }

  #range(node: Branch, dot: Value): Outcome {
    const state = this.#state;
    const outside = state.mark();
    const value = evaluatePipeline(state, dot, node.pipeline);
    const inside = state.mark();
    let isEmpty = true;
    let outcome: Outcome = "done";
    for (const [index, element] of this.#elements(node, value)) {
      isEmpty = false;
      this.#bind(node, index, element);
      outcome = this.#list(node.body, element);
      state.forget(inside);
      if (outcome === "break") break;
      state.at(node);
    }
    if (isEmpty) outcome = this.#list(node.otherwise ?? [], dot);
    state.forget(outside);
    // The words in the body meant this range, those behind else the one around it.
    return isEmpty ? outcome : "done";
  }

  /** What a range goes over, with the index or key of each. */
  *#elements(node: Branch, value: Value): Generator<[Value, Value]> {
    if (value === undefined) return;
    const state = this.#state;
    const { value: inside, isNil } = indirect(value);
    const { type, data } = inside;
    if (type.kind === "slice") {
      for (const [at, item] of listOf(inside).entries()) {
        yield [
          { type: INT, data: BigInt(at) },
          { type: type.element, data: item },
        ];
      }
    } else if (type.kind === "map") {
      const entries = sortedEntries(data);
      // Sorting them takes its time, even if the range is left at once.
      state.spend(entries.length);
      for (const [key, item] of entries) {
        const keyType: GoType = type.key.name === undefined ? STRING : type.key;
        yield [
          { type: keyType, data: key },
          { type: type.element, data: item },
        ];
      }
    } else if (typeof data === "bigint" && !isNil) {
      if (node.pipeline.variables.length > 1) {
        state.fail(
          `can't use ${printed(inside)} to iterate over more than one variable`,
        );
      }
      for (let at = 0n; at < data; at += 1n)
        yield [undefined, { type, data: at }];
    } else {
      state.fail(`range can't iterate over ${printed(inside)}`);
    }
  }

  /** Gives the variables of a range their values: the element, or index and element. */
  #bind(node: Branch, index: Value, element: Value): void {
    const { variables, assigns } = node.pipeline;
    const [first, second] = variables;
    if (first === undefined) return;
    if (assigns) {
      this.#state.assign(first, second === undefined ? element : index);
      if (second !== undefined) this.#state.assign(second, element);
      return;
    }
    this.#state.setFromTop(1, element);
    if (second !== undefined) this.#state.setFromTop(2, index);
  }
}

/** A value as an action prints it: what a pointer points to, and words for nothing. */
function printed(value: Value): string {
  if (value === undefined) return "<no value>";
  const shown = value.type.kind === "pointer" ? indirect(value).value : value;
  return formatValue(shown, "v", NO_FLAGS);
}
