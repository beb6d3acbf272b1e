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
  /** Status of every answer to a POST, of servers that know only GET. */
  postStatus?: number;
  /** Identity token that goes along with a token when it is asked for. */
  refreshToken?: string;
  /** Repeats what came with a request in every refusal, as no server should. */
  echo?: boolean;
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
  /** Whether an identity token was asked for, too. */
  offline: true | undefined;
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
      offline: url.searchParams.get("offline_token") === "true" || undefined,
    });
    const said = this.#echo(request, form);
    if (post && this.options.postStatus !== undefined) {
      return json(this.options.postStatus, { details: `no POST${said}` });
    }
    const identified = post
      ? (this.options.identityTokens ?? []).includes(
          body.get("refresh_token") ?? "",
        )
      : this.options.users === undefined || user !== undefined;
    if (!identified) {
      return json(401, { details: `incorrect username or password${said}` });
    }
    const token = `token-${++this.#serial}-${"s".repeat(20)}`;
    this.#tokens.set(token, this.options.grant?.(scopes, user) ?? scopes);
    const { expiresIn, issuedAt, refreshToken } = this.options;
    const offline = url.searchParams.get("offline_token") === "true";
    return json(200, {
      ...(offline ? { refresh_token: refreshToken } : {}),
      [post ? "access_token" : "token"]: token,
      expires_in: expiresIn,
      issued_at: issuedAt?.toISOString(),
    });
  }

  /** The refusal of `/v2/` to who has no token at all, or no password; `undefined` if it is right. */
  refusePing(request: IncomingMessage, origin: string): Answer | undefined {
    const { basic, realm } = this.options;
    if (basic === true) return this.#refuseBasic(request);
    const token = bearerOf(request);
    if (token !== undefined && this.#tokens.has(token)) return undefined;
    return unauthorized(
      `Bearer realm="${realm ?? `${origin}/token`}",service="${SERVICE}"`,
      this.#echo(request),
    );
  }

  #refuseBasic(request: IncomingMessage): Answer | undefined {
    return userOf(request, this.options.users ?? {}) === undefined
      ? unauthorized('Basic realm="registry"', this.#echo(request))
      : undefined;
  }

  #echo(request: IncomingMessage, form = ""): string {
    if (this.options.echo !== true) return "";
    const { authorization = "" } = request.headers;
    const encoded = authorization.slice(authorization.indexOf(" ") + 1);
    const decoded = Buffer.from(encoded, "base64").toString();
    return `: ${authorization} ${decoded} ${request.url} ${form}`;
  }

  /** The refusal of a request that has not the right to read a repository; `undefined` if it has. */
  refuse(
    request: IncomingMessage,
    repository: string,
    origin: string,
  ): Answer | undefined {
    const { basic, realm, challengeScope } = this.options;
    if (basic === true) return this.#refuseBasic(request);
    const scope =
      challengeScope?.(repository) ?? `repository:${repository}:pull`;
    const token = bearerOf(request);
    const granted = this.#tokens.get(token ?? "");
    if (granted?.includes(scope) === true) return undefined;
    const error =
      token === undefined
        ? ""
        : `,error="${granted === undefined ? "invalid_token" : "insufficient_scope"}"`;
    return unauthorized(
      `Bearer realm="${realm ?? `${origin}/token`}",service="${SERVICE}",scope="${scope}"${error}`,
      this.#echo(request),
    );
  }
}

function bearerOf(request: IncomingMessage): string | undefined {
  return /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1];
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

function unauthorized(challenge: string, said = ""): Answer {
  const answer = json(401, {
    errors: [
      {
        code: "UNAUTHORIZED",
        message: `authentication required${said}`,
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
