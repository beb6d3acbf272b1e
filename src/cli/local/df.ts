/** `tpull df`, which is also `tpull system df` */
import { diskUsage, openStore } from "../../../store/index.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { formatRows } from "../format/rows.js";
import { detailsAs, detailsText } from "./df-details.js";
import { DF_COLUMNS, summaryRows } from "./df-summary.js";
import { tellDamage, tellHolder } from "./notices.js";

export const answerDf: Answer = async ({ flags, root, output, query, now }) => {
  const store = await openStore(root());
  const usage = await diskUsage(store, { signal: query.signal });
  const { format } = flags;
  if (flags.json) output.out(jsonDocument(usage));
  else if (!flags.verbose) {
    const listing = {
      columns: DF_COLUMNS,
      rows: summaryRows(usage),
      rowType: "*formatter.diskUsageImagesContext",
    };
    output.out(formatRows(listing, format));
  } else if (format === undefined || format === "table") {
    output.out(detailsText(usage, now()));
  } else {
    output.out(detailsAs(format, usage, now()));
  }
  tellDamage(output, usage.damage);
  tellHolder(output, store.layout);
  return 0;
};
