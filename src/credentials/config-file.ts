/**
 * Changing docker's config.json: one writer at a time, by one rename, with
 * everything that is not a credential left as it is.
 */
import { randomBytes } from "node:crypto";
import {
  chown,
  lstat,
  mkdir,
  open,
  readlink,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isTpullError, TpullError } from "../../store/errors.js";
import { readIfThere } from "./files.js";
import { parseAuthFile, type AuthFile } from "./auth-file.js";

const MODE = 0o600;
const FOLDER_MODE = 0o700;
/** As many as Linux follows. */
const MAX_LINKS = 40;
/** What docker indents with. */
const DEFAULT_INDENT = "\t";

/** The file while nobody else changes it. */
export interface ConfigEdit {
  readonly file: AuthFile;
  /** Sets an entry of `auths`, or takes it away. */
  setAuth(key: string, entry: object | undefined): void;
}

/**
 * Reads the file (an absent one is empty), lets `edit` change it, and writes
 * it if it did. Two tpulls wait for each other. A link stays one: what it
 * leads to is replaced.
 * @throws TpullError `CREDENTIALS_FILE_INVALID`, `CREDENTIALS_FILE_UNREADABLE`,
 *   `CREDENTIALS_FILE_UNWRITABLE`, and what `edit` throws
 */
export async function editConfig<T>(
  path: string,
  signal: AbortSignal | undefined,
  edit: (edit: ConfigEdit) => Promise<T>,
): Promise<T> {
  const target = await writing(path, () => followLinks(path));
  await writing(path, () =>
    mkdir(dirname(target), { recursive: true, mode: FOLDER_MODE }),
  );
  using _lock = await writing(path, () => lockFolder(dirname(target), signal));
  const text = (await readIfThere(target)) ?? "";
  const file = parseAuthFile(text, path);
  const value: Record<string, unknown> = JSON.parse(text || "{}");
  let changed = false;
  const result = await edit({
    file,
    setAuth: (key, entry) => {
      const auths = { ...(value["auths"] as object | undefined) };
      const next = new Map<string, unknown>(Object.entries(auths));
      if (entry === undefined) next.delete(key);
      else next.set(key, entry);
      value["auths"] = Object.fromEntries(next);
      changed = true;
    },
  });
  if (changed) {
    const shown = JSON.stringify(value, undefined, indentOf(text));
    const end = text.endsWith("\n") ? "\n" : "";
    await writing(path, () => replace(target, shown + end));
  }
  return result;
}

function indentOf(text: string): string {
  return /^\{\s*?\n([ \t]+)"/.exec(text)?.[1] ?? DEFAULT_INDENT;
}

/** Where a path leads, though nothing may be there yet. */
async function followLinks(path: string): Promise<string> {
  let target = resolve(path);
  for (let links = 0; links < MAX_LINKS; links++) {
    const found = await lstat(target).catch(() => undefined);
    if (found?.isSymbolicLink() !== true) return target;
    target = resolve(dirname(target), await readlink(target));
  }
  throw Object.assign(new Error("too many links"), { code: "ELOOP" });
}

/**
 * The lock is the kernel's, on the folder: it leaves nothing behind, however
 * the process ends. Where the system has none two logins at the same moment
 * are on their own.
 */
async function lockFolder(
  folder: string,
  signal: AbortSignal | undefined,
): Promise<Disposable> {
  const { lockSection } = await import("../../store/lock.js");
  try {
    const lock = await lockSection(folder, signal);
    return { [Symbol.dispose]: () => lock.close() };
  } catch (error) {
    if (isTpullError(error) && error.code === "PLATFORM_UNSUPPORTED") {
      return { [Symbol.dispose]: () => undefined };
    }
    throw error;
  }
}

/** Old or new content, never a part: written beside, flushed, renamed, and the folder flushed. */
async function replace(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  const suffix = randomBytes(6).toString("hex");
  const temporary = join(folder, `.${basename(path)}-${suffix}`);
  try {
    const file = await open(temporary, "wx", MODE);
    try {
      await file.writeFile(text);
      await file.chmod(MODE);
      await file.sync();
    } finally {
      await file.close();
    }
    await keepOwner(path, temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const opened = await open(folder, "r");
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}

/** Root that logs in for somebody does not take the file from them. */
async function keepOwner(path: string, temporary: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const before = await stat(path).catch(() => stat(dirname(path)));
  await chown(temporary, before.uid, before.gid);
}

async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isTpullError(error)) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new TpullError(
      "CREDENTIALS_FILE_UNWRITABLE",
      `${path} cannot be written: ${code}`,
      {
        hint: "Check who may write there, or let DOCKER_CONFIG name another folder.",
        cause: error,
      },
    );
  }
}
