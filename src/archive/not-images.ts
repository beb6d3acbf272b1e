/** What is given for an archive of images and is something else that people have at hand. */
import { TpullError } from "../../store/index.js";

const KINDS = {
  "data root": {
    is: "is a data root, and no archive of images",
    hint: "'tpull save --root DIR -o FILE IMAGE...' makes an archive of what is in it.",
  },
  container: {
    is: "holds the files of a container, and no image: it looks like a 'docker export'",
    hint: "'docker import' makes an image of such a one; 'docker save' or 'tpull save' writes archives of images.",
  },
} as const;

/** The error for something that is known to be no archive of images. */
export function notImages(kind: keyof typeof KINDS): TpullError {
  const { is, hint } = KINDS[kind];
  return new TpullError("ARCHIVE_INVALID", `the archive ${is}`, { hint });
}

/** One of these is in every archive of images. */
const LISTS = ["index.json", "manifest.json", "repositories"];
/** And of these, some in every Linux system. */
const FOLDERS = ["bin", "dev", "etc", "lib", "proc", "sys", "usr", "var"];
const ENOUGH_FOLDERS = 4;

/** Whether the names in the topmost folder are those of a system's files. */
export function looksLikeContainer(tops: ReadonlySet<string>): boolean {
  if (LISTS.some((name) => tops.has(name))) return false;
  const known = FOLDERS.filter((name) => tops.has(name));
  return known.length >= ENOUGH_FOLDERS || tops.has(".dockerenv");
}

/** Those of the names that {@link looksLikeContainer} knows. */
export function topmost(path: string): string | undefined {
  const [top = ""] = path.split("/", 1);
  const isKnown =
    top === ".dockerenv" || LISTS.includes(top) || FOLDERS.includes(top);
  return isKnown ? top : undefined;
}
