/** `tpull tag IMAGE NAME[:TAG]...` */
import { tagImage } from "../../../store/manage/tag-image.js";
import { openStore } from "../../../store/store.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { shownJson } from "../terminal-text.js";
import { changeOptions } from "./change-options.js";

export const answerTag: Answer = async (context) => {
  const [image = "", ...names] = context.images;
  const store = await openStore(context.root());
  const tagged = await tagImage(store, image, names, changeOptions(context));
  if (context.flags.json) {
    context.output.out(shownJson(jsonDocument(tagged), context.isTTY));
  }
  return 0;
};
