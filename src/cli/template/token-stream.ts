/** The tokens as the grammar reads them, and how it complains about one. */
import { DEEPEST, formatError } from "./problem.js";
import { quoted } from "./quote.js";
import { tokensOf, type Token } from "./tokens.js";

/** The tokens with as much looking ahead and going back as the grammar wants. */
export class TokenStream {
  readonly #source: Iterator<Token, void>;
  readonly #tokens: Token[] = [];
  #next = 0;
  /** Line of the action that is being read; 0 outside. */
  actionLine = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = tokensOf(source);
  }

  peek(): Token {
    const token = this.#tokens[this.#next];
    if (token !== undefined) return token;
    const read = this.#source.next().value;
    // Nothing follows the end of the text, however often it is asked for.
    const last = read ?? this.#tokens.at(-1);
    if (last === undefined) throw new Error("a template without tokens");
    this.#tokens.push(last);
    return last;
  }

  next(): Token {
    const token = this.peek();
    this.#next += 1;
    return token;
  }

  back(tokens: number): void {
    this.#next -= tokens;
  }

  skipSpace(): void {
    while (this.peek().kind === "space") this.#next += 1;
  }

  peekNonSpace(): Token {
    this.skipSpace();
    return this.peek();
  }

  nextNonSpace(): Token {
    this.skipSpace();
    return this.next();
  }

  /** The line of the last token that was looked at. */
  line(): number {
    return this.#tokens.at(-1)?.line ?? 1;
  }

  fail(message: string): never {
    throw formatError(`template: :${this.line()}: ${message}`, {
      unreadable: true,
    });
  }

  unexpected(token: Token, context: string): never {
    if (token.kind !== "error") {
      this.fail(`unexpected ${shown(token)} in ${context}`);
    }
    const started = this.actionLine;
    if (started === 0 || started === token.line) this.fail(token.text);
    const action = token.text.endsWith(" action") ? "" : " in action";
    this.fail(`${token.text}${action} started at :${started}`);
  }

  /** Keeps what recursion there is within what the stack can bear. */
  nested<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > DEEPEST) this.fail("nested too deep");
    const result = read();
    this.#depth -= 1;
    return result;
  }
}

export function isKeyword(token: Token, word: string): boolean {
  return token.kind === "keyword" && token.text === word;
}

/** A token in a complaint. */
function shown({ kind, text }: Token): string {
  if (kind === "end of text") return "EOF";
  if (kind === "keyword" || kind === "dot" || kind === "nil") {
    return `<${text}>`;
  }
  return Buffer.byteLength(text) > 10
    ? `${quoted([...text].slice(0, 10).join(""))}...`
    : quoted(text);
}
