/**
 * Requests to registries with everything that belongs to a request: the
 * endpoint, authorization and its renewal on a 401, redirects, the registry's
 * warnings. It sends once; whether to try again is for its callers to decide.
 */
import type { LookupFunction } from "node:net";
import { abortedError, isTpullError, TpullError } from "../../store/errors.js";
import type { Auth, Authorization, Target } from "./auth.js";
import { Body } from "./body.js";
import { parseChallenges } from "./challenge.js";
import { CoolDowns, isHostDown } from "./cool-down.js";
import type { Endpoint } from "./endpoint.js";
import {
  ANONYMOUS,
  MAX_ERROR_BODY_BYTES,
  refusalError,
  type Identity,
  type Subject,
} from "./errors.js";
import { headerValues } from "./headers.js";
import { foreignAuthorization } from "./foreign-token.js";
import type { Http, HttpRequest, HttpResponse } from "./http.js";
import type { Link } from "./link.js";
import type { Places } from "./places.js";
import { secretsOf, secretsOfHeaders } from "./redact.js";
import { RetryBudget, type Retry, type RetryPolicy } from "./retry.js";
import { apiUrl } from "./scheme.js";
import type { RegistryWarnings } from "./warnings.js";

/** A repository at a registry; every parsed reference is one. */
export interface Repository {
  /** host[:port] as references name it. */
  readonly registry: string;
  readonly repository: string;
}

/** One question to one place of a registry. */
export interface Ask extends Repository {
  readonly endpoint: Endpoint;
  readonly method: "GET" | "HEAD";
  readonly subject: Subject;
  /** What follows `/v2/<repository>/`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** A response of whatever status, and what its error would have to tell. */
export interface Reply extends HttpResponse {
  readonly ask: Ask;
  /** Whether another host than the registry's answered. */
  readonly redirected: boolean;
  readonly identity: Identity;
  readonly secrets: readonly string[];
}

/** How work is tried again; `onRetry` is told before each wait. */
export interface RetryScope {
  /** Who is asked, see `Endpoint.host`. */
  readonly host: string;
  readonly signal: AbortSignal;
  readonly onRetry: (retry: Retry) => void;
}

export interface SessionOptions {
  readonly http: Http;
  readonly places: Places;
  readonly link: Link;
  readonly auth: Auth;
  readonly warnings: RegistryWarnings;
  readonly policy: RetryPolicy;
  /** Resolves names of token servers instead of the system. */
  readonly lookup?: LookupFunction | undefined;
  /** People are told when an answer takes so long. Milliseconds. */
  readonly slowMs: number;
}

/** A mirror that has to fetch something itself needs some time; after that the next place is asked. */
const MIRROR_ANSWERS_MS = 20_000;
/** One question may be sent: bare, with a token, with a wider or newer one. */
const MAX_SENDS = 4;
/** Nothing in a repository's name can leave its place in a URL. */
const REPOSITORY =
  /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;

export class Session {
  readonly policy: RetryPolicy;
  readonly places: Places;
  readonly link: Link;
  /** Hosts that have answered a range with something else; blobs are asked for whole there. */
  readonly withoutRanges: Set<string> = new Set();
  readonly #options: SessionOptions;
  readonly #coolDowns: CoolDowns;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.policy = options.policy;
    this.places = options.places;
    this.link = options.link;
    this.#coolDowns = new CoolDowns(options.policy);
  }

  /**
   * Sends a question and answers the challenges that come back.
   * @throws TpullError `NETWORK_*`, `TLS_ERROR`, `REDIRECT_REFUSED`,
   *   `ABORTED`, and what the token flow throws
   */
  async send(ask: Ask): Promise<Reply> {
    const { endpoint, repository, signal } = ask;
    if (!REPOSITORY.test(repository)) {
      throw new TpullError(
        "REFERENCE_INVALID",
        `${JSON.stringify(repository)} is not a repository's name`,
      );
    }
    const turn = await this.#coolDowns.enter(endpoint.host, signal);
    const begun = this.policy.now();
    try {
      const reply = await this.#converse(ask);
      turn.answered();
      return reply;
    } catch (error) {
      turn.failed(error);
      throw unanswered(error, this.policy.now() - begun);
    }
  }

  async #converse(ask: Ask): Promise<Reply> {
    const { auth } = this.#options;
    const { endpoint, repository, signal } = ask;
    const target: Target = { endpoint, repository };
    const request: HttpRequest = {
      method: ask.method,
      url: apiUrl(endpoint, `${repository}/${ask.path}`),
      headers: ask.headers,
      hostHeaders: endpoint.headers,
      answerWithinMs: endpoint.hasNext ? MIRROR_ANSWERS_MS : undefined,
      connection: endpoint.connection,
      signal,
    };
    const home = request.url.origin;
    let authorization = await auth.current(target, signal);
    let fresh = false;
    for (let sends = 1; ; sends++) {
      const reply = await this.#once(ask, request, authorization, home);
      if (reply.status !== 401 || sends === MAX_SENDS) return reply;
      const challenges = parseChallenges(
        headerValues(reply.headers, "www-authenticate"),
      );
      // Read now: the connection is free again, and the words are kept for the error.
      const kept = {
        ...reply,
        body: Body.of(await reply.body.peek(MAX_ERROR_BODY_BYTES)),
      };
      if (reply.redirected) {
        const header = await foreignAuthorization(
          this.#options.http,
          {
            server: reply.url,
            challenges,
            name: ask.subject.name,
            signal,
            lookup: this.#options.lookup,
          },
          this.policy.now,
        );
        if (header === undefined) return kept;
        // Asked as a host of its own: nothing that belongs to the registry's.
        const again = {
          ...request,
          url: reply.url,
          hostHeaders: undefined,
          connection: undefined,
        };
        const foreign = { header, identity: ANONYMOUS };
        return this.#once(ask, again, foreign, home);
      }
      const next = await auth.answer(
        target,
        challenges,
        authorization,
        fresh,
        signal,
      );
      if (next === undefined) {
        return authorization === undefined
          ? { ...kept, identity: await auth.anonymous(target) }
          : kept;
      }
      authorization = next;
      fresh = true;
    }
  }

  /**
   * The error that a reply stands for; reads its body.
   * @throws TpullError `ABORTED`
   */
  async refusal(reply: Reply): Promise<TpullError> {
    const { ask, url, redirected, status, headers, identity, secrets } = reply;
    return refusalError({
      method: ask.method,
      url,
      redirected,
      status,
      headers,
      body: await reply.body.peek(MAX_ERROR_BODY_BYTES),
      subject: ask.subject,
      identity,
      secrets,
      now: this.policy.now(),
    });
  }

  /**
   * Decides about a failure. Resolves when it is time for the next try.
   * @throws the failure itself, when there is to be none
   */
  async again(
    error: unknown,
    budget: RetryBudget,
    scope: RetryScope,
  ): Promise<void> {
    if (scope.signal.aborted) throw abortedError();
    const retry = budget.next(error);
    if (retry === undefined) throw afterRetries(error, budget.total);
    if (concernsHost(error as TpullError)) {
      this.#coolDowns.pause(scope.host, retry.delayMs);
    }
    scope.onRetry(retry);
    await this.policy.sleep(retry.delayMs, scope.signal);
  }

  /** Leaves a host alone where a failure gives reason to, without another try by whom it met. */
  spare(host: string, error: unknown): void {
    const retry = new RetryBudget(this.policy).next(error);
    if (retry !== undefined && concernsHost(error as TpullError)) {
      this.#coolDowns.pause(host, retry.delayMs);
    }
  }

  /** Does work until it succeeds or its retries are used up. */
  async retrying<T>(
    scope: RetryScope,
    work: () => Promise<T>,
    policy: RetryPolicy = this.policy,
  ): Promise<T> {
    const budget = new RetryBudget(policy);
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await this.again(error, budget, scope);
      }
    }
  }

  async #once(
    ask: Ask,
    request: HttpRequest,
    authorization: Pick<Authorization, "header" | "identity"> | undefined,
    home: string,
  ): Promise<Reply> {
    const { http, warnings, slowMs } = this.#options;
    const header = authorization?.header;
    const { host } = ask.endpoint;
    const slow = setTimeout(() => warnings.slow(host, slowMs / 1000), slowMs);
    const response = await http
      .request({ ...request, authorization: header })
      .finally(() => clearTimeout(slow));
    const redirected = response.url.origin !== home;
    const secrets = [
      ...secretsOf(response.url, header),
      ...secretsOfHeaders(response.url, ask.endpoint.headers),
    ];
    if (!redirected) {
      warnings.show(host, response.headers, secrets);
    }
    return {
      ...response,
      ask,
      redirected,
      identity: authorization?.identity ?? ANONYMOUS,
      secrets,
    };
  }
}

/** Whether a failure is a reason to leave the host alone, and not only to repeat the request. */
function concernsHost(error: TpullError): boolean {
  const { status, retryAfterSeconds } = error.details;
  return (
    status === 429 ||
    status === 503 ||
    retryAfterSeconds !== undefined ||
    isHostDown(error)
  );
}

/** The last failure, saying that it was not the first. */
function afterRetries(error: unknown, retries: number): unknown {
  if (retries === 0 || !isTpullError(error)) return error;
  return new TpullError(
    error.code,
    `${error.message} (tried ${retries + 1} times)`,
    {
      hint: error.hint,
      cause: error.cause,
      retryable: error.retryable,
      details: { ...error.details, attempts: retries + 1 },
    },
  );
}

/** The failure with how long the answer was waited for, for whoever decides about another try. */
function unanswered(error: unknown, milliseconds: number): unknown {
  return isTpullError(error) && error.code === "NETWORK_TIMEOUT"
    ? error.with({ unansweredMs: milliseconds })
    : error;
}
