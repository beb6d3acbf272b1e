/** YAML as values, within bounds: what takes a parser forever is refused. Runs in a thread where it may take long. */
import {
  type Document,
  isAlias,
  isScalar,
  parseAllDocuments,
  visit,
} from "yaml";

/** Values that aliases in a document may be written out to: more is a bomb. */
const MOST_WRITTEN_OUT = 1000;
/** Each is looked for among all anchors before it. */
const MOST_ALIASES = 10_000;

/** Its message says what of the text is no YAML. */
export class YamlError extends Error {}

/** @throws YamlError */
export function parseYaml(content: string): unknown[] {
  const parsed = parseAllDocuments(content, {
    merge: true,
    logLevel: "silent",
    // The parser compares each key of a mapping with all before it.
    uniqueKeys: false,
  });
  return [...parsed].map((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      const [line = ""] = error.message.split("\n");
      throw new YamlError(`this is no YAML: ${line}`);
    }
    try {
      check(document, content);
      return document.toJS({ maxAliasCount: MOST_WRITTEN_OUT }) as unknown;
    } catch (error) {
      if (error instanceof YamlError) throw error;
      throw new YamlError(
        `this YAML cannot be read: ${(error as Error).message}`,
      );
    }
  });
}

/** Two values for one name, of which nobody knows which counts; too many aliases. */
function check(document: Document.Parsed, content: string): void {
  let aliases = 0;
  visit(document, {
    Alias() {
      aliases += 1;
      if (aliases > MOST_ALIASES) {
        throw new YamlError(
          `this YAML cannot be read: it has more than ${MOST_ALIASES} aliases`,
        );
      }
    },
    Map(_, map) {
      const seen = new Set<unknown>();
      for (const { key } of map.items) {
        if (isAlias(key) || !isScalar(key)) continue;
        const { value, range } = key;
        // Several merges may stand side by side.
        if (value === "<<") continue;
        if (seen.has(value)) {
          const line = content.slice(0, range?.[0] ?? 0).split("\n").length;
          throw new YamlError(
            `this is no YAML: Map keys must be unique: ${JSON.stringify(value)} comes again in line ${line}`,
          );
        }
        seen.add(value);
      }
    },
  });
}
