/**
 * A registry's "no" as it goes over the wire: a status and one of the error
 * codes of the OCI distribution-spec (or of docker's registry, where the
 * specification has none).
 */
import type { OutgoingHttpHeaders } from "node:http";

export type RefusalCode =
  | "BLOB_UNKNOWN"
  | "DIGEST_INVALID"
  | "MANIFEST_UNKNOWN"
  | "NAME_INVALID"
  | "NAME_UNKNOWN"
  | "PAGINATION_NUMBER_INVALID"
  | "RANGE_INVALID"
  | "UNAUTHORIZED"
  | "TOOMANYREQUESTS"
  | "UNKNOWN"
  | "UNSUPPORTED";

export class Refusal extends Error {
  override readonly name: string = "Refusal";
  readonly status: number;
  readonly code: RefusalCode;
  /** What the request named, for the client's program. */
  readonly detail: Record<string, unknown>;
  /** Headers that this refusal must carry. */
  readonly headers: OutgoingHttpHeaders;

  constructor(
    status: number,
    code: RefusalCode,
    message: string,
    detail: Record<string, unknown> = {},
    headers: OutgoingHttpHeaders = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.headers = headers;
  }

  /** The body that the specification gives to errors. */
  body(): { errors: { code: string; message: string; detail: unknown }[] } {
    const { code, message, detail } = this;
    return { errors: [{ code, message, detail }] };
  }
}
