/** Lists of images as files, each in the form that it has. */
import { TpullError, isTpullError } from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";
import { CombinedImages } from "./combine.js";
import { dockerfileImages } from "./dockerfile.js";
import { textOf } from "./file-text.js";
import { type Form, FORMS, formOf } from "./form.js";
import type { ImageList } from "./listed.js";
import { lockedImages } from "./lock-list.js";
import { parseImageList } from "./text-list.js";
import { yamlImages } from "./yaml-list.js";

export interface ReadListsOptions {
  /** Of compose files: services with profiles are taken only if one of theirs is here; `*` is every one. What the variable `COMPOSE_PROFILES` says by default. */
  readonly profiles?: readonly string[];
  /** Of compose files: leaves out services that can be built as well as pulled. */
  readonly ignoreBuildable?: boolean;
  /** What compose files take variables from, before the `.env` beside them; the process's own by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Of Dockerfiles: the platforms that are built for, os/arch[/variant], or `all`; this machine's by default. */
  readonly platforms?: readonly string[];
  /** Of lock files: takes names and platforms and leaves the digests, as who writes a lock anew wants it. */
  readonly namesOnly?: boolean;
  /** What the file `-` is. */
  readonly stdin?: AsyncIterable<Uint8Array | string>;
  /** Ends it with `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** What is said of a list that names nothing at all. */
const EMPTY: Readonly<Record<Form, string>> = {
  text: "names no image: there are only comments",
  lock: "names no image: it was written for none",
  dockerfile: "names no image: it builds on nothing but scratch",
  yaml: "names no image: nothing in it has containers",
};

/**
 * Reads lists of images: text with one reference a line, lock files, compose
 * files, Kubernetes objects, Dockerfiles, told by their names and what is in
 * them. Each image comes once for each platform, in the order of the files; the
 * digest that a lock has for a name holds in all of them.
 * @param paths `-` is standard input
 * @throws TpullError `IMAGE_LIST_INVALID`, which names file and place, also
 *   for what is empty or of no known form; `LOCK_INVALID`, `PLATFORM_INVALID`,
 *   `ABORTED`;
 *   what {@link parseReference} throws for a wrong reference
 */
export async function readImageLists(
  paths: readonly string[],
  options: ReadListsOptions = {},
): Promise<ImageList> {
  const combined = new CombinedImages();
  const skipped: ImageList["skipped"] = [];
  for (const path of paths) {
    const shown = path === "-" ? "standard input" : printable(path);
    const at = (from: string | undefined): string =>
      from === undefined ? shown : `${shown}, ${from}`;
    const list = await inFile(shown, async () =>
      parse(path, await textOf(path, options), options),
    );
    for (const image of list.images) {
      const place = at(image.from);
      await inFile(place, async () => combined.add(image, place));
    }
    for (const { from, why } of list.skipped) {
      skipped.push({ from: from === "" ? shown : at(from), why });
    }
  }
  return { images: combined.all(), skipped };
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
  // Nobody means this: it is what a program leaves that failed before a pipe.
  if (content.trim() === "") {
    throw new TpullError("IMAGE_LIST_INVALID", "is empty", {
      hint: `It has to be ${FORMS}.`,
    });
  }
  const form = formOf(path, content);
  const list = await imagesOf(form, path, content, options);
  if (list.images.length + list.skipped.length > 0) return list;
  return { images: [], skipped: [{ from: "", why: EMPTY[form] }] };
}

async function imagesOf(
  form: Form,
  path: string,
  content: string,
  options: ReadListsOptions,
): Promise<ImageList> {
  switch (form) {
    case "lock":
      return {
        images: lockedImages(content, options.namesOnly),
        skipped: [],
      };
    case "dockerfile":
      return dockerfileImages(content, options.platforms);
    case "text":
      return { images: parseImageList(content), skipped: [] };
    case "yaml":
      return yamlImages(path, content, {
        ...options,
        env: options.env ?? process.env,
      });
  }
}
