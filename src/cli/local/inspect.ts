/** `tpull inspect IMAGE...` */
import {
  inspected,
  type InspectedImage,
} from "../../../store/survey/inspect-image.js";
import { openStore } from "../../../store/store.js";
import type { Answer } from "../answers/answer.js";
import { describeError, errorText } from "../report-error.js";
import { localZone } from "../format/local-zone.js";
import type { Environment } from "../settings.js";
import { shownJson, shownLines } from "../terminal-text.js";
import { inspectDocument, inspectList } from "./inspect-json.js";
import { askOfEach, attempted, sorted } from "./named-images.js";
import { tellDamage, tellHolder } from "./notices.js";

export const answerInspect: Answer = async (context) => {
  const { images: names, flags, output, isTTY, env } = context;
  const { format = "" } = flags;
  // A template that cannot be read is refused before anything is looked at.
  const show =
    format === "" || format === "json"
      ? undefined
      : await templateOf(format, env);
  const store = await openStore(context.root());
  const asked = await askOfEach(store, names, inspected);
  const { values: images, errors, damage } = asked;
  if (show === undefined) {
    const write = format === "json" ? inspectList : inspectDocument;
    output.out(shownJson(`${write(images)}\n`, isTTY));
  } else {
    const lines = images.map((image) => attempted(() => show(image)));
    const shown = sorted(lines);
    // docker prints an empty line where there is nothing else.
    const text = shown.values.join("") || "\n";
    output.out(shownLines(text, isTTY));
    errors.push(...shown.errors.map(describeError));
  }
  for (const error of errors) output.err(errorText(error));
  tellDamage(output, damage);
  tellHolder(output, store.layout);
  return errors.length === 0 ? 0 : 1;
};

/** Reads a template for images. @throws TpullError `FORMAT_INVALID` */
async function templateOf(
  format: string,
  env: Environment,
): Promise<(image: InspectedImage) => string> {
  const { inspectLine, parseTemplate } =
    await import("../template/template.js");
  const { typed } = await import("../template/values.js");
  const { imageInspectType } = await import("./inspect-types.js");
  const template = parseTemplate(format);
  const type = imageInspectType(localZone(env));
  return (image) => inspectLine(template, typed(type, image), image);
}
