/** Values in compose files: text with variables in it. */
import { printable } from "../../store/reference/printable.js";
import type { Variables } from "./compose-files.js";
import { invalidList } from "./listed.js";
import { expand, VariableMissingError } from "./variables.js";

/**
 * A text with its variables put in.
 * @param where it stands, for messages
 * @throws TpullError `IMAGE_LIST_INVALID`, also where a variable without a value leaves nothing, or a reference without its end
 */
export function expandedText(
  given: unknown,
  where: string,
  variables: Variables,
): string {
  if (typeof given !== "string") throw invalidList(where, "is no text");
  try {
    const { text, unset } = expand(given, variables, true);
    if (text === "" || /[:/@]$/.test(text)) {
      const why =
        unset.length === 0 ? "" : `, since ${unset.join(", ")} is not set`;
      throw invalidList(where, `${given} comes to "${text}"${why}`);
    }
    return text;
  } catch (error) {
    if (error instanceof VariableMissingError) {
      throw invalidList(where, printable(error.message));
    }
    throw error;
  }
}
