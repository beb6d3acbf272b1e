/** `tpull info`, which is also `tpull system info` */
import { openStore } from "../../../store/store.js";
import { storeInfo } from "../../../store/survey/store-info.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { executeTemplate, parseTemplate } from "../template/template.js";
import { shownJson, shownLines } from "../terminal-text.js";
import { daemonSettings } from "./daemon-settings.js";
import { infoText } from "./info-text.js";
import { infoValue } from "./info-value.js";
import { tellDamage } from "./notices.js";

export const answerInfo: Answer = async ({
  flags,
  root,
  output,
  isTTY,
  stdin,
}) => {
  const { format } = flags;
  const template =
    format === undefined || format === "json"
      ? undefined
      : parseTemplate(format);
  const file = flags["daemon-json"];
  const daemon =
    file === undefined ? undefined : await daemonSettings(file, stdin);
  const info = await storeInfo(await openStore(root()), { daemon });
  if (flags.json || format === "json") {
    output.out(shownJson(jsonDocument(info), isTTY));
  } else if (template === undefined) output.out(infoText(info));
  else {
    const text = executeTemplate(template, infoValue(info));
    output.out(shownLines(`${text}\n`, isTTY));
  }
  tellDamage(output, info.damage);
  return 0;
};
