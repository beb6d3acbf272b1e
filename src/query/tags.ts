/** The tags of a repository. */
import { parseRepository } from "../repository.js";
import { Query, type QueryOptions } from "./query.js";

/**
 * The tags of a repository in the registry's order, page by page as they are
 * read. Stores nothing.
 * @throws TpullError with a code of the README's table, from the first step on
 */
export async function* tags(
  repository: string,
  options: QueryOptions = {},
): AsyncGenerator<string, void, undefined> {
  const parsed = parseRepository(repository);
  await using query = new Query(repository, options);
  try {
    yield* query.client.tags(parsed, query.call);
  } catch (error) {
    throw query.explain(error, parsed);
  }
}
