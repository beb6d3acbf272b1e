/** `tpull df`, which is also `tpull system df` */
import { openStore } from "../../../store/store.js";
import type { DiskUsage } from "../../../store/survey/disk-report.js";
import { diskUsage } from "../../../store/survey/disk-usage.js";
import {
  type Answer,
  type AnswerContext,
  jsonDocument,
} from "../answers/answer.js";
import { localZone } from "../format/local-zone.js";
import { formatRows } from "../format/rows.js";
import { shownJson, shownLines } from "../terminal-text.js";
import { detailsAs, detailsText } from "./df-details.js";
import { DF_COLUMNS, RAW_SUMMARY, summaryRows } from "./df-summary.js";
import { tellDamage, tellHolder } from "./notices.js";

export const answerDf: Answer = async (context) => {
  const { root, output, query } = context;
  const store = await openStore(root());
  const usage = await diskUsage(store, { signal: query.signal });
  output.out(shown(usage, context));
  tellDamage(output, usage.damage);
  tellHolder(output, store.layout);
  return 0;
};

function shown(
  usage: DiskUsage,
  { flags, isTTY, env, now }: AnswerContext,
): string {
  const { format } = flags;
  if (flags.json) return shownJson(jsonDocument(usage), isTTY);
  if (!flags.verbose) {
    const listing = {
      columns: DF_COLUMNS,
      rows: summaryRows(usage),
      rowType: "*formatter.diskUsageImagesContext",
    };
    const template = format === "raw" ? RAW_SUMMARY : format;
    return shownLines(formatRows(listing, template), isTTY);
  }
  const text =
    format === undefined || format === "table"
      ? detailsText(usage, now())
      : detailsAs(format, usage, now(), localZone(env));
  return shownLines(text, isTTY);
}
