/**
 * Where a registry may send us for a token. The realm is chosen by the server
 * that we do not trust yet, and what goes there may hold a password.
 */
import { lookup as systemLookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";
import { TpullError } from "../../store/errors.js";
import {
  addressClass,
  isInnerHost,
  isLoopbackHost,
  type AddressClass,
} from "./addresses.js";
import type { Challenge } from "./challenge.js";
import { redactUrl, serverWords } from "./redact.js";

/**
 * Checks a realm, and each URL that it redirects to: https, unless the asking
 * server itself is plain HTTP or on this machine; not an address of this
 * machine or of a private network, unless the asking server is that very host
 * (or both are on this machine); not a name that leads to such an address,
 * unless the asking server's name leads to that sort of address, too, as
 * inside a company. A name that cannot be resolved is left for the request.
 * @param server who sent the challenge
 * @param lookup resolves names instead of the system
 * @throws TpullError `TOKEN_REALM_REFUSED`
 */
export async function checkRealm(
  realm: URL,
  server: URL,
  lookup: LookupFunction | undefined,
): Promise<void> {
  const refuse = (why: string): never => {
    throw new TpullError(
      "TOKEN_REALM_REFUSED",
      `${server.host} sends for a token to ${redactUrl(realm)}: ${why}`,
      {
        hint: "Nothing was sent there. The registry is set up wrongly, or it means harm.",
        details: { host: server.host },
      },
    );
  };
  const local = isLoopbackHost(server.hostname);
  if (realm.protocol !== "https:") {
    if (realm.protocol !== "http:") refuse("not an HTTPS URL");
    if (server.protocol === "https:" && !local) refuse("not encrypted");
  }
  if (realm.username !== "" || realm.password !== "") {
    refuse("user info in the URL");
  }
  if (realm.hostname === server.hostname) return;
  if (local && isLoopbackHost(realm.hostname)) return;

  if (isInnerHost(realm.hostname)) {
    refuse("an address of this machine or of a private network");
  }
  const inner = (await classesOf(realm.hostname, lookup)).filter(
    (reach) => reach !== "public",
  );
  if (inner.length === 0) return;
  // Whoever names the server could name an inner address beside its true one:
  // all of them have to be of that sort.
  const own = await classesOf(server.hostname, lookup);
  const alike = inner.every((reach) => own.every((other) => other === reach));
  if (own.length === 0 || !alike) {
    refuse("a name for an address of this machine or of a private network");
  }
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}

/** How far the addresses of a URL's `hostname` reach; empty when that cannot be told. */
async function classesOf(
  hostname: string,
  lookup: LookupFunction = systemLookup,
): Promise<AddressClass[]> {
  const name = bare(hostname);
  if (isIP(name) !== 0 || isLoopbackHost(name)) return [addressClass(name)];
  const addresses = await new Promise<string[]>((resolve) => {
    lookup(name, { all: true }, (error, found) => {
      if (error !== null) resolve([]);
      else if (typeof found === "string") resolve([found]);
      else resolve(found.map(({ address }) => address));
    });
  });
  return addresses.map(addressClass);
}

/** What a Bearer challenge says about its token server. */
export interface Realm {
  readonly url: URL;
  readonly service: string | undefined;
}

/**
 * Reads a Bearer challenge. Before anything is sent there {@link checkRealm} decides.
 * @param server who sent it
 * @throws TpullError `TOKEN_REALM_REFUSED` when it names no URL
 */
export function readRealm({ parameters }: Challenge, server: URL): Realm {
  const text = parameters.get("realm");
  if (text === undefined || !URL.canParse(text)) {
    const why =
      text === undefined
        ? "does not say from where"
        : `its realm is not a URL: ${JSON.stringify(serverWords(text, 100))}`;
    throw new TpullError(
      "TOKEN_REALM_REFUSED",
      `${server.host} asks for a token, but ${why}`,
      { details: { host: server.host } },
    );
  }
  const url = new URL(text);
  url.hash = "";
  return { url, service: parameters.get("service") };
}
