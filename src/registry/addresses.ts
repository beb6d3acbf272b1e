/**
 * Which hosts lie on this machine or inside a private network. Only literal
 * addresses (and `localhost`) are judged: no name is resolved here.
 */
import { BlockList, isIP } from "node:net";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

const linkLocal = new BlockList();
linkLocal.addSubnet("169.254.0.0", 16, "ipv4");
linkLocal.addSubnet("fe80::", 10, "ipv6");

const inner = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const) {
  inner.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  // Forms that carry an IPv4 address, which may be any.
  ["::", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["fec0::", 10],
  ["ff00::", 8],
] as const) {
  inner.addSubnet(network, prefix, "ipv6");
}

function listed(list: BlockList, hostname: string): boolean {
  const address = hostname.replace(/^\[|\]$/g, "");
  const family = isIP(address);
  if (family === 0) return false;
  return list.check(address, family === 4 ? "ipv4" : "ipv6");
}

/**
 * Whether a URL's `hostname` is this machine: `localhost`, 127.0.0.0/8, ::1.
 * `*.localhost` is not: resolvers may ask the network for it.
 */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === "localhost" || listed(loopback, hostname);
}

/** Whether a URL's `hostname` is this machine or a literal private, link-local or otherwise special address. */
export function isInnerHost(hostname: string): boolean {
  return hostname === "localhost" || listed(inner, hostname);
}

/** How far an address reaches; `private` is every one that the public network does not route. */
export type AddressClass = "loopback" | "link-local" | "private" | "public";

/** The class of a literal address (or `localhost`). */
export function addressClass(address: string): AddressClass {
  if (isLoopbackHost(address)) return "loopback";
  if (listed(linkLocal, address)) return "link-local";
  return isInnerHost(address) ? "private" : "public";
}
