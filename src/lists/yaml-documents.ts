/** The documents of a YAML file, or of a JSON one, which is YAML, too. */
import { TpullError } from "../../store/index.js";

/** Values that aliases in YAML may be written out to: more is a bomb. */
const MOST_ALIASES = 1000;

/** @throws TpullError `IMAGE_LIST_INVALID` */
export async function yamlDocuments(content: string): Promise<unknown[]> {
  const { parseAllDocuments } = await import("yaml");
  const parsed = parseAllDocuments(content, {
    merge: true,
    logLevel: "silent",
  });
  return [...parsed].map((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      const [line = ""] = error.message.split("\n");
      throw new TpullError("IMAGE_LIST_INVALID", `this is no YAML: ${line}`);
    }
    try {
      return document.toJS({ maxAliasCount: MOST_ALIASES }) as unknown;
    } catch (error) {
      const { message } = error as Error;
      throw new TpullError(
        "IMAGE_LIST_INVALID",
        `this YAML cannot be read: ${message}`,
      );
    }
  });
}
