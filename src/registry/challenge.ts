/**
 * `WWW-Authenticate` (RFC 9110, 11.6.1): one header may hold several
 * challenges, a value several parameters, and both are separated by commas.
 */

/** One way the server offers to authenticate. Names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[0-9A-Za-z._~+/-]+=*(?=[ \t]*(?:,|$))/y;
/** Laxer than the RFC's token: some servers leave the quotes off a URL. */
const UNQUOTED = /[^\s,"]+/y;
const QUOTED = /"((?:[^"\\]|\\[\s\S])*)"/y;
const SPACE = /[ \t]*/y;
const SEPARATORS = /[ \t,]*/y;

/**
 * Parses all challenges of a response, in order. What cannot be read ends its
 * header; what was read before that counts. Of a parameter that is repeated,
 * the first counts.
 */
export function parseChallenges(headers: readonly string[]): Challenge[] {
  return headers.flatMap(parseHeader);
}

function parseHeader(text: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) return undefined;
    at = pattern.lastIndex;
    return match;
  };

  let parameters: Map<string, string> | undefined;
  for (;;) {
    take(SEPARATORS);
    const name = take(TOKEN)?.[0].toLowerCase();
    if (name === undefined) return challenges;
    const afterName = at;
    take(SPACE);
    if (parameters !== undefined && text[at] === "=") {
      at += 1;
      take(SPACE);
      const quoted = take(QUOTED)?.[1]?.replace(/\\([\s\S])/g, "$1");
      const value = quoted ?? take(UNQUOTED)?.[0];
      if (value === undefined) return challenges;
      if (!parameters.has(name)) parameters.set(name, value);
      continue;
    }
    // A name without "=" begins the next challenge.
    parameters = new Map();
    challenges.push({ scheme: name, parameters });
    if (at > afterName && !isParameter(text, at)) take(TOKEN68);
  }
}

/** Whether `name=` stands here: token68 (of Negotiate, say) looks much like it. */
function isParameter(text: string, at: number): boolean {
  const pattern = /[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[ \t]*(?=[^=,\s])/y;
  pattern.lastIndex = at;
  return pattern.test(text);
}

/**
 * The challenge to answer: Bearer before Basic.
 * @returns `undefined` when the server offers neither
 */
export function preferredChallenge(
  challenges: readonly Challenge[],
): Challenge | undefined {
  return (
    challenges.find(({ scheme }) => scheme === "bearer") ??
    challenges.find(({ scheme }) => scheme === "basic")
  );
}
