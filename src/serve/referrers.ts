/** Lists of referrers (OCI distribution-spec, "Listing Referrers"). */
import type { Referrer } from "./content.js";

const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
/** No client takes a larger index. */
const MAX_INDEX_BYTES = 4 * 1024 * 1024;

export interface ReferrersPage {
  readonly index: {
    readonly schemaVersion: 2;
    readonly mediaType: typeof INDEX_TYPE;
    readonly manifests: readonly Referrer[];
  };
  /** Whether only those of one artifact type were asked for. */
  readonly filtered: boolean;
  /** Value of the `Link` header, when more follow. */
  readonly link: string | undefined;
}

/**
 * The referrers that a query asks for, by digest, as many as an index may hold.
 * @param path is the URL's path, for the link to the next page
 */
export function referrersPage(
  all: readonly Referrer[],
  query: URLSearchParams,
  path: string,
): ReferrersPage {
  const type = query.get("artifactType");
  const last = query.get("last") ?? "";
  const following = all
    .filter(({ artifactType }) => type === null || artifactType === type)
    .filter(({ digest }) => digest > last)
    .toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  const manifests: Referrer[] = [];
  let room = MAX_INDEX_BYTES - 1024;
  for (const referrer of following) {
    room -= Buffer.byteLength(JSON.stringify(referrer)) + 1;
    if (room < 0 && manifests.length > 0) break;
    manifests.push(referrer);
  }
  const index = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests } as const;
  const filtered = type !== null;
  const end = manifests.at(-1);
  if (end === undefined || manifests.length === following.length) {
    return { index, filtered, link: undefined };
  }
  const next = new URLSearchParams({
    ...(type === null ? {} : { artifactType: type }),
    last: end.digest,
  });
  return { index, filtered, link: `<${path}?${next.toString()}>; rel="next"` };
}
