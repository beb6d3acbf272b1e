/** `tpull verify` */
import type { Answer } from "../answers/answer.js";

export const answerVerify: Answer = async () => {
  throw new Error("tpull verify is on its way");
};
