/** `tpull history IMAGE` */
import { imageHistory } from "../../../store/survey/image-history.js";
import { openStore } from "../../../store/store.js";
import { jsonDocument, type Answer } from "../answers/answer.js";
import { type Column, formatRows } from "../format/rows.js";
import { localZone } from "../format/local-zone.js";
import { shownJson, shownLines } from "../terminal-text.js";
import { historyRow } from "./history-rows.js";
import { tellDamage, tellHolder } from "./notices.js";

export const answerHistory: Answer = async (context) => {
  const { images: [name = ""] = [], flags, output, isTTY, env } = context;
  const store = await openStore(context.root());
  const { steps, damage } = await imageHistory(store, name);
  if (flags.json) output.out(shownJson(jsonDocument(steps), isTTY));
  else {
    const human = flags.human ?? true;
    const options = {
      human,
      whole: flags["no-trunc"] === true,
      now: context.now(),
      zone: localZone(env),
    };
    const rows = steps.map((step) => historyRow(step, options));
    const isPlain = flags.format === undefined || flags.format === "table";
    const text =
      flags.quiet && isPlain
        ? rows.map(({ ID }) => `${ID}\n`).join("")
        : formatRows(
            { columns: columnsOf(human), headers: HEADERS, rows, rowType: ROW },
            flags.format,
          );
    output.out(shownLines(text, isTTY));
  }
  tellDamage(output, damage);
  if (!flags.quiet) tellHolder(output, store.layout);
  return 0;
};

const HEADERS = {
  ID: "IMAGE",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  CreatedBy: "CREATED BY",
  Size: "SIZE",
  Comment: "COMMENT",
} as const;

/** What docker's errors call a row. */
const ROW = "*image.historyContext";

/** Those of the table without a template. */
function columnsOf(human: boolean): Column[] {
  const date = human ? "CreatedSince" : "CreatedAt";
  const fields = ["ID", date, "CreatedBy", "Size", "Comment"] as const;
  return fields.map((field) => ({ field, header: HEADERS[field] }));
}
