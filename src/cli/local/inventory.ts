/** `tpull inventory` */
import { existsSync } from "node:fs";
import { inventory, openStore } from "../../../store/index.js";
import { type Answer, jsonDocument } from "../answers/answer.js";
import { oneLine } from "../terminal-text.js";

/** A document in any case: it is made for tpull on the other side. */
export const answerInventory: Answer = async ({ output, root }) => {
  const store = await openStore(root());
  // Before the first load this is as it should be.
  if (!existsSync(store.root)) {
    output.err(
      `tpull: there is no data root at ${oneLine(store.root)}: the inventory is empty\n`,
    );
  }
  output.out(jsonDocument(await inventory(store)));
  return 0;
};
