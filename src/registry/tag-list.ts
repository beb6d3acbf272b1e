/** All tags of a repository, page by page (distribution spec, "Listing Tags"). */
import { isTpullError, TpullError } from "../../store/errors.js";
import { about } from "./errors.js";
import { headerValues, type ResponseHeaders } from "./headers.js";
import { parseJson } from "./json.js";
import type { Endpoint, HostConfig } from "./endpoint.js";
import { Places } from "./places.js";
import type { Retry } from "./retry.js";
import type { Reply, Repository, RetryScope, Session } from "./session.js";
import { joinSignals } from "./signals.js";

/** Tags asked for at once. Registries with a lower limit send fewer. */
const PAGE_SIZE = 1000;
/** Longest page that is read. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** Docker Hub sends 100 tags a page; no repository has come near a million. */
const MAX_PAGES = 10_000;
/** All of them are kept, to know them again. */
const MAX_TAGS = 1_000_000;
const TAG = /^\w[\w.-]{0,127}$/;

export interface TagListRequest extends Repository {
  readonly signals: readonly (AbortSignal | undefined)[];
  readonly onRetry: (retry: Retry, host: string) => void;
}

/** See `RegistryClient.tags`. */
export async function* streamTags(
  session: Session,
  request: TagListRequest,
): AsyncGenerator<string, void, undefined> {
  const { registry, repository, onRetry } = request;
  const name = `${registry}/${repository}`;
  const { signal, release } = joinSignals(...request.signals);
  const seen = new Set<string>();
  const asked = new Set<string>();
  try {
    // The registry itself knows best what it has; it is the last of its places.
    const want = { registry, capability: "resolve", item: "tags" } as const;
    const { places } = session;
    const [place] = (await places.candidates(want, signal)).slice(-1);
    const source = place as HostConfig;
    const host = Places.nameOf(registry, source);
    const scope: RetryScope = {
      host,
      signal,
      onRetry: (retry) => onRetry(retry, host),
    };
    let query: string | undefined = `n=${PAGE_SIZE}`;
    for (let pages = 0; query !== undefined; pages += 1) {
      if (pages === MAX_PAGES || asked.has(query)) throw goesRound(name);
      asked.add(query);
      const page = await session.retrying(scope, async () => {
        const endpoint = await places.endpoint(registry, source, signal);
        return fetchPage(session, request, endpoint, query ?? "", signal);
      });
      const fresh = page.tags.filter((tag) => !seen.has(tag));
      if (page.next !== undefined && fresh.length === 0) throw goesRound(name);
      for (const tag of fresh) {
        // A list may have a tag twice, in one page as well.
        if (seen.has(tag)) continue;
        if (seen.size === MAX_TAGS) throw goesRound(name);
        seen.add(tag);
        yield tag;
      }
      query = page.next;
    }
  } catch (error) {
    throw about(error, name, `the tags of ${name}`);
  } finally {
    release();
  }
}

interface Page {
  readonly tags: readonly string[];
  /** Query of the request for the next page. */
  readonly next: string | undefined;
}

async function fetchPage(
  session: Session,
  request: Repository,
  endpoint: Endpoint,
  query: string,
  signal: AbortSignal,
): Promise<Page> {
  const { registry, repository } = request;
  const name = `${registry}/${repository}`;
  const ask = (path: string): Promise<Reply> =>
    session.send({
      endpoint,
      method: "GET",
      registry,
      repository,
      subject: { kind: "tags", name, item: "tags" },
      path,
      headers: { accept: "application/json", "accept-encoding": "identity" },
      signal,
    });
  let reply = await ask(`tags/list?${query}`);
  if (reply.status === 400 && query === `n=${PAGE_SIZE}`) {
    // Some registries refuse a page of that size instead of sending a smaller one.
    reply.body.cancel();
    reply = await ask("tags/list");
  }
  if (reply.status !== 200) throw await session.refusal(reply);
  const bytes = await reply.body.collect(MAX_PAGE_BYTES);
  if (bytes === undefined) {
    reply.body.cancel();
    throw invalidList(name, `a page of it is over ${MAX_PAGE_BYTES} bytes`);
  }
  return {
    tags: readTags(bytes, name),
    next: nextQuery(reply.headers, reply.url, name),
  };
}

function readTags(bytes: Uint8Array, name: string): string[] {
  let tags: unknown;
  try {
    ({ tags } = Object(parseJson(bytes).value) as { tags?: unknown });
  } catch (error) {
    if (isTpullError(error)) throw error;
    throw invalidList(name, "it is not JSON");
  }
  // Registries write null for an empty list.
  const list = tags ?? [];
  if (!Array.isArray(list)) throw invalidList(name, "it has no list of tags");
  return list.filter(
    (tag): tag is string => typeof tag === "string" && TAG.test(tag),
  );
}

/**
 * The query of the link to the next page. The rest of the link has to be the
 * address that was asked, whatever its scheme: behind a proxy registries often
 * name the wrong one. So no link can lead anywhere else.
 */
function nextQuery(
  headers: ResponseHeaders,
  asked: URL,
  name: string,
): string | undefined {
  for (const value of headerValues(headers, "link")) {
    const link = /<([^<>]*)>\s*;[^,<]*\brel="?next"?/i.exec(value)?.[1];
    if (link === undefined) continue;
    const url = URL.canParse(link, asked.href)
      ? new URL(link, asked)
      : undefined;
    if (
      url === undefined ||
      url.host !== asked.host ||
      url.pathname !== asked.pathname
    ) {
      throw invalidList(name, "its next page is at another address");
    }
    return url.search.slice(1);
  }
  return undefined;
}

function goesRound(name: string): TpullError {
  return invalidList(name, "it goes round in circles or has no end");
}

function invalidList(name: string, why: string): TpullError {
  return new TpullError(
    "TAG_LIST_INVALID",
    `${name}: the registry's list of tags cannot be read: ${why}`,
  );
}
