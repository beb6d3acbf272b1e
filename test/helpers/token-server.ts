/** The token side of the {@link FaultRegistry}: issues bearer tokens and asks for them. */
import { Buffer } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { Answer } from "./fault-script.js";

export interface TokenServerOptions {
  /** `expires_in` of the replies, in seconds; left out by default. */
  expiresIn?: number;
  /** `issued_at` of the replies; left out by default. */
  issuedAt?: Date;
  /** Awaited before a token is given. */
  hold?: Promise<void>;
  /** Where the challenge sends; by default `/token` of the registry itself. */
  realm?: string;
  /** User names and passwords; without, everybody gets a token. */
  users?: Record<string, string>;
  /** Identity tokens that may be exchanged by POST. */
  identityTokens?: string[];
  /** Scopes that a token gets out of those that were asked for; all by default. */
  grant?: (scopes: string[], user: string | undefined) => string[];
  /** Scope in the challenge to a request for a repository; its `pull` by default. */
  challengeScope?: (repository: string) => string;
  /** HTTP Basic instead of tokens. */
  basic?: boolean;
}

export interface TokenRecord {
  method: string;
  scopes: string[];
  service: string | undefined;
  user: string | undefined;
}

const SERVICE = "fault-registry";

export class TokenServer {
  readonly options: TokenServerOptions;
  /** Every request for a token. */
  readonly asked: TokenRecord[] = [];
  readonly #tokens = new Map<string, string[]>();
  #serial = 0;

  constructor(options: TokenServerOptions) {
    this.options = options;
  }

  /** From now on no token that was issued before is any good. */
  revokeAll(): void {
    this.#tokens.clear();
  }

  /** Answers a request for a token. */
  issue(request: IncomingMessage, url: URL, form: string): Answer {
    const body = new URLSearchParams(form);
    const post = request.method === "POST";
    const user = userOf(request, this.options.users ?? {});
    const scopes = post
      ? (body.get("scope") ?? "").split(" ")
      : url.searchParams.getAll("scope");
    const service = (post ? body : url.searchParams).get("service");
    this.asked.push({
      method: request.method ?? "",
      scopes,
      service: service ?? undefined,
      user,
    });
    const identified = post
      ? (this.options.identityTokens ?? []).includes(
          body.get("refresh_token") ?? "",
        )
      : this.options.users === undefined || user !== undefined;
    if (!identified) {
      return json(401, { details: "incorrect username or password" });
    }
    const token = `token-${++this.#serial}-${"s".repeat(20)}`;
    this.#tokens.set(token, this.options.grant?.(scopes, user) ?? scopes);
    const { expiresIn, issuedAt } = this.options;
    return json(200, {
      [post ? "access_token" : "token"]: token,
      expires_in: expiresIn,
      issued_at: issuedAt?.toISOString(),
    });
  }

  /** The refusal of a request that has not the right to read a repository; `undefined` if it has. */
  refuse(
    request: IncomingMessage,
    repository: string,
    origin: string,
  ): Answer | undefined {
    const { users = {}, basic, realm, challengeScope } = this.options;
    if (basic === true) {
      return userOf(request, users) === undefined
        ? unauthorized('Basic realm="registry"')
        : undefined;
    }
    const scope =
      challengeScope?.(repository) ?? `repository:${repository}:pull`;
    const token = /^Bearer (.*)$/.exec(
      request.headers.authorization ?? "",
    )?.[1];
    const granted = this.#tokens.get(token ?? "");
    if (granted?.includes(scope) === true) return undefined;
    const error =
      token === undefined
        ? ""
        : `,error="${granted === undefined ? "invalid_token" : "insufficient_scope"}"`;
    return unauthorized(
      `Bearer realm="${realm ?? `${origin}/token`}",service="${SERVICE}",scope="${scope}"${error}`,
    );
  }
}

function userOf(
  request: IncomingMessage,
  users: Record<string, string>,
): string | undefined {
  const encoded = /^Basic (.*)$/.exec(request.headers.authorization ?? "")?.[1];
  const [user = "", ...password] = Buffer.from(encoded ?? "", "base64")
    .toString()
    .split(":");
  return users[user] === password.join(":") ? user : undefined;
}

function unauthorized(challenge: string): Answer {
  const answer = json(401, {
    errors: [
      {
        code: "UNAUTHORIZED",
        message: "authentication required",
        detail: null,
      },
    ],
  });
  answer.headers["www-authenticate"] = challenge;
  return answer;
}

/** A JSON answer. */
export function json(status: number, value: unknown): Answer {
  return {
    status,
    headers: { "content-type": "application/json" },
    body: Buffer.from(JSON.stringify(value)),
  };
}
