/** The URLs of a registry (OCI distribution-spec, "Endpoints"). */
import { Refusal } from "./refusal.js";
import { isRepositoryName } from "./names.js";

/** The kinds of requests, for logs and metrics. */
export type RouteKind = Route["kind"] | "other";

/** What a URL asks for. References and digests are still as the client wrote them. */
export type Route = { readonly query: URLSearchParams } & (
  | { readonly kind: "ping" }
  | { readonly kind: "catalog" }
  | { readonly kind: "tags"; readonly name: string }
  | {
      readonly kind: "manifest" | "blob" | "referrers";
      readonly name: string;
      readonly reference: string;
    }
  /** An upload: known, so that a push is told what is wrong, but never served. */
  | { readonly kind: "upload"; readonly name: string }
);

/** Scheme and authority of a request made as if to a proxy. */
const ORIGIN = /^https?:\/\/[^/?#]*/i;

// The name is everything before the last two segments: `blobs` and the like
// may be parts of a name.
const OF_REPOSITORY =
  /^\/v2\/(?<name>.*)\/(?:(?<tags>tags\/list)|(?<upload>blobs\/uploads\/[^/]*)|referrers\/(?<subject>[^/]+)|manifests\/(?<manifest>[^/]+)|blobs\/(?<blob>[^/]+))$/s;

/**
 * Reads the target of a request. A repository name is checked by its grammar
 * here, before anybody looks for it.
 * @throws Refusal `NAME_INVALID` (400); `UNSUPPORTED` (404) for a URL that this API does not have
 */
export function parseRoute(target: string): Route {
  const [rawPath = "", rawQuery = ""] = target
    .replace(ORIGIN, "")
    .split("?", 2);
  const query = new URLSearchParams(rawQuery);
  const path = decodePath(rawPath);
  if (path === "/v2/" || path === "/v2") return { kind: "ping", query };
  if (path === "/v2/_catalog") return { kind: "catalog", query };
  const parts = OF_REPOSITORY.exec(path)?.groups;
  if (parts === undefined) {
    throw new Refusal(404, "UNSUPPORTED", "this registry has no such endpoint");
  }
  const { name = "", tags, upload, manifest, subject, blob } = parts;
  if (!isRepositoryName(name)) {
    throw new Refusal(400, "NAME_INVALID", "invalid repository name", { name });
  }
  if (tags !== undefined) return { kind: "tags", name, query };
  if (upload !== undefined) return { kind: "upload", name, query };
  if (manifest !== undefined) {
    return { kind: "manifest", name, reference: manifest, query };
  }
  if (subject !== undefined) {
    return { kind: "referrers", name, reference: subject, query };
  }
  return { kind: "blob", name, reference: blob ?? "", query };
}

function decodePath(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    throw new Refusal(400, "NAME_INVALID", "the path is not valid UTF-8 text");
  }
}
