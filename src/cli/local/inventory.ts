/** `tpull inventory` */
import { inventory, openStore } from "../../../store/index.js";
import { type Answer, jsonDocument } from "../answers/answer.js";

/** A document in any case: it is made for tpull on the other side. */
export const answerInventory: Answer = async ({ output, root }) => {
  output.out(jsonDocument(await inventory(await openStore(root()))));
  return 0;
};
