/** `tpull history IMAGE` */
import {
  historyOf,
  type HistoryStep,
} from "../../../store/survey/image-history.js";
import { openStore } from "../../../store/store.js";
import {
  jsonDocument,
  type Answer,
  type AnswerContext,
} from "../answers/answer.js";
import { type Column, formatRows } from "../format/rows.js";
import { localZone } from "../format/local-zone.js";
import { errorText } from "../report-error.js";
import { shownJson, shownLines } from "../terminal-text.js";
import { historyRow } from "./history-rows.js";
import { askOfEach } from "./named-images.js";
import { tellDamage, tellHolder } from "./notices.js";

export const answerHistory: Answer = async (context) => {
  const { images: names, flags, output } = context;
  const store = await openStore(context.root());
  const asked = await askOfEach(store, names, historyOf);
  for (const steps of asked.values) output.out(shown(steps, context));
  for (const error of asked.errors) output.err(errorText(error));
  tellDamage(output, asked.damage);
  if (!flags.quiet) tellHolder(output, store.layout);
  return asked.errors.length === 0 ? 0 : 1;
};

function shown(
  steps: readonly HistoryStep[],
  { flags, isTTY, env, now }: AnswerContext,
): string {
  if (flags.json) return shownJson(jsonDocument(steps), isTTY);
  const human = flags.human ?? true;
  const options = {
    human,
    whole: flags["no-trunc"] === true,
    now: now(),
    zone: localZone(env),
  };
  const rows = steps.map((step) => historyRow(step, options));
  const isPlain = flags.format === undefined || flags.format === "table";
  const listing = {
    columns: columnsOf(human),
    headers: HEADERS,
    rows,
    rowType: ROW,
  };
  const text =
    flags.quiet && isPlain
      ? rows.map(({ ID }) => `${ID}\n`).join("")
      : formatRows(listing, flags.format);
  return shownLines(text, isTTY);
}

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
