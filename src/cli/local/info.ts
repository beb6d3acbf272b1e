/** `tpull info` */
import type { Answer } from "../answers/answer.js";

export const answerInfo: Answer = async () => {
  throw new Error("tpull info is on its way");
};
