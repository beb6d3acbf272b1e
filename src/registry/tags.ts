/** Tags near to one that does not exist, for the message about it. */
import { isTpullError, TpullError } from "../../store/errors.js";
import { parseJson } from "./json.js";
import type { Repository, Session } from "./session.js";

/** Longest tag list that is read. */
const MAX_LIST_BYTES = 1024 * 1024;
const MAX_SUGGESTIONS = 5;
const TAG = /^\w[\w.-]{0,127}$/;

/**
 * The same error with the nearest tags in its hint, if the registry gives them.
 * @throws TpullError `ABORTED`
 */
export async function withNearTags(
  session: Session,
  repository: Repository,
  tag: string,
  error: TpullError,
  signal: AbortSignal,
): Promise<TpullError> {
  const near = nearest(tag, await listTags(session, repository, signal));
  if (near.length === 0) return error;
  return new TpullError(error.code, error.message, {
    hint: `Tags close to it: ${near.join(", ")}.`,
    cause: error.cause,
    details: { ...error.details, nearTags: near },
  });
}

/** One try: a suggestion is worth no more. Empty when the list cannot be read. */
async function listTags(
  session: Session,
  { registry, repository }: Repository,
  signal: AbortSignal,
): Promise<string[]> {
  try {
    const want = { registry, capability: "resolve", item: "tags" } as const;
    // The registry itself knows best what it has; it is the last of its places.
    const [host] = (await session.places.candidates(want, signal)).slice(-1);
    if (host === undefined) return [];
    const reply = await session.send({
      endpoint: await session.places.endpoint(registry, host, signal),
      method: "GET",
      registry,
      repository,
      subject: {
        kind: "tags",
        name: `${registry}/${repository}`,
        item: "tags",
      },
      path: "tags/list?n=1000",
      headers: { accept: "application/json" },
      signal,
    });
    if (reply.status !== 200) {
      reply.body.cancel();
      return [];
    }
    const bytes = await reply.body.collect(MAX_LIST_BYTES);
    if (bytes === undefined) return [];
    const { tags } = Object(parseJson(bytes).value) as { tags?: unknown };
    if (!Array.isArray(tags)) return [];
    return tags.filter((tag) => typeof tag === "string" && TAG.test(tag));
  } catch (error) {
    if (isTpullError(error) && error.code === "ABORTED") throw error;
    return [];
  }
}

/** Of a few tags all are near; of many, those that begin alike or differ in few letters. */
export function nearest(tag: string, tags: readonly string[]): string[] {
  const few = tags.length <= MAX_SUGGESTIONS;
  const limit = Math.max(2, Math.floor(tag.length / 3));
  return tags
    .map((candidate) => ({ candidate, distance: distance(tag, candidate) }))
    .filter((one) => few || one.distance <= limit)
    .sort(
      (one, other) =>
        one.distance - other.distance ||
        one.candidate.length - other.candidate.length ||
        (one.candidate < other.candidate ? -1 : 1),
    )
    .slice(0, MAX_SUGGESTIONS)
    .map(({ candidate }) => candidate);
}

function distance(tag: string, candidate: string): number {
  const [short, long] =
    tag.length < candidate.length ? [tag, candidate] : [candidate, tag];
  return long.startsWith(short) ? 1 : edits(tag, candidate);
}

/** Letters to add, drop or replace (Levenshtein). */
function edits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let line = 1; line <= from.length; line++) {
    const next = [line];
    for (let column = 1; column <= to.length; column++) {
      const same = from[line - 1] === to[column - 1];
      next.push(
        Math.min(
          (row[column] ?? 0) + 1,
          (next[column - 1] ?? 0) + 1,
          (row[column - 1] ?? 0) + (same ? 0 : 1),
        ),
      );
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
