/** Which hosts are asked directly, though a proxy is set: the language of NO_PROXY, as Go programs read it. */
import { BlockList, isIP } from "node:net";

/** Whether a host is asked directly. The host name is that of a URL, in lower case. */
export type NoProxy = (hostname: string, port: number) => boolean;

type Rule = (host: string, port: number) => boolean;

/**
 * Reads a list separated by commas or blanks. An entry is `*`, an address or
 * network (`10.0.0.0/8`, `fd00::/8`), or a name, each of the single ones with a
 * port where only that port is meant. `example.com` and `.example.com` both
 * stand for every name below it, the first also for itself. Names are not
 * resolved, so a network matches hosts written as addresses only. Entries that
 * are none of these match nothing.
 */
export function parseNoProxy(list: string): NoProxy {
  const rules = list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .map(readEntry);
  return (hostname, port) => {
    const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
    return rules.some((rule) => rule(host, port));
  };
}

function readEntry(entry: string): Rule {
  if (entry === "*") return () => true;
  const network = /^([^/]+)\/(\d{1,3})$/.exec(entry);
  if (network !== null)
    return networkRule(network[1] ?? "", Number(network[2]));
  const { host, port } = splitPort(entry);
  const samePort = (asked: number): boolean =>
    port === undefined || port === asked;
  const family = isIP(host);
  if (family !== 0) {
    const list = new BlockList();
    list.addAddress(host, family === 4 ? "ipv4" : "ipv6");
    return (asked, askedPort) => samePort(askedPort) && inList(list, asked);
  }
  const suffix = host.replace(/^\*?\./, "");
  if (suffix === "") return () => false;
  const itself = suffix === host;
  return (asked, askedPort) =>
    samePort(askedPort) &&
    (asked.endsWith(`.${suffix}`) || (itself && asked === suffix));
}

function networkRule(address: string, prefix: number): Rule {
  const family = isIP(address);
  if (family === 0 || prefix > (family === 4 ? 32 : 128)) return () => false;
  const list = new BlockList();
  list.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6");
  return (asked) => inList(list, asked);
}

function inList(list: BlockList, host: string): boolean {
  const family = isIP(host);
  return family !== 0 && list.check(host, family === 4 ? "ipv4" : "ipv6");
}

/** `host:port`, `[v6]:port`, or without the port; a bare IPv6 address has none. */
function splitPort(entry: string): { host: string; port: number | undefined } {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(entry);
  const named = bracketed ?? /^([^:]+):(\d+)$/.exec(entry);
  if (named === null)
    return { host: entry.replace(/\.$/, ""), port: undefined };
  const host = (named[1] ?? "").replace(/\.$/, "");
  return { host, port: named[2] === undefined ? undefined : Number(named[2]) };
}
