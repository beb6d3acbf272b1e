/** Reads pipelines: `$x := .List | index 0`. */
import {
  characterNode,
  LiteralProblem,
  numberNode,
  unquote,
} from "./literals.js";
import {
  sourceOf,
  type Command,
  type Operand,
  type Pipeline,
} from "./nodes.js";
import { quoted } from "./quote.js";
import type { TokenStream } from "./token-stream.js";
import type { TokenKind } from "./words.js";

/** Words and literals: what a command may begin with. */
const OPERANDS: ReadonlySet<TokenKind> = new Set([
  "bool",
  "character",
  "dot",
  "field",
  "identifier",
  "number",
  "nil",
  "string",
  "variable",
  "(",
]);

export class PipelineParser {
  readonly #tokens: TokenStream;
  readonly #functions: ReadonlySet<string>;
  /** The variables that exist here, `$` among them. */
  variables: string[] = ["$"];

  /** @param functions the names that may be called */
  constructor(tokens: TokenStream, functions: ReadonlySet<string>) {
    this.#tokens = tokens;
    this.#functions = functions;
  }

  /** A pipeline and the token that ends it; `context` is what complaints call it. */
  read(context: string, end: "close" | ")"): Pipeline {
    return this.#tokens.nested(() => {
      const tokens = this.#tokens;
      const { at } = tokens.peekNonSpace();
      const { variables, assigns } = this.#declarations(context);
      const commands: Command[] = [];
      for (;;) {
        const token = tokens.peekNonSpace();
        if (token.kind === end) break;
        if (!OPERANDS.has(token.kind)) {
          tokens.next();
          tokens.unexpected(token, context);
        }
        commands.push(this.#command());
      }
      tokens.next();
      this.#check(commands, context);
      return { kind: "pipeline", at, variables, assigns, commands };
    });
  }

  /** `$x :=`, `$x =`, and for a range also `$i, $x :=`. */
  #declarations(context: string): { variables: string[]; assigns: boolean } {
    const tokens = this.#tokens;
    const variables: string[] = [];
    for (;;) {
      const token = tokens.peekNonSpace();
      if (token.kind !== "variable") return { variables, assigns: false };
      tokens.next();
      const spaces = tokens.peek().kind === "space" ? 1 : 0;
      const next = tokens.peekNonSpace();
      const isComma = next.kind === "sign" && next.text === ",";
      if (next.kind !== "=" && next.kind !== ":=" && !isComma) {
        // The variable was an operand.
        tokens.back(1 + spaces);
        return { variables, assigns: false };
      }
      tokens.next();
      variables.push(token.text);
      this.variables.push(token.text);
      if (!isComma) return { variables, assigns: next.kind === "=" };
      if (context !== "range" || variables.length > 1) {
        tokens.fail(`too many declarations in ${context}`);
      }
      const { kind } = tokens.peekNonSpace();
      if (kind !== "variable" && kind !== "close" && kind !== ")") {
        tokens.fail("range can only initialize variables");
      }
    }
  }

  #check(commands: readonly Command[], context: string): void {
    if (commands.length === 0) {
      this.#tokens.fail(`missing value for ${context}`);
    }
    for (const [at, { operands }] of commands.entries()) {
      const kind = operands[0]?.kind;
      const isValue =
        kind === "bool" ||
        kind === "dot" ||
        kind === "nil" ||
        kind === "number" ||
        kind === "string";
      if (at > 0 && isValue) {
        this.#tokens.fail(`non executable command in pipeline stage ${at + 1}`);
      }
    }
  }

  #command(): Command {
    const tokens = this.#tokens;
    const { at } = tokens.peekNonSpace();
    const operands: Operand[] = [];
    for (;;) {
      const operand = this.#operand();
      if (operand !== undefined) operands.push(operand);
      const token = tokens.next();
      if (token.kind === "space") continue;
      if (token.kind === "close" || token.kind === ")") tokens.back(1);
      else if (token.kind !== "|") tokens.unexpected(token, "operand");
      break;
    }
    if (operands.length === 0) tokens.fail("empty command");
    return { kind: "command", at, operands };
  }

  /** A term with the fields behind it; undefined where none begins. */
  #operand(): Operand | undefined {
    const tokens = this.#tokens;
    const term = this.#term();
    if (term === undefined || tokens.peek().kind !== "field") return term;
    const { at } = tokens.peek();
    const fields: string[] = [];
    while (tokens.peek().kind === "field") {
      fields.push(tokens.next().text.slice(1));
    }
    switch (term.kind) {
      case "field":
      case "variable":
        return { ...term, at, fields: [...term.fields, ...fields] };
      case "bool":
      case "string":
      case "number":
      case "nil":
      case "dot":
        return tokens.fail(`unexpected . after term ${quoted(sourceOf(term))}`);
      default:
        return { kind: "chain", at, operand: term, fields };
    }
  }

  #term(): Operand | undefined {
    const tokens = this.#tokens;
    const token = tokens.nextNonSpace();
    const { at, text } = token;
    switch (token.kind) {
      case "identifier":
        if (!this.#functions.has(text)) {
          tokens.fail(`function ${quoted(text)} not defined`);
        }
        return { kind: "identifier", at, name: text };
      case "dot":
      case "nil":
        return { kind: token.kind, at };
      case "variable":
        if (!this.variables.includes(text)) {
          tokens.fail(`undefined variable ${quoted(text)}`);
        }
        return { kind: "variable", at, name: text, fields: [] };
      case "field":
        return { kind: "field", at, fields: [text.slice(1)] };
      case "bool":
        return { kind: "bool", at, value: text === "true" };
      case "number":
        return this.literal(() => numberNode(text, at));
      case "character":
        return this.literal(() => characterNode(text, at));
      case "string": {
        const value = this.literal(() => unquote(text));
        return { kind: "string", at, source: text, value };
      }
      case "(":
        return this.read("parenthesized pipeline", ")");
      default:
        tokens.back(1);
        return undefined;
    }
  }

  literal<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof LiteralProblem)) throw error;
      return this.#tokens.fail(error.message);
    }
  }
}
