/** `tpull tags REPOSITORY`: each page is printed as it arrives. */
import { tags } from "../../query/tags.js";
import type { Answer } from "./answer.js";

export const answerTags: Answer = async ({ images, flags, query, output }) => {
  const [repository = ""] = images;
  const list = tags(repository, query);
  if (!flags.json) {
    for await (const tag of list) output.out(`${tag}\n`);
    return 0;
  }
  let before = "[\n";
  for await (const tag of list) {
    output.out(`${before}  ${JSON.stringify(tag)}`);
    before = ",\n";
  }
  output.out(before === "[\n" ? "[]\n" : "\n]\n");
  return 0;
};
