/**
 * Where to ask for a registry's images, from the configuration that containerd
 * and docker have on this machine and from the options of the caller.
 */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { isTpullError } from "../../store/errors.js";
import { checkRegistry } from "../../store/reference/host.js";
import type {
  ConnectionProfile,
  HostConfig,
  HostsSource,
} from "../registry/endpoint.js";
import { connect } from "./connect.js";
import { firstFile, NO_LISTS, readDaemonJson } from "./daemon-json.js";
import { ConfigFolders, type ConfigRoot } from "./folders.js";
import { HostList, systemLookup } from "./host-list.js";
import { mirrorPlace, parseMirror, type Mirror } from "./mirror-option.js";
import { HUB, HUB_API } from "./place-url.js";
import { fileReport, optionReport, type Warn } from "./report.js";
import {
  ALL_CAPABILITIES,
  type Certificates,
  type HostsOptions,
  type Place,
} from "./types.js";

export type { HostsOptions, HostsWarning, Lookup } from "./types.js";

/**
 * Makes the function that finds the places to ask for a registry, in order:
 * 1. `mirrors`;
 * 2. the hosts of the first `hosts.toml` in `hostsDirs`,
 *    `/etc/containerd/certs.d`, `/etc/docker/certs.d` and the user's
 *    `docker/certs.d`; in each the registry's own folder hides `_default`;
 * 3. where there is no such file, or it names one place only, and the registry
 *    is Docker Hub: `registry-mirrors` of dockerd's `daemon.json`;
 * 4. the registry itself, or what `hosts.toml` calls `server`.
 *
 * Certificates (`*.crt`, `*.cert` with `*.key`) are those in a folder of the
 * host contacted that has no `hosts.toml`, unless `hosts.toml` names others
 * for it. Nothing is read before the function is called; where none of the
 * folders exists a call is one `stat` for each.
 *
 * The function throws TpullError `HOSTS_CONFIG_INVALID` (what is configured
 * for this registry cannot be used), `OPTION_INVALID` (a directory of
 * `hostsDirs` is not there), `REFERENCE_INVALID` (that is no registry).
 * @throws TpullError `OPTION_INVALID`
 */
export function createHosts(options: HostsOptions = {}): HostsSource {
  const hosts = new Hosts(options);
  return (registry) => hosts.find(registry);
}

class Hosts {
  readonly #options: HostsOptions;
  readonly #warn: Warn;
  readonly #mirrors: readonly Mirror[];
  readonly #plain = new HostList();
  readonly #insecure = new HostList();
  readonly #folders: ConfigFolders;
  readonly #profiles = new Map<string, ConnectionProfile>();
  #daemon: Promise<readonly Place[]> | undefined;

  constructor(options: HostsOptions) {
    this.#options = options;
    const told = new Set<string>();
    const warn = (message: string): void => {
      if (told.has(message)) return;
      told.add(message);
      options.onWarning?.({ code: "HOSTS_CONFIG_DOUBTFUL", message });
    };
    this.#warn = warn;
    const mirrorReport = optionReport("mirror", warn);
    this.#mirrors = [...new Set(options.mirrors)].map((text) =>
      parseMirror(text, mirrorReport),
    );
    const insecureReport = optionReport("insecure registry", warn);
    for (const entry of options.insecureRegistries ?? [])
      this.#insecure.add(entry, { cidr: true }, insecureReport);
    const plainReport = optionReport("plain HTTP", warn);
    for (const entry of options.plainHttp ?? [])
      this.#plain.add(entry, { cidr: false }, plainReport);
    this.#folders = new ConfigFolders(this.#roots());
  }

  async find(registry: string): Promise<readonly HostConfig[]> {
    checkRegistry(registry);
    const [daemonMirrors, configured] = await Promise.all([
      (this.#daemon ??= this.#readDaemon()),
      this.#configured(registry),
    ]);
    const places = [
      ...this.#mirrors
        .filter((mirror) => mirror.registry === registry)
        .map(({ place }) => place),
      ...(registry === HUB && configured.length === 1 ? daemonMirrors : []),
      ...configured,
    ];
    const lookup = this.#options.lookup ?? systemLookup;
    return Promise.all(
      places.map((place) =>
        connect(place, registry, {
          isPlain: (host) => this.#plain.has(host, lookup),
          // Docker Hub has a certificate, whatever its addresses are.
          isInsecure: async (host) =>
            host !== HUB && (await this.#insecure.has(host, lookup)),
          certificates: (host) => this.#certificates(host, host === registry),
          shared: (profile) => this.#shared(profile),
        }),
      ),
    );
  }

  /** What `hosts.toml` says; the registry itself where there is none. */
  async #configured(registry: string): Promise<readonly Place[]> {
    const folders = await this.#folders.of(registry);
    const file = folders.find(({ hostsToml }) => hostsToml)?.hostsToml;
    if (file === undefined) {
      return [{ url: undefined, capabilities: ALL_CAPABILITIES, headers: {} }];
    }
    const { readHostsToml } = await import("./hosts-toml.js");
    return readHostsToml(file, registry, fileReport(file, this.#warn));
  }

  /** Of a host's own folder; a registry may have them in `_default`, too. */
  async #certificates(
    host: string,
    isRegistry: boolean,
  ): Promise<Certificates> {
    const names = host === HUB ? [HUB, HUB_API] : [host];
    const found = await Promise.all(
      names.map((name) => this.#folders.of(name)),
    );
    const folders = found.flat().filter(({ hostsToml }) => !hostsToml);
    if (folders.length === 0) return {};
    const { hasCertificates, loadFolder } = await import("./certificates.js");
    const filled = folders.filter(({ names }) => hasCertificates(names));
    const folder =
      filled.find(({ isDefault }) => !isDefault) ??
      (isRegistry ? filled[0] : undefined);
    if (folder === undefined) return {};
    const report = fileReport(folder.path, this.#warn);
    return loadFolder(folder.path, folder.names, report);
  }

  /** Mirrors of Docker Hub; insecure registries are added to the caller's. */
  async #readDaemon(): Promise<readonly Place[]> {
    const { daemonJson } = this.#options;
    if (daemonJson === false) return [];
    const file =
      daemonJson === undefined
        ? await firstFile([
            join(this.#userConfig(), "docker/daemon.json"),
            join(this.#etc(), "docker/daemon.json"),
          ])
        : resolve(daemonJson);
    if (file === undefined) return [];
    const report = fileReport(file, this.#warn);
    const lists = await readDaemonJson(file, report).catch((error: unknown) => {
      // It is another program's file: what is wrong in it must not stop this
      // one, unless it was asked for.
      if (daemonJson !== undefined) throw error;
      return this.#doubt(error, NO_LISTS);
    });
    const insecure = report.at("insecure-registries");
    for (const entry of lists.insecure) {
      try {
        this.#insecure.add(entry, { cidr: true }, insecure);
      } catch (error) {
        this.#doubt(error, undefined);
      }
    }
    const mirrors = report.at("registry-mirrors");
    return [...new Set(lists.mirrors)].flatMap((url) => {
      try {
        return [mirrorPlace(url, mirrors)];
      } catch (error) {
        return this.#doubt(error, []);
      }
    });
  }

  #doubt<T>(error: unknown, instead: T): T {
    if (!isTpullError(error)) throw error;
    this.#warn(`${error.message}; not used`);
    return instead;
  }

  #shared(profile: ConnectionProfile): ConnectionProfile {
    const key = JSON.stringify(profile);
    const known = this.#profiles.get(key);
    if (known !== undefined) return known;
    this.#profiles.set(key, profile);
    return profile;
  }

  #roots(): ConfigRoot[] {
    const given = (this.#options.hostsDirs ?? []).map((path) => ({
      path: resolve(path),
      required: true,
      report: optionReport("hosts directory", this.#warn),
    }));
    const usual = [
      join(this.#etc(), "containerd/certs.d"),
      join(this.#etc(), "docker/certs.d"),
      join(this.#userConfig(), "docker/certs.d"),
    ].map((path) => ({
      path,
      required: false,
      report: optionReport("configuration of registries", this.#warn),
    }));
    return [...given, ...usual];
  }

  #etc(): string {
    return this.#options.etc ?? "/etc";
  }

  /** `$XDG_CONFIG_HOME`, as its specification has it: absolute, else `~/.config`. */
  #userConfig(): string {
    const { env = process.env, home = homedir() } = this.#options;
    const chosen = env["XDG_CONFIG_HOME"];
    return chosen?.startsWith("/") ? chosen : join(home, ".config");
  }
}
