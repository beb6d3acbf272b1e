/**
 * A read-only registry as a handler for node:http: the pull and content
 * discovery endpoints of the OCI distribution-spec.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { isTpullError, parseDigest } from "../../store/index.js";
import type { Digest } from "../../store/index.js";
import type { Content, ManifestReference, Repository } from "./content.js";
import { isTag } from "./names.js";
import { pageOf } from "./paging.js";
import { Refusal } from "./refusal.js";
import { sendContent, sendJson, sendRefusal } from "./reply.js";
import { parseRoute } from "./route.js";

export type RegistryHandler = (
  request: IncomingMessage,
  response: ServerResponse,
) => void;

export interface RegistryHandlerOptions {
  /**
   * Told what the content threw while a request was answered; the client gets
   * status 500, or a closed connection when its reply had begun. Requests that
   * are refused and clients that go away are no errors.
   */
  onError?: ((error: unknown) => void) | undefined;
}

/**
 * Answers `GET` and `HEAD` below `/v2/` from `content`: ping, manifests by tag
 * and digest, blobs with ranges, tags and catalog in pages. Everything else is
 * refused with an error body of the specification. Never throws.
 */
export function createRegistryHandler(
  content: Content,
  options: RegistryHandlerOptions = {},
): RegistryHandler {
  return (request, response) => {
    response.setHeader("Docker-Distribution-API-Version", "registry/2.0");
    response.setHeader("X-Content-Type-Options", "nosniff");
    answer(content, request, response).catch((error: unknown) => {
      if (error instanceof Refusal) {
        sendRefusal(request, response, error);
        return;
      }
      if (response.headersSent) response.destroy();
      else {
        const refusal = new Refusal(500, "UNKNOWN", "the registry failed");
        sendRefusal(request, response, refusal);
      }
      options.onError?.(error);
    });
  };
}

async function answer(
  content: Content,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const route = parseRoute(request.url ?? "");
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new Refusal(
      405,
      "UNSUPPORTED",
      "this registry is read-only",
      { method: request.method },
      { Allow: "GET, HEAD" },
    );
  }
  if (route.kind === "ping") {
    sendJson(request, response, 200, {});
    return;
  }
  if (route.kind === "catalog") {
    const names = await content.repositories();
    const page = pageOf(names, route.query, "/v2/_catalog");
    if (page.link !== undefined) response.setHeader("Link", page.link);
    sendJson(request, response, 200, { repositories: page.names });
    return;
  }
  const { name } = route;
  const repository = await content.repository(name);
  if (repository === undefined) {
    throw new Refusal(404, "NAME_UNKNOWN", "repository unknown", { name });
  }
  switch (route.kind) {
    case "tags": {
      const tags = await repository.tags();
      const page = pageOf(tags, route.query, `/v2/${name}/tags/list`);
      if (page.link !== undefined) response.setHeader("Link", page.link);
      sendJson(request, response, 200, { name, tags: page.names });
      return;
    }
    case "manifest":
      await sendManifest(repository, name, route.reference, request, response);
      return;
    case "blob":
      await sendBlob(repository, name, route.reference, request, response);
      return;
    case "upload":
      throw new Refusal(404, "UNSUPPORTED", "this registry has no uploads");
  }
}

async function sendManifest(
  repository: Repository,
  name: string,
  text: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const unknown = (): Refusal =>
    new Refusal(404, "MANIFEST_UNKNOWN", "manifest unknown to the repository", {
      name,
      reference: text,
    });
  const reference = parseManifestReference(text);
  if (reference === undefined) throw unknown();
  const manifest = await repository.manifest(reference);
  if (manifest === undefined) throw unknown();
  const { digest, mediaType, bytes } = manifest;
  await sendContent(request, response, {
    digest,
    mediaType,
    size: bytes.byteLength,
    immutable: "digest" in reference,
    ranges: false,
    open: () => Readable.from([bytes], { objectMode: false }),
  });
}

/** What can be no tag, and a digest of a kind that we never have, name nothing that is here. */
function parseManifestReference(text: string): ManifestReference | undefined {
  if (!text.includes(":")) return isTag(text) ? { tag: text } : undefined;
  const digest = readDigest(text);
  return digest && { digest };
}

async function sendBlob(
  repository: Repository,
  name: string,
  text: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const digest = readDigest(text);
  const blob = digest && (await repository.blob(digest));
  if (digest === undefined || blob === undefined) {
    throw new Refusal(404, "BLOB_UNKNOWN", "blob unknown to the repository", {
      name,
      digest: text,
    });
  }
  await sendContent(request, response, {
    digest,
    mediaType: "application/octet-stream",
    size: blob.size,
    immutable: true,
    ranges: true,
    open: (start, end) => blob.open(start, end),
  });
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
