/** Asking for manifests: by tag or digest, whole, capped and verified. */
import { createHash } from "node:crypto";
import { digestOf, isDigest, type Digest } from "../../store/digest.js";
import { isTpullError, TpullError } from "../../store/errors.js";
import { Body } from "./body.js";
import { isHtml } from "./error-body.js";
import { about } from "./errors.js";
import {
  contentLength,
  contentType,
  hasContentCoding,
  headerValue,
  type ResponseHeaders,
} from "./headers.js";
import { inlineData } from "./inline-data.js";
import {
  MAX_MANIFEST_BYTES,
  manifestTooLarge,
  schema1Unsupported,
  type Descriptor,
} from "./manifest.js";
import { ACCEPT_MANIFESTS, acceptFor, isSchema1Type } from "./media-types.js";
import type { Endpoint } from "./endpoint.js";
import type { Want } from "./places.js";
import { parseRateLimit, type RateLimit } from "./rate-limit.js";
import { atAnyPlace, type RouteOptions } from "./route.js";
import type { Ask, Reply, Repository, Session } from "./session.js";
import { withNearTags } from "./tags.js";

/** Registries may name a manifest by another algorithm than ours. */
const PROMISED_DIGEST =
  /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;

/** Exact bytes of a manifest or index. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  /** Of these bytes. */
  readonly digest: Digest;
  /** As the registry (or the inlining descriptor) names it; `""` when it names none. */
  readonly mediaType: string;
  /** Where the registry says how many pulls are left. */
  readonly rateLimit?: RateLimit;
}

/** What a registry says about a tag without sending the manifest. */
export interface ManifestHead {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  /** Where the registry says how many pulls are left. */
  readonly rateLimit?: RateLimit;
}

export interface ManifestRequest extends Repository {
  /** Tag or digest. */
  readonly item: string;
  readonly expected: Descriptor | undefined;
  readonly route: RouteOptions;
  /** Told how many bytes of a manifest came from which host. */
  readonly onReceived: (host: string, bytes: number) => void;
}

/** See `RegistryClient.manifest`. */
export async function fetchManifest(
  session: Session,
  request: ManifestRequest,
): Promise<FetchedManifest> {
  const { expected, route } = request;
  const what = nameOf(request);
  if (expected !== undefined) {
    if (expected.size > MAX_MANIFEST_BYTES) throw manifestTooLarge(what);
    const bytes = inlineData(expected);
    if (bytes !== undefined) {
      const { digest, mediaType } = expected;
      return { bytes, digest, mediaType };
    }
  }
  return explained(session, request, () =>
    atAnyPlace(session, wantOf(request), route, async (endpoint) => {
      const reply = await session.send(askFor(request, "GET", endpoint));
      if (reply.status !== 200) throw await session.refusal(reply);
      const manifest = await readManifest(session, reply, request, what);
      request.onReceived(endpoint.host, manifest.bytes.length);
      return manifest;
    }),
  );
}

/** See `RegistryClient.head`. */
export async function headManifest(
  session: Session,
  request: ManifestRequest,
): Promise<ManifestHead | undefined> {
  return explained(session, request, () =>
    atAnyPlace(session, wantOf(request), request.route, async (endpoint) => {
      const ask = askFor(request, "HEAD", endpoint);
      const reply = await session.send(ask);
      reply.body.cancel();
      if (reply.status === 200) return usableHead(reply, request);
      const refusal = await session.refusal(reply);
      if (refusal.retryable) throw refusal;
      if (![401, 403, 404].includes(reply.status)) return undefined;
      // A reply to HEAD has no words in it; the one to GET has.
      const spoken = await session.send({ ...ask, method: "GET" });
      if (spoken.status !== 200) throw await session.refusal(spoken);
      spoken.body.cancel();
      return undefined;
    }),
  );
}

function nameOf({ registry, repository, item }: ManifestRequest): string {
  const joint = item.includes(":") ? "@" : ":";
  return `${registry}/${repository}${joint}${item}`;
}

/** A tag is for those to resolve who may; content with a digest is anybody's. */
function wantOf({
  registry,
  repository,
  item,
  expected,
}: ManifestRequest): Want {
  const known = expected !== undefined || isDigest(item);
  return {
    registry,
    capability: known ? "pull" : "resolve",
    item: `${repository}/manifests/${item}`,
  };
}

function askFor(
  request: ManifestRequest,
  method: "GET" | "HEAD",
  endpoint: Endpoint,
): Ask {
  const { registry, repository, item, expected, route } = request;
  if (!isDigest(item) && !/^\w[\w.-]{0,127}$/.test(item)) {
    throw new TpullError(
      "REFERENCE_INVALID",
      `${JSON.stringify(item)} is neither a tag nor a digest`,
    );
  }
  return {
    endpoint,
    method,
    registry,
    repository,
    subject: { kind: "manifest", name: `${registry}/${repository}`, item },
    path: `manifests/${item}`,
    headers: {
      accept:
        expected === undefined
          ? ACCEPT_MANIFESTS
          : acceptFor(expected.mediaType),
      "accept-encoding": "identity",
    },
    signal: route.signal,
  };
}

function usableHead(
  { headers, secrets }: Reply,
  { item }: ManifestRequest,
): ManifestHead | undefined {
  const digest = headerValue(headers, "docker-content-digest");
  const size = contentLength(headers);
  if (!isDigest(digest) || size === undefined || hasContentCoding(headers)) {
    return undefined;
  }
  if (isDigest(item) && item !== digest) return undefined;
  return {
    digest,
    mediaType: contentType(headers),
    size,
    ...rateLimitOf(headers, secrets),
  };
}

async function readManifest(
  session: Session,
  reply: Reply,
  { item, expected }: ManifestRequest,
  what: string,
): Promise<FetchedManifest> {
  const { headers, body } = reply;
  const mediaType = contentType(headers);
  if (isSchema1Type(mediaType)) {
    // Its digest does not cover its signatures, so this comes before the check.
    body.cancel();
    throw schema1Unsupported(what);
  }
  const declared = hasContentCoding(headers)
    ? undefined
    : contentLength(headers);
  const limit = expected?.size ?? MAX_MANIFEST_BYTES;
  const bytes =
    declared !== undefined && declared > limit
      ? undefined
      : await body.collect(limit);
  if (bytes === undefined) {
    body.cancel();
    if (expected === undefined) throw manifestTooLarge(what);
    throw wrongSize(what, expected.size, declared ?? `more than ${limit}`);
  }
  if (isHtml(mediaType) && !looksLikeJson(bytes)) {
    throw await session.refusal({
      ...reply,
      body: Body.of(bytes),
    });
  }
  if (expected !== undefined && bytes.length !== expected.size) {
    throw wrongSize(what, expected.size, bytes.length);
  }
  const digest = digestOf(bytes);
  const wanted = expected?.digest ?? (isDigest(item) ? item : undefined);
  if (wanted !== undefined && digest !== wanted) {
    throw wrongDigest(what, wanted, digest);
  }
  const promised = headerValue(headers, "docker-content-digest");
  if (promised !== undefined && !matches(promised, bytes)) {
    throw wrongDigest(what, promised, digest);
  }
  return { bytes, digest, mediaType, ...rateLimitOf(headers, reply.secrets) };
}

function rateLimitOf(
  headers: ResponseHeaders,
  secrets: readonly string[],
): { rateLimit?: RateLimit } {
  const rateLimit = parseRateLimit(headers, secrets);
  return rateLimit === undefined ? {} : { rateLimit };
}

function looksLikeJson(bytes: Buffer): boolean {
  return /^\s*\{/.test(bytes.toString("latin1", 0, 64));
}

/** Whether bytes have the digest that a header promises; one that cannot be read promises nothing. */
function matches(promised: string, bytes: Buffer): boolean {
  if (!PROMISED_DIGEST.test(promised)) return true;
  const [algorithm = "", hex] = promised.split(":");
  return createHash(algorithm).update(bytes).digest("hex") === hex;
}

function wrongSize(
  what: string,
  expected: number,
  actual: number | string,
): TpullError {
  return new TpullError(
    "SIZE_MISMATCH",
    `${what}: the manifest has ${actual} bytes, but its descriptor says ${expected}`,
    { details: { expected, actual } },
  );
}

function wrongDigest(
  what: string,
  expected: string,
  actual: string,
): TpullError {
  return new TpullError(
    "DIGEST_MISMATCH",
    `${what}: the registry sends a manifest whose digest is ${actual}, not ${expected}`,
    {
      hint: "The image is damaged at the registry, or something on the way changes it.",
      details: { expected, actual },
    },
  );
}

/** Runs a request for a manifest; says which, and what is near to a missing tag. */
async function explained<T>(
  session: Session,
  request: ManifestRequest,
  work: () => Promise<T>,
): Promise<T> {
  const { item, route } = request;
  try {
    return await work();
  } catch (error) {
    const missing = isTpullError(error) && error.code === "MANIFEST_UNKNOWN";
    if (missing && !isDigest(item)) {
      throw await withNearTags(session, request, item, error, route.signal);
    }
    const name = `${request.registry}/${request.repository}`;
    throw about(error, name, nameOf(request));
  }
}
