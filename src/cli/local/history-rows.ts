/** The steps of an image as the rows of docker's table. */
import { shortId } from "../../../store/digest.js";
import { parseRfc3339, ZERO_TIME } from "../../../store/survey/go-time.js";
import type { HistoryStep } from "../../../store/survey/image-history.js";
import { formatDate, momentIn, RFC_3339_LAYOUT } from "../format/go-dates.js";
import type { Row } from "../format/rows.js";
import { humanAge, humanSize } from "../format/units.js";
import { ellipsis } from "../format/width.js";
import type { Zone } from "../format/local-zone.js";

export interface HistoryRowOptions {
  /** Sizes and dates for people; else bytes and dates in full. */
  readonly human: boolean;
  /** Whole IDs and commands. */
  readonly whole: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** In which the dates are. */
  readonly zone: Zone;
}

const COMMAND_COLUMNS = 45;
/** The year 2000: what is said to be older has no age. */
const OLDEST = 946_684_800;

/** One step, with all fields of docker's listing. (docker/cli, cli/command/image/formatter_history.go.) */
export function historyRow(
  { id, created, createdBy, size, comment }: HistoryStep,
  { human, whole, now, zone }: HistoryRowOptions,
): Row {
  const time = created === undefined ? undefined : parseRfc3339(created);
  const { seconds } = time ?? ZERO_TIME;
  const date = formatDate(momentIn(zone, seconds), RFC_3339_LAYOUT);
  const age = seconds <= OLDEST ? "N/A" : humanAge(seconds * 1000, now);
  const command = createdBy.replaceAll("\t", " ");
  return {
    ID: id === undefined ? "<missing>" : whole ? id : shortId(id),
    CreatedSince: human ? age : date,
    CreatedAt: date,
    CreatedBy: whole ? command : ellipsis(command, COMMAND_COLUMNS),
    Size: human ? humanSize(size) : String(size),
    Comment: comment,
  };
}
