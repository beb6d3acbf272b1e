/**
 * The registry host of a reference: `name[:port]` or `[IPv6][:port]`. Accepted
 * is what docker's reference library takes, minus hosts that no request could
 * ever be sent to.
 */
import { quoted } from "./printable.js";
import { invalidReference } from "./grammar.js";

/** Longest name that DNS can hold. */
const MAX_HOST_CHARACTERS = 253;
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$/;

/**
 * @param host what stands before the reference's first slash
 * @throws TpullError `REFERENCE_INVALID`, the problem alone
 */
export function checkRegistry(host: string): void {
  const read = `${quoted(host)} is read as a registry host`;
  const port = /[[\]]/.test(host)
    ? checkAddress(host, read)
    : checkName(host, read);
  if (port !== undefined) checkPort(port, read);
  if (!URL.canParse(`https://${host}`)) {
    throw invalidReference(`${read}, but it is neither a name nor an address`);
  }
}

/** Returns the port. */
function checkAddress(host: string, read: string): string | undefined {
  const parts = /^\[([^[\]]*)\](?::(.*))?$/.exec(host);
  if (parts === null) {
    throw invalidReference(
      `${read}, but its brackets do not enclose an address`,
      "An IPv6 address is written like [2001:db8::1]:5000.",
    );
  }
  const address = parts[1] ?? "";
  if (
    !/^[0-9A-Fa-f:]+$/.test(address) ||
    !URL.canParse(`http://[${address}]`)
  ) {
    throw invalidReference(
      `${read}, but ${quoted(address)} is not an IPv6 address`,
      "An IPv6 address is written in hex groups only, like [2001:db8::1]:5000.",
    );
  }
  return parts[2];
}

/** Returns the port. */
function checkName(host: string, read: string): string | undefined {
  const [name = "", port, ...more] = host.split(":");
  if (more.length > 0) {
    throw invalidReference(
      `${read}, but it has more than one ":"`,
      "An IPv6 address needs brackets, like [2001:db8::1]:5000.",
    );
  }
  if (name === "") throw invalidReference(`${read}, but it has no name`);
  if (name.length > MAX_HOST_CHARACTERS) {
    throw invalidReference(
      `the registry host is ${name.length} characters long, and at most ${MAX_HOST_CHARACTERS} are possible`,
    );
  }
  const label = name.split(".").find((label) => !LABEL.test(label));
  if (label === undefined) return port;
  const problem =
    label === ""
      ? 'it begins or ends with "." or has two in a row'
      : label.includes("_")
        ? 'a host name has no "_"'
        : `${quoted(label)} begins or ends with "-"`;
  const byCaseAlone = port === undefined && !name.includes(".");
  throw invalidReference(
    `${read}, but ${problem}`,
    byCaseAlone
      ? `Upper-case letters make it a host; a repository would be ${quoted(name.toLowerCase())}.`
      : undefined,
  );
}

function checkPort(port: string, read: string): void {
  if (!/^[0-9]+$/.test(port)) {
    throw invalidReference(
      `${read}, but its port ${quoted(port)} is not a number`,
      'A tag comes last and has no "/" in it.',
    );
  }
  if (Number(port) < 1 || Number(port) > 65_535) {
    throw invalidReference(
      `${read}, but its port ${quoted(port)} is not between 1 and 65535`,
    );
  }
}
