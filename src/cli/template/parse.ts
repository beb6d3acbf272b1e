/** Reads a template into a tree, with Go's grammar and Go's complaints. */
import { unquote } from "./literals.js";
import type { Branch, Node } from "./nodes.js";
import { PipelineParser } from "./pipeline-parser.js";
import { quoted } from "./quote.js";
import { isKeyword, TokenStream } from "./token-stream.js";
import type { Token } from "./tokens.js";
import type { TokenKind } from "./words.js";

/** The templates of a text by name; the text's own one has the empty name. */
export type TemplateSet = ReadonlyMap<string, readonly Node[]>;

/**
 * @param functions the names that may be called
 * @throws TpullError `FORMAT_INVALID`
 */
export function parseTemplates(
  source: string,
  functions: ReadonlySet<string>,
): TemplateSet {
  const templates = new Map<string, readonly Node[]>();
  const stream = new TokenStream(source);
  new Parser(stream, functions, templates).top();
  return templates;
}

/** What ends a list of nodes. */
type ListEnd = "{{end}}" | "{{else}}";

interface NodeList {
  readonly nodes: readonly Node[];
  readonly end: ListEnd;
}

/** Reads one template; definitions inside it have parsers of their own. */
class Parser {
  readonly #tokens: TokenStream;
  readonly #functions: ReadonlySet<string>;
  readonly #templates: Map<string, readonly Node[]>;
  readonly #pipelines: PipelineParser;
  #ranges = 0;

  constructor(
    tokens: TokenStream,
    functions: ReadonlySet<string>,
    templates: Map<string, readonly Node[]>,
  ) {
    this.#tokens = tokens;
    this.#functions = functions;
    this.#templates = templates;
    this.#pipelines = new PipelineParser(tokens, functions);
  }

  /** The whole text. */
  top(): void {
    const tokens = this.#tokens;
    const nodes: Node[] = [];
    while (tokens.peek().kind !== "end of text") {
      if (this.#definition()) continue;
      const node = this.#textOrAction();
      if (typeof node === "string") return tokens.fail(`unexpected ${node}`);
      nodes.push(node);
    }
    this.#add("", nodes);
  }

  /** `{{define "name"}}…{{end}}`, if that comes next. */
  #definition(): boolean {
    const tokens = this.#tokens;
    if (tokens.peek().kind !== "open") return false;
    tokens.next();
    const spaces = tokens.peek().kind === "space" ? 1 : 0;
    const word = tokens.nextNonSpace();
    if (!isKeyword(word, "define")) {
      tokens.back(2 + spaces);
      return false;
    }
    const context = "define clause";
    const name = this.#templateName(tokens.nextNonSpace(), context);
    this.#expect("close", context);
    this.#define(name, context);
    return true;
  }

  /** The body of a definition, which sees no variables of what is around it. */
  #define(name: string, context: string): void {
    const inner = new Parser(this.#tokens, this.#functions, this.#templates);
    const { nodes, end } = inner.#list();
    if (end !== "{{end}}") {
      this.#tokens.fail(`unexpected ${end} in ${context}`);
    }
    this.#add(name, nodes);
  }

  /** A template without content gives way to one that has some. */
  #add(name: string, nodes: readonly Node[]): void {
    const known = this.#templates.get(name);
    if (known === undefined || isBlank(known)) {
      this.#templates.set(name, nodes);
    } else if (!isBlank(nodes)) {
      this.#tokens.fail(
        `template: multiple definition of template ${quoted(name)}`,
      );
    }
  }

  #list(): NodeList {
    const nodes: Node[] = [];
    while (this.#tokens.peekNonSpace().kind !== "end of text") {
      const node = this.#textOrAction();
      if (typeof node === "string") return { nodes, end: node };
      nodes.push(node);
    }
    return this.#tokens.fail("unexpected EOF");
  }

  #textOrAction(): Node | ListEnd {
    const tokens = this.#tokens;
    const token = tokens.nextNonSpace();
    if (token.kind === "text") {
      return { kind: "text", at: token.at, text: token.text };
    }
    if (token.kind !== "open") return tokens.unexpected(token, "input");
    tokens.actionLine = token.line;
    const node = this.#action();
    tokens.actionLine = 0;
    return node;
  }

  #action(): Node | ListEnd {
    const tokens = this.#tokens;
    const token = tokens.peekNonSpace();
    if (token.kind === "keyword") tokens.next();
    switch (token.kind === "keyword" ? token.text : undefined) {
      case "if":
        return this.#control("if");
      case "with":
        return this.#control("with");
      case "range":
        return this.#control("range");
      case "block":
        return this.#block();
      case "template":
        return this.#template();
      case "break":
        return this.#jump("break", token.at);
      case "continue":
        return this.#jump("continue", token.at);
      case "else": {
        const next = tokens.peekNonSpace();
        // Left for the branch that this else belongs to.
        if (!isKeyword(next, "if") && !isKeyword(next, "with")) {
          this.#expect("close", "else");
        }
        return "{{else}}";
      }
      case "end":
        this.#expect("close", "end");
        return "{{end}}";
      case undefined: {
        const pipeline = this.#pipelines.read("command", "close");
        return { kind: "action", at: token.at, pipeline };
      }
      default:
        // Of the keywords only `define` is left, which has no place here.
        return tokens.unexpected(token, "command");
    }
  }

  #control(kind: "if" | "with" | "range"): Branch {
    return this.#tokens.nested(() => {
      const outside = this.#pipelines.variables.length;
      const pipeline = this.#pipelines.read(kind, "close");
      if (kind === "range") this.#ranges += 1;
      const { nodes: body, end } = this.#list();
      if (kind === "range") this.#ranges -= 1;
      const otherwise = end === "{{else}}" ? this.#otherwise(kind) : undefined;
      this.#pipelines.variables = this.#pipelines.variables.slice(0, outside);
      return { kind, at: pipeline.at, pipeline, body, otherwise };
    });
  }

  /** What follows `{{else}}`: a list, or for `{{else if}}` a branch that shares the `{{end}}`. */
  #otherwise(kind: "if" | "with" | "range"): readonly Node[] {
    const next = this.#tokens.peek();
    if (kind !== "range" && isKeyword(next, kind)) {
      this.#tokens.next();
      return [this.#control(kind)];
    }
    const { nodes, end } = this.#list();
    if (end !== "{{end}}") this.#tokens.fail(`expected end; found ${end}`);
    return nodes;
  }

  #block(): Node {
    const context = "block clause";
    const token = this.#tokens.nextNonSpace();
    const name = this.#templateName(token, context);
    const pipeline = this.#pipelines.read(context, "close");
    this.#tokens.nested(() => this.#define(name, context));
    return { kind: "template", at: token.at, name, pipeline };
  }

  #template(): Node {
    const context = "template clause";
    const token = this.#tokens.nextNonSpace();
    const name = this.#templateName(token, context);
    if (this.#tokens.peekNonSpace().kind === "close") {
      this.#tokens.next();
      return { kind: "template", at: token.at, name, pipeline: undefined };
    }
    const pipeline = this.#pipelines.read(context, "close");
    return { kind: "template", at: token.at, name, pipeline };
  }

  #templateName(token: Token, context: string): string {
    if (token.kind !== "string") this.#tokens.unexpected(token, context);
    return this.#pipelines.literal(() => unquote(token.text));
  }

  #jump(kind: "break" | "continue", at: number): Node {
    const token = this.#tokens.nextNonSpace();
    if (token.kind !== "close") this.#tokens.unexpected(token, `{{${kind}}}`);
    if (this.#ranges === 0) {
      this.#tokens.fail(`{{${kind}}} outside {{range}}`);
    }
    return { kind, at };
  }

  #expect(kind: TokenKind, context: string): void {
    const token = this.#tokens.nextNonSpace();
    if (token.kind !== kind) this.#tokens.unexpected(token, context);
  }
}

function isBlank(nodes: readonly Node[]): boolean {
  return nodes.every((node) => node.kind === "text" && /^\s*$/.test(node.text));
}
