/**
 * Where a registry may send us for a token. The realm is chosen by the server
 * that we do not trust yet, and what goes there may hold a password.
 */
import { TpullError } from "../../store/errors.js";
import { isInnerHost, isLoopbackHost } from "./addresses.js";
import type { Challenge } from "./challenge.js";
import { redactUrl, serverWords } from "./redact.js";

/**
 * Checks a realm, and each URL that it redirects to: https, unless the asking
 * server itself is plain HTTP or on this machine; no address of this machine
 * or of a private network, unless the asking server has it, too.
 * @param server who sent the challenge
 * @throws TpullError `TOKEN_REALM_REFUSED`
 */
export function checkRealm(realm: URL, server: URL): void {
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
  const sameHost = realm.hostname === server.hostname;
  const bothLocal = local && isLoopbackHost(realm.hostname);
  if (isInnerHost(realm.hostname) && !sameHost && !bothLocal) {
    refuse("an address of this machine or of a private network");
  }
}

/** What a Bearer challenge says about its token server. */
export interface Realm {
  readonly url: URL;
  readonly service: string | undefined;
}

/**
 * Reads a Bearer challenge.
 * @param server who sent it
 * @throws TpullError `TOKEN_REALM_REFUSED`
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
  checkRealm(url, server);
  return { url, service: parameters.get("service") };
}
