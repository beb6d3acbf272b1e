/** A machine's configuration in a temporary folder, and what is found in it. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createHosts, type HostsOptions } from "#src/hosts/index.js";
import type { HostConfig } from "#src/registry/endpoint.js";
import type { Cleanups } from "../helpers/run.js";

export interface Found {
  readonly places: readonly HostConfig[];
  readonly warnings: readonly string[];
}

export class ConfigTree {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @param files `etc/docker/daemon.json` and the like to their content */
  static async write(
    cleanups: Cleanups,
    files: Readonly<Record<string, string>> = {},
  ): Promise<ConfigTree> {
    const tree = new ConfigTree(await cleanups.tempDir());
    for (const [name, content] of Object.entries(files)) {
      const path = tree.at(name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
    }
    return tree;
  }

  at(name: string): string {
    return join(this.path, name);
  }

  /** The options that make this tree the whole machine. */
  options(more: HostsOptions = {}): HostsOptions {
    return {
      etc: this.at("etc"),
      home: this.at("home"),
      env: {},
      lookup: () => Promise.reject(new Error("no name is known here")),
      ...more,
    };
  }

  async find(registry: string, more: HostsOptions = {}): Promise<Found> {
    const warnings: string[] = [];
    const onWarning = ({ message }: { message: string }): void => {
      warnings.push(message);
    };
    const source = createHosts(this.options({ onWarning, ...more }));
    return { places: await source(registry), warnings };
  }

  /** The URLs in order. */
  async urls(registry: string, more: HostsOptions = {}): Promise<string[]> {
    const { places } = await this.find(registry, more);
    return places.map(({ url }) => url);
  }
}

/** A place as it is when nothing is said but its URL. */
export function plainPlace(
  url: string,
  origin: boolean,
  more: Partial<HostConfig> = {},
): HostConfig {
  return {
    url,
    origin,
    capabilities: ["pull", "resolve"],
    overridePath: false,
    headers: {},
    connection: { verify: true },
    plainHttpFallback: false,
    ...more,
  };
}
