/** Lists of images as files, each in the form that it has. */
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TpullError, isTpullError } from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";
import { parseReference } from "../../store/reference/reference.js";
import { composeImages } from "./compose.js";
import { dockerfileImages } from "./dockerfile.js";
import { parseEnvFile } from "./env-file.js";
import { textOf } from "./file-text.js";
import { kubernetesImages } from "./kubernetes.js";
import type { ImageList } from "./listed.js";
import { isMapping } from "./mapping.js";
import { parseImageList } from "./text-list.js";

export interface ReadListsOptions {
  /** Of compose files: services with profiles are taken only if one of theirs is here; `*` is every one. */
  readonly profiles?: readonly string[];
  /** What compose files take variables from, before the `.env` beside them; the process's own by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What the file `-` is. */
  readonly stdin?: AsyncIterable<Uint8Array | string>;
}

/** Values that aliases in YAML may be written out to: more is a bomb. */
const MOST_ALIASES = 1000;

/**
 * Reads lists of images: text with one reference a line, compose files,
 * Kubernetes objects, Dockerfiles, told by their names and what is in them.
 * Each image comes once for each platform, in the order of the files.
 * @param paths `-` is standard input
 * @throws TpullError `IMAGE_LIST_INVALID`, which names file and place;
 *   what {@link parseReference} throws for a wrong reference
 */
export async function readImageLists(
  paths: readonly string[],
  options: ReadListsOptions = {},
): Promise<ImageList> {
  const all: ImageList = { images: [], skipped: [] };
  const seen = new Set<string>();
  for (const path of paths) {
    const shown = path === "-" ? "standard input" : printable(path);
    const { images, skipped } = await inFile(shown, async () =>
      parse(path, await textOf(path, options.stdin), options),
    );
    const at = (from: string | undefined): string =>
      from === undefined ? shown : `${shown}, ${from}`;
    for (const { from, ...image } of images) {
      await inFile(at(from), async () => parseReference(image.reference));
      const key = JSON.stringify([image.reference, image.platform]);
      if (seen.has(key)) continue;
      seen.add(key);
      all.images.push({ ...image, from: at(from) });
    }
    for (const { from, why } of skipped) {
      all.skipped.push({ from: at(from), why });
    }
  }
  return all;
}

/** Has what goes wrong name the file. */
async function inFile<Value>(
  shown: string,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!isTpullError(error)) throw error;
    const { code, message, hint, details } = error;
    throw new TpullError(code, `${shown}: ${message}`, {
      ...(hint === undefined ? {} : { hint }),
      ...(details === undefined ? {} : { details }),
    });
  }
}

async function parse(
  path: string,
  content: string,
  options: ReadListsOptions,
): Promise<ImageList> {
  switch (formOf(path, content)) {
    case "dockerfile":
      return dockerfileImages(content);
    case "text":
      return { images: parseImageList(content), skipped: [] };
    case "yaml":
      return yamlImages(path, content, options);
  }
}

function formOf(path: string, content: string): "text" | "dockerfile" | "yaml" {
  const name = basename(path);
  if (/^(docker|container)file(\.|$)|\.(docker|container)file$/i.test(name)) {
    return "dockerfile";
  }
  if (/\.(ya?ml|json)$/i.test(name)) return "yaml";
  if (/\.(txt|list)$/i.test(name)) return "text";
  const lines = content.split(/\r?\n/).map((line) => line.trim());
  const first =
    lines.find((line) => line !== "" && !line.startsWith("#")) ?? "";
  if (/^(FROM|ARG)\s/i.test(first)) return "dockerfile";
  const isYaml = /^(---|\{|[\w.-]+:(\s|$))/.test(first);
  return isYaml ? "yaml" : "text";
}

async function yamlImages(
  path: string,
  content: string,
  { profiles = [], env = process.env }: ReadListsOptions,
): Promise<ImageList> {
  const list: ImageList = { images: [], skipped: [] };
  for (const document of await yamlDocuments(content)) {
    const isCompose =
      isMapping(document) &&
      document["apiVersion"] === undefined &&
      document["services"] !== undefined;
    const found = isCompose
      ? composeImages(document, {
          profiles,
          variables: { ...(await envBeside(path)), ...env },
        })
      : kubernetesImages(document);
    list.images.push(...found.images);
    list.skipped.push(...found.skipped);
  }
  return list;
}

async function yamlDocuments(content: string): Promise<unknown[]> {
  const { parseAllDocuments } = await import("yaml");
  const parsed = parseAllDocuments(content, {
    merge: true,
    logLevel: "silent",
  });
  return [...parsed].map((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      const [line = ""] = error.message.split("\n");
      throw new TpullError("IMAGE_LIST_INVALID", `this is no YAML: ${line}`);
    }
    try {
      return document.toJS({ maxAliasCount: MOST_ALIASES }) as unknown;
    } catch (error) {
      const { message } = error as Error;
      throw new TpullError(
        "IMAGE_LIST_INVALID",
        `this YAML cannot be read: ${message}`,
      );
    }
  });
}

/** The `.env` that compose reads, too. */
async function envBeside(path: string): Promise<Record<string, string>> {
  if (path === "-") return {};
  try {
    return parseEnvFile(await readFile(join(dirname(path), ".env"), "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new TpullError(
      "IMAGE_LIST_INVALID",
      `the .env beside it cannot be read: ${(error as Error).message}`,
    );
  }
}
