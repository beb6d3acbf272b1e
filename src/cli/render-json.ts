/**
 * `--progress json`: every event as one line of JSON on stdout and nothing
 * else there. A failure of the whole run is an `error` event without `image`.
 * The summary is the last line; what fails after it is told on stderr.
 */
import { EVENT_SCHEMA } from "../events.js";
import { errorText, isInterruption } from "./report-error.js";
import type { Renderer, RendererOptions } from "./renderer.js";
import { jsonLine } from "./terminal-text.js";

export function createJsonRenderer({
  output,
  now,
}: Pick<RendererOptions, "output" | "now">): Renderer {
  const print = (event: object): void => {
    const time = new Date(now()).toISOString();
    output.out(jsonLine({ schema: EVENT_SCHEMA, time, ...event }));
  };
  let ended = false;
  return {
    onEvent: (event) => {
      if (event.type === "summary") ended = true;
      print(event);
    },
    failRun: (error) => {
      if (!ended) print({ type: "error", error });
      else if (!isInterruption(error)) output.err(errorText(error));
    },
    close: () => {},
  };
}
