/** `tpull rmi` */
import type { Answer } from "../answers/answer.js";

export const answerRmi: Answer = async () => {
  throw new Error("tpull rmi is on its way");
};
