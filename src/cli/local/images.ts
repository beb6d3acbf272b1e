/** `tpull images` */
import type { Answer } from "../answers/answer.js";

export const answerImages: Answer = async () => {
  throw new Error("tpull images is on its way");
};
