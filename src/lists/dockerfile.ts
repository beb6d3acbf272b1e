/** The images that a Dockerfile builds on. */
import { type ImageList, invalidList } from "./listed.js";
import { expand, VariableMissingError } from "./variables.js";

interface Instruction {
  readonly line: number;
  readonly word: string;
  readonly rest: string;
}

/** Set by the builder; where they stand for a platform it is the one that is built for, or on. */
const BUILDER_PLATFORMS = /^\$\{?(BUILD|TARGET)PLATFORM\}?$/;

/**
 * Takes the images of `FROM`, of `COPY --from` and of `RUN --mount from=`, but
 * not stages of the file itself and `scratch`. Arguments have the values of
 * their `ARG` lines before the first `FROM`.
 * @throws TpullError `IMAGE_LIST_INVALID`, also for an argument without a value
 */
export function dockerfileImages(text: string): ImageList {
  const list: ImageList = { images: [], skipped: [] };
  const values: Record<string, string> = {};
  const stages = new Set<string>();
  let count = 0;
  const take = (reference: string, from: string, platform?: string): void => {
    if (stages.has(reference.toLowerCase()) || reference === "scratch") return;
    list.images.push({
      reference,
      ...(platform === undefined ? {} : { platform }),
      from,
    });
  };
  for (const { line, word, rest } of instructions(text)) {
    const from = `line ${line}`;
    if (word === "ARG" && count === 0) {
      for (const given of rest.match(/[^\s"'=]+(=("[^"]*"|'[^']*'|\S*))?/g) ??
        []) {
        const [, name = "", value] = /^([^=]+)(?:=(.*))?$/s.exec(given) ?? [];
        if (value === undefined) continue;
        values[name] = valueOf(
          value.replace(/^(["'])(.*)\1$/s, "$2"),
          values,
          from,
        );
      }
    } else if (word === "FROM") {
      count += 1;
      const words = rest.split(/\s+/);
      let platform: string | undefined;
      while (words[0]?.startsWith("--")) {
        const [, given] = /^--platform=(.*)$/s.exec(words.shift() ?? "") ?? [];
        if (given === undefined || BUILDER_PLATFORMS.test(given)) continue;
        platform = valueOf(given, values, from);
      }
      const [image = "", as, name] = words;
      if (image === "") throw invalidList(from, "FROM names no image");
      take(valueOf(image, values, from), from, platform);
      if (as?.toUpperCase() === "AS" && name) stages.add(name.toLowerCase());
    } else if (word === "COPY" || word === "ADD") {
      const image = /(?:^|\s)--from=(\S+)/.exec(rest)?.[1];
      if (image !== undefined && !/^\d+$/.test(image)) take(image, from);
    } else if (word === "RUN") {
      for (const [, mount = ""] of rest.matchAll(/(?:^|\s)--mount=(\S+)/g)) {
        const image = /(?:^|,)from=([^,]+)/.exec(mount)?.[1];
        if (image !== undefined && !/^\d+$/.test(image)) take(image, from);
      }
    }
  }
  if (count === 0)
    throw invalidList("line 1", "no FROM: this is no Dockerfile");
  return list;
}

/** An argument that nobody gives a value is what a build would be given by hand. */
function valueOf(
  text: string,
  values: Readonly<Record<string, string>>,
  from: string,
): string {
  try {
    const expanded = expand(text, values, false);
    if (expanded.unset.length === 0) return expanded.text;
    const names = expanded.unset.join(", ");
    throw invalidList(from, `${text} needs a value for ${names}`);
  } catch (error) {
    if (error instanceof VariableMissingError) {
      throw invalidList(from, error.message);
    }
    throw error;
  }
}

/** Whole instructions: continued lines are joined, comments and here-documents left out. */
function* instructions(text: string): Generator<Instruction> {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const escape = /^#\s*escape\s*=\s*`\s*$/im.test(directives(lines))
    ? "`"
    : "\\";
  let begun: { line: number; text: string } | undefined;
  let documents: string[] = [];
  for (const [at, line] of lines.entries()) {
    const [end] = documents;
    if (end !== undefined) {
      if (line.replace(/^\t+/, "") === end) documents = documents.slice(1);
      continue;
    }
    if (/^\s*#/.test(line) || (begun !== undefined && line.trim() === "")) {
      continue;
    }
    const trimmed = line.trimEnd();
    const continued = trimmed.endsWith(escape);
    const part = continued ? trimmed.slice(0, -1) : trimmed;
    begun = {
      line: begun?.line ?? at + 1,
      text: `${begun?.text ?? ""} ${part}`.trim(),
    };
    if (continued && at < lines.length - 1) continue;
    const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(begun.text) ?? [];
    const upper = word.toUpperCase();
    if (["RUN", "COPY", "ADD"].includes(upper)) {
      documents = [...rest.matchAll(/<<-?(["']?)([A-Za-z_]\w*)\1/g)].map(
        ([, , name = ""]) => name,
      );
    }
    if (word !== "") yield { line: begun.line, word: upper, rest: rest.trim() };
    begun = undefined;
  }
}

/** The comments at the very top, where directives of the parser stand. */
function directives(lines: readonly string[]): string {
  const end = lines.findIndex((line) => !/^\s*#/.test(line));
  return lines.slice(0, end === -1 ? lines.length : end).join("\n");
}
