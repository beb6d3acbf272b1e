/**
 * Lines without control codes, for logs and scripts: docker's transcript on
 * stdout, one block an image. With `none` only the lines of the results, with
 * `quiet` only the canonical names. Failures and notices go to stderr; failures
 * in the place of the result they replace, notices at once.
 */
import type { PullEvent } from "../events.js";
import { ImageBlocks } from "./image-blocks.js";
import type { Renderer, RendererOptions } from "./renderer.js";
import { errorText, isInterruption } from "./report-error.js";
import {
  headerLine,
  layerLine,
  nameLine,
  noticeLine,
  resultLines,
} from "./transcript.js";

export function createPlainRenderer(
  { images, output }: Pick<RendererOptions, "images" | "output">,
  detail: "plain" | "none" | "quiet",
): Renderer {
  const blocks = new ImageBlocks(images);
  /** Lines about layers: docker prints one once, even if the image has the layer twice. */
  const printed = new Set<string>();

  const print = (image: string, ...lines: string[]): void => {
    blocks.add(image, () => output.out(`${lines.join("\n")}\n`));
  };

  const onStep = (event: PullEvent): void => {
    if (event.type === "pulling") print(event.image, headerLine(event));
    if (event.type !== "layer") return;
    const line = layerLine(event.digest, event.state);
    const key = `${line} ${event.image}`;
    if (line === undefined || printed.has(key)) return;
    printed.add(key);
    print(event.image, line);
  };

  const onEvent = (event: PullEvent): void => {
    switch (event.type) {
      case "result": {
        const { image, result } = event;
        print(
          image,
          ...(detail === "quiet" ? [nameLine(result)] : resultLines(result)),
        );
        blocks.end(image);
        break;
      }
      case "error": {
        const { image, error } = event;
        if (image === undefined) break; // of the whole run: see failRun
        if (!isInterruption(error)) {
          blocks.add(image, () => output.err(errorText(error, image)));
        }
        blocks.end(image);
        break;
      }
      case "warning":
        if (detail !== "quiet") output.err(`${noticeLine(event)}\n`);
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
