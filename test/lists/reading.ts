// Lists written into a folder that ends with the test, and what is read from them.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { readImageLists, type ReadListsOptions } from "#src/lists/index.js";

/** A folder with files of these names and contents. */
export function written(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "tpull-lists-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/**
 * What the readers make of files of these names and contents.
 * @param names those that are read: all but `.env` by default
 */
export async function read(
  files: Record<string, string>,
  options: ReadListsOptions = { env: {} },
  names: string[] = Object.keys(files).filter((name) => name !== ".env"),
) {
  const folder = written(files);
  const paths = names.map((name) => join(folder, name));
  const { images, skipped } = await readImageLists(paths, options);
  const short = (text = ""): string => text.replaceAll(`${folder}/`, "");
  return {
    images: images.map(({ reference, platform, digest }) =>
      [reference, platform, digest]
        .filter((each) => each !== undefined)
        .join(" "),
    ),
    from: images.map(({ from }) => short(from)),
    skipped: skipped.map(({ from, why }) => `${short(from)}: ${why}`),
  };
}
