/** `tpull tag IMAGE NAME[:TAG]...` */
import { tagImage } from "../../../store/manage/tag-image.js";
import { openStore } from "../../../store/store.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { changeOptions } from "./change-options.js";

export const answerTag: Answer = async (context) => {
  const [image = "", ...names] = context.images;
  const store = await openStore(context.root());
  const tagged = await tagImage(store, image, names, changeOptions(context));
  if (context.flags.json) context.output.out(jsonDocument(tagged));
  return 0;
};
