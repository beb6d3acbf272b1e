/**
 * Image references: what a person writes (`nginx`, `ghcr.io/o/app:1@sha256:…`)
 * and the two forms in which docker writes them down.
 *
 *     reference  = [ host [ ":" port ] "/" ] repository [ ":" tag ] [ "@" digest ]
 *     repository = component { "/" component }
 *
 * Grammar and normalisation are those of docker's reference library
 * (github.com/distribution/reference).
 */
import { parseDigest, type Digest } from "../digest.js";
import { isTpullError } from "../errors.js";
import { quoted, shownReference } from "./printable.js";
import {
  checkDigest,
  checkRepository,
  checkTag,
  checkWhole,
  invalidReference,
} from "./grammar.js";
import { checkRegistry } from "./host.js";

/** Name of Docker Hub in references; its API answers at another host. */
export const DOCKER_HUB = "docker.io";
const LEGACY_DOCKER_HUB = "index.docker.io";
/** Namespace of the Hub's official images, which people leave out. */
const OFFICIAL = "library/";
const DEFAULT_TAG = "latest";

/** A checked reference. At least one of `tag` and `digest` is there; the digest decides what is pulled. */
export interface Reference {
  /** host[:port] as written; `docker.io` for Docker Hub. */
  readonly registry: string;
  /** Path at the registry, with `library/` for the Hub's official images. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/**
 * Reads a reference as docker does and fills in what was left out: the host
 * `docker.io`, the namespace `library/`, and the tag `latest` unless there is a
 * tag or a digest. The result is frozen.
 *
 * Refused like docker does: names that it reserves (`scratch`, `sha256`) and
 * bare image IDs. Refused here though docker only fails on them later: hosts
 * that nothing can connect to (a port beyond 65535, `_` in the name).
 * @throws TpullError `REFERENCE_INVALID`, or `DIGEST_UNSUPPORTED` for a
 *   well-formed digest that is not sha256
 */
export function parseReference(text: string): Reference {
  if (typeof text !== "string") {
    throw invalidReference(`a reference is a string, not ${typeof text}`);
  }
  const shown = shownReference(text);
  try {
    return parse(text, shown);
  } catch (error) {
    if (!isTpullError(error) || error.code !== "REFERENCE_INVALID") throw error;
    throw error.with({}, `invalid reference ${shown}: `);
  }
}

function parse(text: string, shown: string): Reference {
  checkWhole(text);
  const at = text.indexOf("@");
  const beforeDigest = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined) checkDigest(digest);

  const slash = beforeDigest.indexOf("/");
  const host = hostBefore(beforeDigest, slash);
  if (host !== undefined) checkRegistry(host);
  const registry =
    host === undefined || host === LEGACY_DOCKER_HUB ? DOCKER_HUB : host;

  const rest =
    host === undefined ? beforeDigest : beforeDigest.slice(slash + 1);
  const colon = rest.indexOf(":");
  const path = colon < 0 ? rest : rest.slice(0, colon);
  if (path === "") throw missingRepository(host, text);
  const official = registry === DOCKER_HUB && !path.includes("/");
  const repository = official ? OFFICIAL + path : path;
  const written = beforeDigest.slice(
    0,
    beforeDigest.length - (rest.length - path.length),
  );
  checkRepository(repository, written);

  const tag = colon < 0 ? undefined : rest.slice(colon + 1);
  if (tag !== undefined) checkTag(tag);
  const reference: Reference = Object.freeze({
    registry,
    repository,
    ...(tag !== undefined
      ? { tag }
      : digest === undefined
        ? { tag: DEFAULT_TAG }
        : {}),
    ...(digest === undefined
      ? {}
      : { digest: parseDigest(digest, `reference ${shown}`) }),
  });
  checkReserved(reference);
  return reference;
}

/**
 * What stands before the first slash names a host only if it could not be a
 * namespace on the Hub. Without a slash there is no host: `localhost:5000` is a
 * repository and its tag.
 */
function hostBefore(name: string, slash: number): string | undefined {
  if (slash < 0) {
    if (name.startsWith("[")) throw missingRepository(name, name);
    return undefined;
  }
  const first = name.slice(0, slash);
  return first === "localhost" || /[.:A-Z[]/.test(first) ? first : undefined;
}

function missingRepository(host: string | undefined, text: string): Error {
  return invalidReference(
    host === undefined
      ? `no repository stands before the "${text.charAt(0)}"`
      : `no repository follows the registry host ${quoted(host)}`,
  );
}

/** Names that docker parses but never lets an image have. */
function checkReserved(reference: Reference): void {
  const name = familiarRepository(reference);
  if (name === "scratch") {
    throw invalidReference(
      '"scratch" is reserved: it stands for no image at all',
    );
  }
  if (name === "sha256") {
    throw invalidReference(
      "a repository cannot have the name of the digest algorithm sha256",
      "A digest follows the repository: name@sha256:<64 hex digits>.",
    );
  }
}

/**
 * `registry/repository`, without tag and digest: `docker.io/library/nginx`.
 * This is the `SourceRepository` of docker's v2metadata.
 */
export function canonicalRepository(reference: Reference): string {
  return `${reference.registry}/${reference.repository}`;
}

/**
 * The whole reference with nothing left out: `docker.io/library/nginx:latest`.
 * A tag beside a digest is kept (`…/nginx:1.27@sha256:…`), as in the line that
 * `docker pull` prints last. Parsing the result gives the same reference again.
 */
export function canonicalName(reference: Reference): string {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  const digest = reference.digest === undefined ? "" : `@${reference.digest}`;
  return canonicalRepository(reference) + tag + digest;
}

/**
 * The repository as docker shows it and as `repositories.json` groups by it:
 * without `docker.io/`, and without `library/` where nothing but the official
 * image's name follows (`nginx`, `user/app`, `127.0.0.1:5000/team/app`).
 */
export function familiarRepository(reference: Reference): string {
  if (reference.registry !== DOCKER_HUB) return canonicalRepository(reference);
  const path = reference.repository;
  const name = path.startsWith(OFFICIAL) ? path.slice(OFFICIAL.length) : path;
  return name.includes("/") ? path : name;
}

/**
 * The reference as docker records it in `repositories.json`: `nginx:latest`, or
 * `nginx@sha256:…` alone where there is a digest, since docker does not set a
 * tag that it has not asked the registry for.
 */
export function familiarName(reference: Reference): string {
  const { tag, digest } = reference;
  const suffix = digest === undefined ? `:${tag ?? DEFAULT_TAG}` : `@${digest}`;
  return familiarRepository(reference) + suffix;
}
