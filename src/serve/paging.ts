/** Lists in pages (OCI distribution-spec, "Listing tags"; the same for the catalog). */
import { compareNames } from "./names.js";
import { Refusal } from "./refusal.js";

export interface Page {
  readonly names: readonly string[];
  /** Value of the `Link` header, when more names follow. */
  readonly link: string | undefined;
}

/**
 * Cuts the page out of `names` that the query asks for: at most `n` names that
 * follow `last` in the order of the list; `last` itself need not be in it.
 * @param path is the URL's path, for the link to the next page
 * @throws Refusal `PAGINATION_NUMBER_INVALID` (400)
 */
export function pageOf(
  names: readonly string[],
  query: URLSearchParams,
  path: string,
): Page {
  const limit = readLimit(query.get("n"));
  const last = query.get("last");
  const following = [...names]
    .sort(compareNames)
    .filter((name) => last === null || compareNames(name, last) > 0);
  const page = following.slice(0, limit);
  const lastOfPage = page.at(-1);
  if (lastOfPage === undefined || page.length === following.length) {
    return { names: page, link: undefined };
  }
  const next = new URLSearchParams({ n: String(limit), last: lastOfPage });
  return { names: page, link: `<${path}?${next.toString()}>; rel="next"` };
}

/** Without `n` there is one page. */
function readLimit(n: string | null): number {
  if (n === null) return Infinity;
  if (!/^\d{1,15}$/.test(n)) {
    throw new Refusal(
      400,
      "PAGINATION_NUMBER_INVALID",
      "n is not a number of entries",
      { n },
    );
  }
  return Number(n);
}
