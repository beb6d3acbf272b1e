/** `tpull df` */
import type { Answer } from "../answers/answer.js";

export const answerDf: Answer = async () => {
  throw new Error("tpull df is on its way");
};
