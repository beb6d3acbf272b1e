/** `tpull inspect IMAGE...` */
import { isTpullError, type TpullError } from "../../../store/errors.js";
import {
  inspected,
  type InspectedImage,
} from "../../../store/survey/inspect-image.js";
import { surveyed } from "../../../store/survey/survey.js";
import { openStore } from "../../../store/store.js";
import type { Answer } from "../answers/answer.js";
import { describeError, errorText } from "../report-error.js";
import { shownJson } from "../terminal-text.js";
import { inspectDocument, inspectLine } from "./inspect-json.js";
import { tellDamage, tellHolder } from "./notices.js";

interface Asked {
  readonly name: string;
  readonly found: InspectedImage | TpullError;
}

export const answerInspect: Answer = async (context) => {
  const { images: names, flags, output, isTTY } = context;
  const store = await openStore(context.root());
  const { result, damage } = await surveyed(store, (survey) =>
    names.map((name): Asked => {
      try {
        return { name, found: inspected(survey, name) };
      } catch (error) {
        if (!isTpullError(error)) throw error;
        return { name, found: error };
      }
    }),
  );
  const images = result.flatMap(({ found }) =>
    isTpullError(found) ? [] : [found],
  );
  const text =
    flags.format === "json" ? inspectLine(images) : inspectDocument(images);
  output.out(shownJson(`${text}\n`, isTTY));
  let status = 0;
  for (const { found } of result) {
    if (!isTpullError(found)) continue;
    output.err(errorText(describeError(found)));
    status = 1;
  }
  tellDamage(output, damage);
  tellHolder(output, store.layout);
  return status;
};
