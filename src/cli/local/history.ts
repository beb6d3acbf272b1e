/** `tpull history` */
import type { Answer } from "../answers/answer.js";

export const answerHistory: Answer = async () => {
  throw new Error("tpull history is on its way");
};
