/**
 * Lines without control codes, for logs and scripts: docker's transcript on
 * stdout, one block an image. With `none` only the lines of the results, with
 * `quiet` only the canonical names. Failures and notices go to stderr; failures
 * in the place of the result they replace, notices at once.
 */
import { type About, type PullEvent, itemName } from "../events.js";
import { ImageBlocks } from "./image-blocks.js";
import type { Renderer, RendererOptions } from "./renderer.js";
import { errorText, isInterruption } from "./report-error.js";
import {
  delayLine,
  headerLine,
  isLow,
  layerLine,
  limitLine,
  nameLine,
  noticeLine,
  planLine,
  resultLines,
} from "./transcript.js";

export function createPlainRenderer(
  { images, output }: Pick<RendererOptions, "images" | "output">,
  detail: "plain" | "none" | "quiet",
): Renderer {
  const blocks = new ImageBlocks(images);
  /** Lines about layers: docker prints one once, even if the image has the layer twice. */
  const printed = new Set<string>();

  const print = (about: About, ...lines: string[]): void => {
    const item = itemName(about);
    blocks.add(item, () => output.out(`${lines.join("\n")}\n`));
  };

  const onStep = (event: PullEvent): void => {
    if (event.type === "pulling") print(event, headerLine(event));
    if (event.type !== "layer") return;
    const line = layerLine(event.digest, event.state);
    const key = `${line} ${itemName(event)}`;
    if (line === undefined || printed.has(key)) return;
    printed.add(key);
    print(event, line);
  };

  const onEvent = (event: PullEvent): void => {
    switch (event.type) {
      case "resolve":
        blocks.add(itemName(event), () => {});
        break;
      case "result": {
        const { result } = event;
        print(
          event,
          ...(detail === "quiet" && result.loaded === undefined
            ? [nameLine(result)]
            : resultLines(result)),
        );
        blocks.end(itemName(event));
        break;
      }
      case "error": {
        const { image, target, error } = event;
        if (image === undefined) break; // of the whole run: see failRun
        const item = itemName({ image, ...(target && { target }) });
        if (!isInterruption(error)) {
          blocks.add(item, () => output.err(errorText(error, image, target)));
        }
        blocks.end(item);
        break;
      }
      case "ratelimit":
        if (detail !== "quiet" && isLow(event)) {
          output.err(`${limitLine(event)}\n`);
        }
        break;
      case "warning":
        if (detail !== "quiet") output.err(`${noticeLine(event)}\n`);
        break;
      case "delay":
        if (detail !== "quiet") output.err(`${delayLine(event)}\n`);
        break;
      case "plan":
        if (detail === "plain") output.err(`${planLine(event)}\n`);
        break;
      case "retry":
      case "wait":
        if (detail === "plain") output.err(`${noticeLine(event)}\n`);
        break;
      default:
        if (detail === "plain") onStep(event);
    }
  };

  return {
    onEvent,
    failRun: (error) => {
      blocks.flush();
      if (!isInterruption(error)) output.err(errorText(error));
    },
    close: () => blocks.flush(),
  };
}
