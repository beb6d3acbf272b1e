/** `tpull info`, which is also `tpull system info` */
import { openStore, storeInfo } from "../../../store/index.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { executeTemplate, parseTemplate } from "../template/template.js";
import { infoText } from "./info-text.js";
import { infoValue } from "./info-value.js";
import { tellDamage } from "./notices.js";

export const answerInfo: Answer = async ({ flags, root, output }) => {
  const { format } = flags;
  const template =
    format === undefined || format === "json"
      ? undefined
      : parseTemplate(format);
  const info = await storeInfo(await openStore(root()));
  if (flags.json || format === "json") output.out(jsonDocument(info));
  else if (template === undefined) output.out(infoText(info));
  else output.out(`${executeTemplate(template, infoValue(info))}\n`);
  tellDamage(output, info.damage);
  return 0;
};
