/** The tree of a template, and its parts as text again, for error messages. */
import { quoted } from "./quote.js";

/** Where a node begins in the text, in UTF-16 units. */
interface Place {
  readonly at: number;
}

export interface NumberNode extends Place {
  readonly kind: "number";
  readonly text: string;
  /** What the number is as a whole one, signed or not, where it is one. */
  readonly int: bigint | undefined;
  readonly uint: bigint | undefined;
  readonly float: number | undefined;
  /** Written as a float: `1.0`, `1e3`. */
  readonly looksFloat: boolean;
}

/** An argument of a command. */
export type Operand =
  | NumberNode
  | (Place & { readonly kind: "bool"; readonly value: boolean })
  | (Place & {
      readonly kind: "string";
      readonly source: string;
      readonly value: string;
    })
  | (Place & { readonly kind: "nil" })
  | (Place & { readonly kind: "dot" })
  | (Place & { readonly kind: "identifier"; readonly name: string })
  | (Place & { readonly kind: "field"; readonly fields: readonly string[] })
  | (Place & {
      readonly kind: "variable";
      /** With its `$`. */
      readonly name: string;
      readonly fields: readonly string[];
    })
  | (Place & {
      readonly kind: "chain";
      readonly operand: Operand;
      readonly fields: readonly string[];
    })
  | Pipeline;

export interface Command extends Place {
  readonly kind: "command";
  readonly operands: readonly Operand[];
}

export interface Pipeline extends Place {
  readonly kind: "pipeline";
  /** Names of the variables that get the value, with their `$`. */
  readonly variables: readonly string[];
  /** Whether they exist already (`=` instead of `:=`). */
  readonly assigns: boolean;
  readonly commands: readonly Command[];
}

export interface Branch extends Place {
  readonly kind: "if" | "with" | "range";
  readonly pipeline: Pipeline;
  readonly body: readonly Node[];
  readonly otherwise: readonly Node[] | undefined;
}

export type Node =
  | (Place & { readonly kind: "text"; readonly text: string })
  | (Place & { readonly kind: "action"; readonly pipeline: Pipeline })
  | (Place & { readonly kind: "break" | "continue" })
  | (Place & {
      readonly kind: "template";
      readonly name: string;
      readonly pipeline: Pipeline | undefined;
    })
  | Branch;

/** Anything an error can point at. */
export type Pointed = Node | Operand | Command;

/** The source of a node as Go writes it back. */
export function sourceOf(node: Pointed): string {
  switch (node.kind) {
    case "text":
      return node.text;
    case "action":
      return `{{${sourceOf(node.pipeline)}}}`;
    case "break":
    case "continue":
      return `{{${node.kind}}}`;
    case "template": {
      const value =
        node.pipeline === undefined ? "" : ` ${sourceOf(node.pipeline)}`;
      return `{{template ${quoted(node.name)}${value}}}`;
    }
    case "if":
    case "with":
    case "range": {
      const otherwise =
        node.otherwise === undefined
          ? ""
          : `{{else}}${listSource(node.otherwise)}`;
      return `{{${node.kind} ${sourceOf(node.pipeline)}}}${listSource(node.body)}${otherwise}{{end}}`;
    }
    case "command":
      return node.operands.map(inParentheses).join(" ");
    case "pipeline": {
      const sign = node.assigns ? "=" : ":=";
      const target =
        node.variables.length === 0
          ? ""
          : `${node.variables.join(", ")} ${sign} `;
      return target + node.commands.map(sourceOf).join(" | ");
    }
    case "number":
      return node.text;
    case "bool":
      return String(node.value);
    case "string":
      return node.source;
    case "nil":
      return "nil";
    case "dot":
      return ".";
    case "identifier":
      return node.name;
    case "field":
      return dotted(node.fields);
    case "variable":
      return node.name + dotted(node.fields);
    case "chain":
      return inParentheses(node.operand) + dotted(node.fields);
  }
}

function listSource(nodes: readonly Node[]): string {
  return nodes.map(sourceOf).join("");
}

function inParentheses(operand: Operand): string {
  return operand.kind === "pipeline"
    ? `(${sourceOf(operand)})`
    : sourceOf(operand);
}

function dotted(fields: readonly string[]): string {
  return fields.map((field) => `.${field}`).join("");
}
