/**
 * Lists of hosts as docker's `insecure-registries` has them: `HOST[:PORT]`, or
 * a CIDR block that holds one of the host's addresses.
 */
import { BlockList, isIP, isIPv6 } from "node:net";
import { isTpullError } from "../../store/errors.js";
import { quoted } from "../../store/reference/printable.js";
import { checkRegistry } from "../../store/reference/host.js";
import type { Report } from "./report.js";
import type { Lookup } from "./types.js";

export interface HostListRules {
  readonly cidr: boolean;
}

export class HostList {
  readonly #hosts: Set<string> = new Set();
  #blocks: BlockList | undefined;

  /** @throws TpullError as the report has it */
  add(entry: string, rules: HostListRules, report: Report): void {
    const text = withoutScheme(entry.trim(), report);
    const [, address = "", bits = ""] = /^(.*)\/(\d{1,3})$/.exec(text) ?? [];
    const family = isIP(address);
    if (
      rules.cidr &&
      family !== 0 &&
      Number(bits) <= (family === 4 ? 32 : 128)
    ) {
      this.#blocks ??= new BlockList();
      this.#blocks.addSubnet(
        address,
        Number(bits),
        family === 4 ? "ipv4" : "ipv6",
      );
      return;
    }
    const host = isIPv6(text) ? `[${text}]` : text;
    try {
      checkRegistry(host);
    } catch (error) {
      if (!isTpullError(error)) throw error;
      throw report.fail(
        `${quoted(text)} is not HOST[:PORT]${rules.cidr ? " or a CIDR block" : ""}`,
        rules.cidr
          ? "Write it like registry.example:5000 or 10.0.0.0/8."
          : "Write it like registry.example:5000.",
      );
    }
    this.#hosts.add(canonical(host));
  }

  /**
   * Whether the list has the host. Names are resolved only if there are
   * blocks; one that has no address is in none.
   * @param host with its port
   */
  async has(host: string, lookup: Lookup): Promise<boolean> {
    if (this.#hosts.has(canonical(host))) return true;
    const blocks = this.#blocks;
    if (blocks === undefined) return false;
    const name = new URL(`https://${host}`).hostname.replace(/^\[|\]$/g, "");
    const addresses =
      isIP(name) !== 0 ? [name] : await lookup(name).catch(() => []);
    return addresses.some((address) =>
      blocks.check(address, isIPv6(address) ? "ipv6" : "ipv4"),
    );
  }
}

/** The system's resolver. */
export const systemLookup: Lookup = async (hostname) => {
  const { lookup } = await import("node:dns/promises");
  const found = await lookup(hostname, { all: true });
  return found.map(({ address }) => address);
};

/** Lower case, and without the port of HTTPS. */
function canonical(host: string): string {
  return new URL(`https://${host}`).host;
}

function withoutScheme(entry: string, report: Report): string {
  const [scheme = ""] = /^https?:\/\//i.exec(entry) ?? [];
  if (scheme !== "") report.warn(`${quoted(scheme)} does not belong to a host`);
  return entry.slice(scheme.length).replace(/(?<=[^/])\/$/, "");
}
