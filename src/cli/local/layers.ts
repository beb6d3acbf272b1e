/** `tpull layers` */
import type { Answer } from "../answers/answer.js";

export const answerLayers: Answer = async () => {
  throw new Error("tpull layers is on its way");
};
