/** `tpull tag` */
import type { Answer } from "../answers/answer.js";

export const answerTag: Answer = async () => {
  throw new Error("tpull tag is on its way");
};
