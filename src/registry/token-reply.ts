/** What a token server answers (distribution token spec, "Token response fields"). */
import { TpullError } from "../../store/errors.js";
import { redactUrl } from "./redact.js";

/** Longest reply of a token server. */
export const MAX_TOKEN_REPLY_BYTES: number = 1024 * 1024;
/** What the token spec says for a reply without `expires_in`. */
const DEFAULT_LIFE_SECONDS = 60;
/** Part of a token's life after which it is renewed. */
const RENEW_AT = 0.8;

export interface TokenReply {
  readonly value: string;
  /** Milliseconds since the epoch. */
  readonly renewAt: number;
  /** Identity token that came along. */
  readonly refreshToken?: string;
}

/**
 * Reads a reply.
 * @param reply `undefined` when it is longer than {@link MAX_TOKEN_REPLY_BYTES}
 * @param url who sent it
 * @throws TpullError `TOKEN_INVALID`
 */
export function readTokenReply(
  reply: Buffer | undefined,
  url: URL,
  now: number,
): TokenReply {
  const invalid = (why: string): TpullError =>
    new TpullError(
      "TOKEN_INVALID",
      `the token server ${redactUrl(url)} ${why}`,
      {
        details: { host: url.host },
      },
    );
  if (reply === undefined) {
    throw invalid(`answers with more than ${MAX_TOKEN_REPLY_BYTES} bytes`);
  }
  let fields: Record<string, unknown>;
  try {
    fields = { ...JSON.parse(reply.toString("utf8")) };
  } catch {
    throw invalid("does not answer with JSON");
  }
  const value = [fields["token"], fields["access_token"]].find(
    (candidate) => typeof candidate === "string" && candidate !== "",
  );
  // What goes into a header must not end it.
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) {
    throw invalid("answers without a usable token");
  }
  const { refresh_token: refreshToken } = fields;
  return {
    value,
    renewAt: renewalTime(fields, now),
    ...(typeof refreshToken === "string" && refreshToken !== ""
      ? { refreshToken }
      : {}),
  };
}

/**
 * The life counts from `issued_at`, because a server may hand out a token that
 * it has issued before. With an `issued_at` that our clock cannot agree with,
 * it counts from now, and a 401 tells us if that was wrong.
 */
function renewalTime(fields: Record<string, unknown>, now: number): number {
  const { expires_in, issued_at } = fields;
  const seconds =
    typeof expires_in === "number" && expires_in > 0 && expires_in < 1e9
      ? expires_in
      : DEFAULT_LIFE_SECONDS;
  const life = seconds * 1000 * RENEW_AT;
  const issued = typeof issued_at === "string" ? Date.parse(issued_at) : NaN;
  const credible = issued <= now && issued + life > now;
  return (credible ? issued : now) + life;
}
