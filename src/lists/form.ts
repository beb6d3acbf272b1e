/** In which of its forms a list is written. */
import { basename } from "node:path";
import { isLock } from "../lock/format.js";

export type Form = "lock" | "text" | "dockerfile" | "yaml";

/** What {@link formOf} tells apart, for messages. */
export const FORMS =
  "one reference a line, a lock file, a compose file, Kubernetes objects or a Dockerfile";

/** Told by what is in the file where that is certain, then by its name. */
export function formOf(path: string, content: string): Form {
  if (isLock(content)) return "lock";
  const name = basename(path);
  if (/^(docker|container)file(\.|$)|\.(docker|container)file$/i.test(name)) {
    return "dockerfile";
  }
  if (/\.(ya?ml|json)$/i.test(name)) return "yaml";
  if (/\.(txt|list)$/i.test(name)) return "text";
  const lines = content.split(/\r?\n/).map((line) => line.trim());
  const first =
    lines.find((line) => line !== "" && !line.startsWith("#")) ?? "";
  if (/^(FROM|ARG)\s/i.test(first)) return "dockerfile";
  const isYaml = /^(---|\{|[\w.-]+:(\s|$))/.test(first);
  return isYaml ? "yaml" : "text";
}
