/** What the endpoints of one repository answer (OCI distribution-spec, "Endpoints"). */
import { isTpullError, parseDigest } from "../../store/index.js";
import type { Digest } from "../../store/index.js";
import { accepts, isIndexType, ordinaryImage } from "./accept.js";
import type {
  ManifestReference,
  Repository,
  ServedManifest,
} from "./content.js";
import { isTag } from "./names.js";
import { whyAbsent } from "./partial-index.js";
import { referrersPage } from "./referrers.js";
import { Refusal } from "./refusal.js";
import { type Conversation, sendContent, sendJson } from "./reply.js";
import type { Route } from "./route.js";

/**
 * The tag or digest that a route names, or `undefined` for what can be no tag,
 * and for a digest of a kind that we never have: these name nothing here.
 * @throws Refusal `DIGEST_INVALID` (400)
 */
export function readReference(route: Route): ManifestReference | undefined {
  if (!("reference" in route)) return undefined;
  const text = route.reference;
  if (route.kind === "manifest" && !text.includes(":")) {
    return isTag(text) ? { tag: text } : undefined;
  }
  const digest = readDigest(text);
  return digest && { digest };
}

type Referring = Extract<Route, { readonly reference: string }>;

export async function sendManifest(
  repository: Repository,
  { name, reference: text }: Referring,
  wanted: ManifestReference | undefined,
  conversation: Conversation,
): Promise<void> {
  const unknown = (message: string): Refusal =>
    new Refusal(404, "MANIFEST_UNKNOWN", message, { name, reference: text });
  const found = wanted && (await repository.manifest(wanted));
  if (found === undefined || wanted === undefined) {
    const why =
      wanted && "digest" in wanted
        ? await whyAbsent(repository, name, wanted.digest)
        : undefined;
    const message = "manifest unknown to the repository";
    throw unknown(why === undefined ? message : `${message}: ${why}`);
  }
  const accept = conversation.request.headers.accept;
  const manifest = await acceptable(repository, wanted, found, accept);
  if (manifest === undefined) {
    throw unknown(
      `the manifest is of type ${found.mediaType}, which the request does not accept`,
    );
  }
  const { digest, mediaType, bytes } = manifest;
  // What a tag gives depends on these: a cache must know.
  if ("tag" in wanted) conversation.response.setHeader("Vary", "Accept");
  await sendContent(conversation, {
    digest,
    mediaType,
    size: bytes.byteLength,
    immutable: "digest" in wanted,
    ranges: false,
    open: async function* all() {
      yield bytes;
    },
  });
}

/** What of a manifest can be given to a client that accepts these types. */
async function acceptable(
  repository: Repository,
  wanted: ManifestReference,
  found: ServedManifest,
  accept: string | undefined,
): Promise<ServedManifest | undefined> {
  if (accepts(accept, found.mediaType)) return found;
  if (!("tag" in wanted) || !isIndexType(found.mediaType)) return undefined;
  const image = ordinaryImage(accept, found.bytes);
  return image && (await repository.manifest(image));
}

export async function sendBlob(
  repository: Repository,
  { name, reference: text }: Referring,
  wanted: ManifestReference | undefined,
  conversation: Conversation,
): Promise<void> {
  const digest = wanted && "digest" in wanted ? wanted.digest : undefined;
  const blob = digest && (await repository.blob(digest));
  if (digest === undefined || blob === undefined) {
    throw new Refusal(404, "BLOB_UNKNOWN", "blob unknown to the repository", {
      name,
      digest: text,
    });
  }
  await sendContent(conversation, {
    digest,
    mediaType: "application/octet-stream",
    size: blob.size,
    immutable: true,
    ranges: true,
    open: (start, end) => blob.open(start, end),
  });
}

/**
 * A list of referrers is never "not found", as clients would then look for tags
 * of an older scheme: what is not there has an empty one.
 * @param repository undefined when there is none of that name
 */
export async function sendReferrers(
  repository: Repository | undefined,
  { name, query }: Referring,
  wanted: ManifestReference | undefined,
  conversation: Conversation,
): Promise<void> {
  const subject = wanted && "digest" in wanted ? wanted.digest : undefined;
  const all =
    subject === undefined ? [] : ((await repository?.referrers(subject)) ?? []);
  const path = `/v2/${name}/referrers/${subject ?? ""}`;
  const page = referrersPage(all, query, path);
  const { response } = conversation;
  if (page.link !== undefined) response.setHeader("Link", page.link);
  if (page.filtered) response.setHeader("OCI-Filters-Applied", "artifactType");
  sendJson(conversation, 200, page.index, page.index.mediaType);
}

/**
 * The digest that `text` is; `undefined` for a well-formed one that is not sha256.
 * @throws Refusal `DIGEST_INVALID` (400)
 */
function readDigest(text: string): Digest | undefined {
  try {
    return parseDigest(text, "the request");
  } catch (error) {
    if (isTpullError(error) && error.code === "DIGEST_UNSUPPORTED") {
      return undefined;
    }
    throw new Refusal(400, "DIGEST_INVALID", "invalid digest", {
      digest: text,
    });
  }
}
