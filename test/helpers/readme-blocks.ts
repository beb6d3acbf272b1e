/** Configuration as the README shows it, so that tests run what users copy. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface ReadmeBlock {
  readonly language: string;
  /** What stands in front of the path, if something does: `Spegel`. */
  readonly title: string;
  /** Where the file goes, as its first line says. */
  readonly path: string;
  readonly text: string;
}

const README = join(import.meta.dirname, "../../README.md");

/** Every code block whose first line is a comment with a path. */
export function readmeBlocks(): ReadmeBlock[] {
  const blocks = readFileSync(README, "utf8").matchAll(
    /^```(\w+)\n(# (?:([^:\n]*): )?(\/\S+)\n.*?)^```$/gms,
  );
  return [...blocks].map(
    ([, language = "", text = "", title = "", path = ""]) => ({
      language,
      title,
      path,
      text,
    }),
  );
}

/** The block for a file. */
export function readmeFile(path: string): string {
  const found = readmeBlocks().filter((block) => block.path === path);
  if (found.length === 1) return found[0]!.text;
  throw new Error(`the README has ${found.length} blocks for ${path}`);
}

/** Replaces text that has to be there. */
export function replaceIn(
  text: string,
  changes: Readonly<Record<string, string>>,
): string {
  let changed = text;
  for (const [from, to] of Object.entries(changes)) {
    if (!changed.includes(from)) throw new Error(`no ${from} in:\n${text}`);
    changed = changed.replaceAll(from, to);
  }
  return changed;
}
