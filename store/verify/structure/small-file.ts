/** Small files whose content has one exact form. */
import { lstatSync, readdirSync, statSync } from "node:fs";
import { errnoOf, isAbsent } from "../../io-error.js";
import { readDocument } from "../../read.js";

/** What a small file says, and what is wrong with how it says it. */
export interface Exact {
  /** Without white space around it, which dockerd mostly forgives; undefined when there is nothing to go by. */
  readonly value: string | undefined;
  /** Undefined for a file that is exactly as it should be. */
  readonly problem: string | undefined;
}

/** Longer than anything of a fixed form. */
const SHOWN_BYTES = 80;

/**
 * The bytes of a file, or why there are none.
 * @throws the failed system call where permission is missing
 */
export function bytesOf(
  path: string,
): { readonly bytes: Buffer } | { readonly problem: string } {
  try {
    const bytes = readDocument(path);
    return bytes === undefined ? { problem: whyNoFile(path) } : { bytes };
  } catch (error) {
    return { problem: whyUnreadable(error) };
  }
}

/** @throws the failed system call */
function whyNoFile(path: string): string {
  const found = statSync(path);
  if (found.isDirectory()) return "it is a directory";
  if (!found.isFile()) return "it is no regular file";
  return `it is too large (${found.size} bytes)`;
}

/** For people: why there is nothing to read. @throws the error itself where permission is missing, or none of this is to blame */
export function whyUnreadable(error: unknown): string {
  const reason = errnoOf(error);
  if (reason === undefined || reason === "EACCES" || reason === "EPERM") {
    throw error;
  }
  if (isAbsent(error)) return "it is missing";
  if (reason === "EISDIR") return "it is a directory";
  return `it cannot be read (${reason})`;
}

/** Reads a file that has to match `form` from beginning to end. */
export function exactly(path: string, form: RegExp): Exact {
  const file = bytesOf(path);
  if ("problem" in file) return { value: undefined, problem: file.problem };
  const text = file.bytes.toString("latin1");
  if (form.test(text)) return { value: text, problem: undefined };
  const trimmed = text.trim();
  if (form.test(trimmed)) {
    return { value: trimmed, problem: "there is white space around its value" };
  }
  return { value: undefined, problem: `it holds ${shown(file.bytes)}` };
}

/** The beginning of a file's content, in quotes. */
export function shown(bytes: Buffer): string {
  if (bytes.length === 0) return "nothing";
  const beginning = bytes.toString("utf8", 0, SHOWN_BYTES);
  const text = JSON.stringify(beginning);
  return bytes.length > SHOWN_BYTES ? `${text} and more` : text;
}

/** The names in a directory, sorted; undefined where there is no such directory. @throws as {@link bytesOf} */
export function namesIn(path: string): string[] | undefined {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    whyUnreadable(error);
    return undefined;
  }
}

export type Type = "file" | "directory" | "link" | "other";

/** What is at a path; undefined where nothing is. */
export function typeOf(path: string): Type | undefined {
  try {
    const found = lstatSync(path);
    if (found.isFile()) return "file";
    if (found.isDirectory()) return "directory";
    return found.isSymbolicLink() ? "link" : "other";
  } catch (error) {
    whyUnreadable(error);
    return undefined;
  }
}

type Form = "digest" | "hex" | "cacheId" | "initId" | "decimal" | "linkId";

/** What small files hold. */
export const FORM: Readonly<Record<Form, RegExp>> = {
  digest: /^sha256:[0-9a-f]{64}$/,
  hex: /^[0-9a-f]{64}$/,
  /** dockerd makes 64 digits; its builder, which leaves layers where it made them, 25 letters and digits. */
  cacheId: /^[0-9a-z]{20,64}$/,
  initId: /^[0-9a-z]{20,64}-init$/,
  decimal: /^(?:0|[1-9]\d*)$/,
  linkId: /^[A-Z2-7]{26}$/,
};
