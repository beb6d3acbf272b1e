/** A data root drawn as a tree, for people who want to see how an image lies on disk. */
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";

/** Entries of one folder that are drawn; more are counted. */
const MOST_ENTRIES = 12;
/** Deep enough for any layer that is worth drawing. */
const MOST_DEPTH = 16;

/** Lines without a final newline but the last one. */
export async function treeText(root: string): Promise<string> {
  const lines = [root];
  await draw(root, "", 1, lines);
  return `${lines.join("\n")}\n`;
}

async function draw(
  folder: string,
  indent: string,
  depth: number,
  lines: string[],
): Promise<void> {
  const names = (await readdir(folder)).toSorted();
  const shown = names.slice(0, MOST_ENTRIES);
  const hidden = names.length - shown.length;
  for (const [index, name] of shown.entries()) {
    const last = index === shown.length - 1 && hidden === 0;
    const path = join(folder, name);
    const stats = await lstat(path);
    let text = shorten(name);
    if (stats.isSymbolicLink()) text += ` -> ${shorten(await readlink(path))}`;
    else if (stats.isCharacterDevice()) text += `  (c ${device(stats.rdev)})`;
    else if (stats.isFile()) text += `  ${stats.size}`;
    lines.push(`${indent}${last ? "└── " : "├── "}${text}`);
    if (stats.isDirectory() && depth < MOST_DEPTH) {
      await draw(path, `${indent}${last ? "    " : "│   "}`, depth + 1, lines);
    }
  }
  if (hidden > 0) lines.push(`${indent}└── … ${hidden} more`);
}

function shorten(name: string): string {
  return name.replaceAll(/[0-9a-f]{64}/g, (id) => `${id.slice(0, 12)}…`);
}

function device(rdev: number): string {
  return `${(rdev >>> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`;
}
