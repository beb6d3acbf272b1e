/** Listed images as the rows of docker's table: one for each name. */
import { shortId } from "../../../store/digest.js";
import { parseRfc3339, ZERO_TIME } from "../../../store/survey/go-time.js";
import { repositoryOf } from "../../../store/repositories.js";
import type { ListedImage } from "../../../store/survey/list-images.js";
import { formatDate, momentIn, PLAIN_LAYOUT } from "../format/go-dates.js";
import type { Row } from "../format/rows.js";
import { humanAge, humanSize } from "../format/units.js";
import type { Zone } from "../format/local-zone.js";

export interface ImageRowOptions {
  /** Whether names that are digests have rows of their own. */
  readonly digests: boolean;
  /** Whether each tag has a row for each digest of its repository. */
  readonly digestsOfTags: boolean;
  readonly wholeIds: boolean;
  /** What stands for the age of an image without one. */
  readonly noAge: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** In which the dates are. */
  readonly zone: Zone;
}

const NONE = "<none>";
/** What docker says of facts that its listing does not gather. */
const NOT_GATHERED = "N/A";

/** The rows of one image, with all fields of docker's listing. (docker/cli, cli/command/formatter/image.go.) */
export function imageRows(image: ListedImage, options: ImageRowOptions): Row[] {
  const { id, size } = image;
  const { now, zone, wholeIds, noAge } = options;
  const created = createdSeconds(image);
  const facts = {
    ID: wholeIds ? id : shortId(id),
    CreatedSince:
      created === ZERO_TIME.seconds ? noAge : humanAge(created * 1000, now),
    CreatedAt: formatDate(momentIn(zone, created), PLAIN_LAYOUT),
    Size: humanSize(size),
    Containers: NOT_GATHERED,
    SharedSize: NOT_GATHERED,
    UniqueSize: NOT_GATHERED,
    VirtualSize: humanSize(size, 4),
  };
  return namesOf(image, options).map(([Repository, Tag, Digest]) => ({
    Repository,
    Tag,
    Digest,
    ...facts,
  }));
}

/** Without a date in the config it is Go's time without a value, the year 1, for which docker shows no age. */
function createdSeconds({ created }: ListedImage): number {
  const time = created === undefined ? undefined : parseRfc3339(created);
  return (time ?? ZERO_TIME).seconds;
}

type Name = readonly [repository: string, tag: string, digest: string];

function namesOf(
  { tags, digests }: ListedImage,
  { digests: withDigests, digestsOfTags }: ImageRowOptions,
): Name[] {
  if (tags.length + digests.length === 0) return [[NONE, NONE, NONE]];
  const tagged = grouped(tags);
  const digested = grouped(digests);
  const names: Name[] = [];
  for (const [repository, own] of tagged) {
    const beside = digestsOfTags ? (digested.get(repository) ?? []) : [];
    for (const tag of own) {
      const shown = beside.length === 0 ? [NONE] : beside;
      for (const digest of shown) names.push([repository, tag, digest]);
    }
  }
  for (const [repository, own] of digested) {
    if (tagged.has(repository)) continue;
    const shown = withDigests ? own : [""];
    for (const digest of shown) names.push([repository, NONE, digest]);
  }
  return names;
}

/** What follows each repository: tags, or digests. */
function grouped(references: readonly string[]): Map<string, string[]> {
  const byRepository = new Map<string, string[]>();
  for (const reference of references) {
    const repository = repositoryOf(reference);
    const own = byRepository.get(repository) ?? [];
    own.push(reference.slice(repository.length + 1));
    byRepository.set(repository, own);
  }
  return byRepository;
}
