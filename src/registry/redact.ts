/**
 * What may be shown of text that a server sent or that we sent: no secret, no
 * control character, no endless line.
 */

/** Query parameters whose values are names, not secrets. */
const OPEN_PARAMETERS = new Set(["ns", "n"]);
const REDACTED = "REDACTED";

/**
 * A URL fit for messages and events: without user info, with every query value
 * hidden except `ns` (signed URLs carry their signature there).
 */
export function redactUrl(url: URL): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  shown.hash = "";
  const query = new Map<string, string>();
  for (const part of shown.search.slice(1).split("&")) {
    // Without "=" it is a value, and not a name.
    const name = part.slice(0, Math.max(0, part.indexOf("=")));
    const isOpen = part === "" || OPEN_PARAMETERS.has(name);
    const hidden = name === "" ? REDACTED : `${name}=${REDACTED}`;
    query.set(name, isOpen ? part : hidden);
  }
  shown.search = [...query.values()].join("&");
  return shown.href;
}

/**
 * A server's own words as one line for a terminal: control characters and direction
 * marks gone, white space collapsed, cut at `maxLength` characters.
 */
export function serverWords(text: string, maxLength = 200): string {
  const clean = text
    .slice(0, maxLength * 4)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Zs}]+/gu, " ")
    .replace(/[\p{Cf}\p{Cs}\p{Co}]/gu, "")
    .trim();
  return clean.length <= maxLength ? clean : `${clean.slice(0, maxLength)}…`;
}

/** Shorter strings would blank out ordinary words when they are replaced. */
const MIN_SECRET_LENGTH = 6;

/**
 * The strings of a request that must not come back in a message: what follows
 * the scheme of the `Authorization` header and the password in it, and the
 * URL's query values and user info, each as sent and decoded.
 */
export function secretsOf(url: URL, authorization?: string): string[] {
  const secrets = [url.username, url.password, ...url.searchParams.values()];
  for (const pair of url.search.slice(1).split("&")) {
    secrets.push(pair.slice(pair.indexOf("=") + 1));
  }
  if (authorization !== undefined) {
    const value = authorization.slice(authorization.indexOf(" ") + 1);
    secrets.push(value);
    if (/^basic /i.test(authorization)) {
      const pair = Buffer.from(value, "base64").toString("utf8");
      const password = pair.slice(pair.indexOf(":") + 1);
      if (password.length >= MIN_SECRET_LENGTH) {
        secrets.push(...secretForms(password));
      }
    }
  }
  return secrets.filter((secret) => secret.length >= MIN_SECRET_LENGTH);
}

/**
 * The values of headers that a host is configured with: they may be passwords.
 * URLs are not; they name what is asked for.
 */
export function secretsOfHeaders(
  url: URL,
  headers: Readonly<Record<string, string>>,
): string[] {
  return Object.values(headers)
    .filter((value) => !/^https?:\/\/[^@\s]*$/i.test(value))
    .flatMap((value) => [...secretsOf(url, value), value])
    .filter((secret) => secret.length >= MIN_SECRET_LENGTH);
}

/** A secret in the ways in which a server may give it back: plain, in a URL, in a form, in JSON. */
export function secretForms(secret: string): string[] {
  if (secret === "") return [];
  const form = new URLSearchParams({ "": secret }).toString().slice(1);
  const json = JSON.stringify(secret).slice(1, -1);
  return [...new Set([secret, encodeURIComponent(secret), form, json])];
}

/** Replaces every occurrence of a secret, for servers that echo what they were sent. */
export function scrub(text: string, secrets: readonly string[]): string {
  // The longest first: a short one may be a part of a long one.
  const ordered = [...new Set(secrets)].sort((a, b) => b.length - a.length);
  let clean = text;
  for (const secret of ordered) clean = clean.replaceAll(secret, REDACTED);
  return clean;
}
