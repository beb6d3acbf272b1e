/**
 * Folders in which registries are configured, one for each registry, as
 * containerd and docker lay them out: `/etc/containerd/certs.d/host_5000_`.
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { printable } from "../../store/reference/printable.js";
import { errorCode, type Report } from "./report.js";

const DEFAULT_NAME = "_default";
const HOSTS_TOML = "hosts.toml";

export interface ConfigRoot {
  readonly path: string;
  /** Somebody has named it, so that it has to be there. */
  readonly required: boolean;
  readonly report: Report;
}

export interface ConfigFolder {
  readonly path: string;
  /** For all registries without a folder of their own. */
  readonly isDefault: boolean;
  /** Path of its `hosts.toml`; an empty one is none. */
  readonly hostsToml: string | undefined;
  /** What else is in it. */
  readonly names: readonly string[];
}

export class ConfigFolders {
  readonly #roots: readonly ConfigRoot[];
  readonly #existing: Map<ConfigRoot, Promise<boolean>> = new Map();
  readonly #found: Map<string, Promise<ConfigFolder[]>> = new Map();

  constructor(roots: readonly ConfigRoot[]) {
    this.#roots = roots;
  }

  /**
   * At most one folder from each root, in their order: the first of
   * `host_port_`, `host:port` (or `host`, without a port) and `_default` that
   * is there.
   * @param host as references name it
   * @throws TpullError where a root that has to be there cannot be read
   */
  of(host: string): Promise<ConfigFolder[]> {
    let found = this.#found.get(host);
    if (found === undefined) {
      found = this.#find(host);
      this.#found.set(host, found);
    }
    return found;
  }

  async #find(host: string): Promise<ConfigFolder[]> {
    const folders = await Promise.all(
      this.#roots.map((root) => this.#findIn(root, host)),
    );
    return folders.filter((folder) => folder !== undefined);
  }

  async #findIn(
    root: ConfigRoot,
    host: string,
  ): Promise<ConfigFolder | undefined> {
    let exists = this.#existing.get(root);
    if (exists === undefined) {
      exists = isFolder(root);
      this.#existing.set(root, exists);
    }
    if (!(await exists)) return undefined;
    for (const name of folderNames(host)) {
      const folder = await readFolder(root, name);
      if (folder !== undefined) return folder;
    }
    return undefined;
  }
}

/** Names of a host's folder, in the order in which they are tried. */
export function folderNames(host: string): string[] {
  const [, name, port] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(host) ?? [];
  return port === undefined
    ? [host, DEFAULT_NAME]
    : [`${name}_${port}_`, host, DEFAULT_NAME];
}

async function isFolder(root: ConfigRoot): Promise<boolean> {
  const { path, required, report } = root;
  let code = "ENOTDIR";
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    code = errorCode(error);
  }
  if (required) {
    throw report.fail(`${printable(path)} is not a directory (${code})`);
  }
  return false;
}

async function readFolder(
  root: ConfigRoot,
  name: string,
): Promise<ConfigFolder | undefined> {
  const path = join(root.path, name);
  try {
    const names = await readdir(path);
    const file = join(path, HOSTS_TOML);
    const written = names.includes(HOSTS_TOML) && (await stat(file)).size > 0;
    return {
      path,
      isDefault: name === DEFAULT_NAME,
      hostsToml: written ? file : undefined,
      names: names.filter((other) => other !== HOSTS_TOML),
    };
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    const problem = `${printable(path)} cannot be read (${code})`;
    if (root.required) throw root.report.fail(problem, undefined, error);
    root.report.warn(`${problem}; not used`);
    return undefined;
  }
}
