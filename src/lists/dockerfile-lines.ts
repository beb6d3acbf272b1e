/** A Dockerfile as text: its directives and whole instructions, as BuildKit's parser takes them apart. */

export interface Instruction {
  readonly line: number;
  /** In capitals. */
  readonly word: string;
  readonly rest: string;
}

export interface Directive {
  readonly line: number;
  readonly value: string;
}

/** The directives that BuildKit knows; any other line ends them. */
const DIRECTIVE = /^#\s*(syntax|escape|check)\s*=\s*(\S.*)$/i;

/** The directives at the top: `# syntax=docker/dockerfile:1`. A line with `#!` may stand above them. */
export function directives(text: string): Map<string, Directive> {
  const found = new Map<string, Directive>();
  for (const [at, line] of linesOf(text).entries()) {
    if (at === 0 && line.startsWith("#!")) continue;
    const [, name = "", value = ""] = DIRECTIVE.exec(line) ?? [];
    if (name === "") break;
    if (!found.has(name.toLowerCase())) {
      found.set(name.toLowerCase(), { line: at + 1, value: value.trimEnd() });
    }
  }
  return found;
}

/** Whole instructions: continued lines are joined, comments and here-documents left out. */
export function* instructions(text: string): Generator<Instruction> {
  const lines = linesOf(text);
  const escape = directives(text).get("escape")?.value === "`" ? "`" : "\\";
  let begun: { readonly line: number; readonly parts: string[] } | undefined;
  /** Ends of the here-documents that are open, the next one last. */
  let documents: string[] = [];
  for (const [at, line] of lines.entries()) {
    const end = documents.at(-1);
    if (end !== undefined) {
      if (line.replace(/^\t+/, "") === end) documents.pop();
      continue;
    }
    if (/^\s*#/.test(line) || (begun !== undefined && line.trim() === "")) {
      continue;
    }
    const trimmed = line.trimEnd();
    const continued = trimmed.endsWith(escape);
    const part = continued ? trimmed.slice(0, -1) : trimmed;
    begun ??= { line: at + 1, parts: [] };
    if (part.trim() !== "") begun.parts.push(part.trimEnd());
    if (continued && at < lines.length - 1) continue;
    const text = begun.parts.join(" ").trim();
    const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(text) ?? [];
    const upper = word.toUpperCase();
    if (["RUN", "COPY", "ADD"].includes(upper)) {
      documents = [...rest.matchAll(/<<-?(["']?)([A-Za-z_]\w*)\1/g)]
        .map(([, , name = ""]) => name)
        .toReversed();
    }
    if (word !== "") yield { line: begun.line, word: upper, rest: rest.trim() };
    begun = undefined;
  }
}

function linesOf(text: string): string[] {
  return text.replace(/^\uFEFF/, "").split(/\r?\n/);
}
