/**
 * `--progress tty`: a bar for each layer and one for the total on stderr; after
 * them docker's last lines on stdout.
 */
import { type PullResult, itemName } from "../events.js";
import { Frame } from "./bars/frame.js";
import { PullView } from "./bars/pull-view.js";
import { openScreen } from "./bars/screen.js";
import type { Renderer, RendererOptions } from "./renderer.js";
import { errorText, isInterruption } from "./report-error.js";
import {
  delayLine,
  headerLine,
  isLow,
  limitLine,
  noticeLine,
  planLine,
  resultLines,
} from "./transcript.js";

export function createBarsRenderer({
  images,
  output,
  stderr,
  fromArchive,
  now,
}: RendererOptions): Renderer {
  const view = new PullView({ fromArchive });
  const results = new Map<string, PullResult>();
  const screen = openScreen(new Frame(stderr), (capacity, final) =>
    view.lines(capacity, now(), final),
  );

  const finish = (): void => {
    screen.close();
    const order = new Set([...images, ...results.keys()]);
    for (const image of order) {
      const result = results.get(image);
      if (result !== undefined) {
        output.out(`${resultLines(result).join("\n")}\n`);
      }
    }
    results.clear();
  };

  return {
    onEvent: (event) => {
      view.onEvent(event, now());
      switch (event.type) {
        case "pulling":
          screen.print(headerLine(event));
          break;
        case "ratelimit":
          if (isLow(event)) screen.print(limitLine(event));
          break;
        case "delay":
          screen.print(delayLine(event));
          break;
        case "plan":
          screen.print(planLine(event));
          break;
        case "warning":
          screen.print(noticeLine(event));
          break;
        case "result":
          results.set(itemName(event), event.result);
          break;
        case "error":
          if (!isInterruption(event.error)) {
            const { error, image, target } = event;
            screen.print(errorText(error, image, target).trimEnd());
          }
          break;
        case "summary":
          finish();
          break;
        default:
      }
    },
    failRun: (error) => {
      finish();
      if (!isInterruption(error)) output.err(errorText(error));
    },
    close: finish,
  };
}
