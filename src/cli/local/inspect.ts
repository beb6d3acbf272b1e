/** `tpull inspect` */
import type { Answer } from "../answers/answer.js";

export const answerInspect: Answer = async () => {
  throw new Error("tpull inspect is on its way");
};
