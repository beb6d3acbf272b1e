/** The value of a pipeline: fields, functions, and what is handed from one to the next. */
import { constant, fitted, literal, nilArgument } from "./arguments.js";
import { fieldOf, hasField } from "./fields.js";
import {
  ANYTHING,
  type Argument,
  type Parameter,
  type TemplateFunction,
} from "./functions.js";
import {
  sourceOf,
  type Command,
  type Operand,
  type Pipeline,
  type Pointed,
} from "./nodes.js";
import { mapOf } from "./parts.js";
import { formatValue } from "./print.js";
import { CallProblem } from "./problem.js";
import { quoted } from "./quote.js";
import type { State } from "./state.js";
import { fromInterface, indirect, isTrue } from "./truth.js";
import { STRING, typeName } from "./types.js";
import { zeroOf, type GoValue } from "./values.js";
import { NO_FLAGS } from "./verbs.js";

/** A value; undefined is none, as of a key that a map lacks. */
type Value = GoValue | undefined;

/** What the command before hands on, if there is one. */
type Handed = { readonly value: Value } | undefined;

/** Evaluates a pipeline and gives its variables their value. */
export function evaluatePipeline(
  state: State,
  dot: Value,
  pipeline: Pipeline,
): Value {
  state.at(pipeline);
  let handed: Handed;
  for (const command of pipeline.commands) {
    const value = evaluateCommand(state, dot, command, handed);
    handed = { value: fromInterface(value) };
  }
  const value = handed?.value;
  for (const name of pipeline.variables) {
    if (pipeline.assigns) state.assign(name, value);
    else state.declare(name, value);
  }
  return value;
}

function evaluateCommand(
  state: State,
  dot: Value,
  command: Command,
  handed: Handed,
): Value {
  const [first, ...args] = command.operands;
  if (first === undefined) return state.fail("empty command");
  const alone = (): void => {
    if (args.length === 0 && handed === undefined) return;
    state.fail(`can't give argument to non-function ${sourceOf(first)}`);
  };
  switch (first.kind) {
    case "field":
    case "chain":
    case "variable":
      return evaluateFields(state, dot, first, args, handed);
    case "identifier":
      return evaluateFunction(state, dot, first, command, args, handed);
    case "pipeline":
      alone();
      return evaluatePipeline(state, dot, first);
    default:
      state.at(first);
      alone();
      if (first.kind === "dot") return dot;
      if (first.kind === "nil") return state.fail("nil is not a command");
      return constant(state, first);
  }
}

type Reached = Extract<Operand, { kind: "field" | "chain" | "variable" }>;

/** `.A.B`, `$x.A.B` and `(…).A.B`; arguments are for a method at the end. */
function evaluateFields(
  state: State,
  dot: Value,
  node: Reached,
  args: readonly Operand[],
  handed: Handed,
): Value {
  state.at(node);
  let value = dot;
  if (node.kind === "variable") {
    value = state.variable(node.name);
    if (node.fields.length === 0 && (args.length > 0 || handed !== undefined)) {
      state.fail(`can't give argument to non-function ${sourceOf(node)}`);
    }
  } else if (node.kind === "chain") {
    if (node.operand.kind === "nil") {
      state.fail(`indirection through explicit nil in ${sourceOf(node)}`);
    }
    value = evaluateArgument(state, dot, node.operand, undefined);
  }
  const last = node.fields.length - 1;
  for (const [at, name] of node.fields.entries()) {
    const call =
      at === last ? { args, handed } : { args: [], handed: undefined };
    value = evaluateField(state, dot, node, name, value, call);
  }
  return value;
}

interface Call {
  readonly args: readonly Operand[];
  readonly handed: Handed;
}

function evaluateField(
  state: State,
  dot: Value,
  node: Pointed,
  name: string,
  receiver: Value,
  call: Call,
): Value {
  if (receiver === undefined) {
    if (state.missingKey !== "error") return undefined;
    return state.fail(`nil data; no entry for key ${quoted(name)}`);
  }
  const outer = typeName(receiver.type);
  const { value, isNil } = indirect(receiver);
  const { type, data } = value;
  if (type.kind === "interface") {
    return state.fail(`nil pointer evaluating ${outer}.${name}`);
  }
  const method = type.methods?.get(name);
  if (method !== undefined && !isNil) {
    const bound: TemplateFunction = {
      parameters: method.parameters,
      call: (...args) => method.call(data, args as GoValue[]),
    };
    return evaluateCall(state, dot, bound, name, node, call);
  }
  const hasArguments = call.args.length > 0 || call.handed !== undefined;
  if (type.kind === "struct" && hasField(type, name)) {
    const found = attempt(state, () => fieldOf(type, data, name));
    if (hasArguments) {
      state.fail(`${name} has arguments but cannot be invoked as function`);
    }
    return found;
  }
  if (type.kind === "map" && type.key.name === undefined) {
    if (hasArguments) state.fail(`${name} is not a method but has arguments`);
    const entry = mapOf(value).get(name);
    if (entry !== undefined) return { type: type.element, data: entry };
    if (state.missingKey === "error") {
      state.fail(`map has no entry for key ${quoted(name)}`);
    }
    return state.missingKey === "default"
      ? undefined
      : { type: type.element, data: zeroOf(type.element) };
  }
  if (type.kind === "pointer" && isNil) {
    const { element } = type;
    if (element.kind !== "struct" || hasField(element, name)) {
      state.fail(`nil pointer evaluating ${outer}.${name}`);
    }
  }
  return state.fail(`can't evaluate field ${name} in type ${outer}`);
}

/** Runs what may complain, and says where the template was then. */
function attempt<T>(state: State, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof CallProblem)) throw error;
    return state.fail(error.message);
  }
}

type Identifier = Extract<Operand, { kind: "identifier" }>;

function evaluateFunction(
  state: State,
  dot: Value,
  node: Identifier,
  whole: Pointed,
  args: readonly Operand[],
  handed: Handed,
): Value {
  state.at(node);
  const called = state.functions.get(node.name);
  if (called === undefined) {
    return state.fail(`${quoted(node.name)} is not a defined function`);
  }
  return evaluateCall(state, dot, called, node.name, whole, { args, handed });
}

function evaluateCall(
  state: State,
  dot: Value,
  called: TemplateFunction,
  name: string,
  whole: Pointed,
  { args, handed }: Call,
): Value {
  const { parameters, more, decides } = called;
  const given = args.length + (handed === undefined ? 0 : 1);
  if (more === undefined && given !== parameters.length) {
    state.fail(
      `wrong number of args for ${name}: want ${parameters.length} got ${given}`,
    );
  }
  if (given < parameters.length) {
    state.fail(
      `wrong number of args for ${name}: want at least ${parameters.length} got ${args.length}`,
    );
  }
  const parameterAt = (at: number): Parameter =>
    parameters[at] ?? more ?? ANYTHING;
  const values: Argument[] = [];
  for (const [at, operand] of args.entries()) {
    const value = evaluateArgument(state, dot, operand, parameterAt(at));
    values.push(value);
    if (decides !== undefined && isTrue(value) === (decides === "or")) {
      return value;
    }
  }
  if (handed !== undefined) {
    values.push(fitted(state, handed.value, parameterAt(args.length)));
  }
  if (called.wantsSource) {
    const [first] = args;
    const source =
      first === undefined
        ? formatValue(handed?.value, "s", NO_FLAGS)
        : sourceOf(first);
    values.unshift({ type: STRING, data: source });
  }
  try {
    const result = called.call(...values);
    state.spend(
      costOf(result) + values.reduce((sum, each) => sum + costOf(each), 0),
    );
    return result;
  } catch (error) {
    if (!(error instanceof CallProblem)) throw error;
    state.at(whole);
    return state.fail(`error calling ${name}: ${error.message}`);
  }
}

/** @param parameter undefined where any value will do and none is needed */
function evaluateArgument(
  state: State,
  dot: Value,
  node: Operand,
  parameter: Parameter | undefined,
): Value {
  state.at(node);
  switch (node.kind) {
    case "dot":
      return fitted(state, dot, parameter);
    case "nil":
      return nilArgument(state, parameter);
    case "field":
    case "variable":
    case "chain": {
      const value = evaluateFields(state, dot, node, [], undefined);
      return fitted(state, value, parameter);
    }
    case "pipeline":
      return fitted(state, evaluatePipeline(state, dot, node), parameter);
    case "identifier": {
      const value = evaluateFunction(state, dot, node, node, [], undefined);
      return fitted(state, value, parameter);
    }
    default:
      return literal(state, node, parameter);
  }
}

/** Steps that a long text is worth: each one makes what is done with it take longer. */
function costOf(value: Value): number {
  const data = fromInterface(value)?.data;
  return typeof data === "string" ? data.length / 16 : 0;
}
