/** `tpull prune` */
import type { Answer } from "../answers/answer.js";

export const answerPrune: Answer = async () => {
  throw new Error("tpull prune is on its way");
};
