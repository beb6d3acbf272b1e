/** The files that a compose file refers to: includes, bases of services, `.env`. */
import { statSync } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { TpullError, isTpullError } from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";
import { definedOf, parseEnvFile } from "./env-file.js";
import { textOf } from "./file-text.js";
import { isMapping, type Mapping } from "./mapping.js";
import { VariableMissingError } from "./variables.js";
import { yamlDocuments } from "./yaml-documents.js";

export type Variables = Readonly<Record<string, string>>;

/** Files that one list may draw in. Nobody has more, but files that include each other by twos may. */
const MOST_FILES = 200;
/** What compose fetches from elsewhere: `oci://…`, `https://….git`, `git@…`. */
const REMOTE = /^(?:[a-z][a-z0-9+.-]*:\/\/|git@|github\.com\/)/i;

export function isRemote(path: string): boolean {
  return REMOTE.test(path);
}

/** A compose file that was read, and the name that it has once links are followed. */
export interface ReadFile {
  readonly path: string;
  readonly document: Mapping;
}

export class ComposeFiles {
  readonly #read = new Map<string, Mapping>();
  readonly #signal: AbortSignal | undefined;
  #count = 0;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** @throws TpullError `IMAGE_LIST_INVALID` */
  async compose(path: string): Promise<ReadFile> {
    const real = await this.#open(path);
    const known = this.#read.get(real);
    if (known !== undefined) return { path: real, document: known };
    const documents = await inFile(path, async () =>
      yamlDocuments(await this.#text(real), this.#signal),
    );
    const document = documents.find((each) => isMapping(each));
    if (!isMapping(document)) {
      throw invalidFile(path, "this is no compose file");
    }
    this.#read.set(real, document);
    return { path: real, document };
  }

  /**
   * Variables of files, the later ones before the earlier ones.
   * @param outer what goes before all of them
   * @throws TpullError `IMAGE_LIST_INVALID`
   */
  async variables(
    paths: readonly string[],
    outer: Readonly<Record<string, string | undefined>>,
  ): Promise<Record<string, string>> {
    let values: Record<string, string> = {};
    for (const path of paths) {
      const real = await this.#open(path);
      const found = await inFile(path, async () =>
        parseEnvFile(await this.#text(real), {
          ...values,
          ...definedOf(outer),
        }),
      );
      values = { ...values, ...found };
    }
    return values;
  }

  /** Those of the `.env` in a directory, where there is one. */
  async besides(
    directory: string,
    outer: Readonly<Record<string, string | undefined>>,
  ): Promise<Record<string, string>> {
    const path = join(directory, ".env");
    const found = statSync(path, { throwIfNoEntry: false });
    // Virtual environments of Python have that name, too.
    if (found === undefined || found.isDirectory()) return {};
    return this.variables([path], outer);
  }

  #text(path: string): Promise<string> {
    return textOf(path, { signal: this.#signal });
  }

  /** A pipe would be waited for, and a device be read without end. */
  async #open(path: string): Promise<string> {
    this.#count += 1;
    if (this.#count > MOST_FILES) {
      throw new TpullError(
        "IMAGE_LIST_INVALID",
        `it draws in more than ${MOST_FILES} files`,
      );
    }
    try {
      const real = await realpath(path);
      if ((await stat(real)).isFile()) return real;
    } catch (error) {
      const { message } = error as Error;
      throw invalidFile(path, `cannot be read: ${message}`);
    }
    throw invalidFile(path, "is no file");
  }
}

async function inFile<Value>(
  path: string,
  work: () => Promise<Value>,
): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (isTpullError(error) && error.code === "ABORTED") throw error;
    if (isTpullError(error) || error instanceof VariableMissingError) {
      throw invalidFile(path, error.message);
    }
    throw error;
  }
}

function invalidFile(path: string, what: string): TpullError {
  return new TpullError("IMAGE_LIST_INVALID", `${printable(path)}: ${what}`);
}
