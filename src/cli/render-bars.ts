/**
 * `--progress tty`: a bar for each layer and one for the total on stderr, drawn
 * by cli-progress; after them docker's last lines on stdout. A bar of
 * cli-progress stands for a line of the screen, not for a layer: there can be
 * more layers than lines.
 */
import cliProgress, { type Options } from "cli-progress";
import { type PullResult, itemName } from "../events.js";
import { barLine, type LineContent } from "./bars/bar-line.js";
import { Frame } from "./bars/frame.js";
import { PullView } from "./bars/pull-view.js";
import type { Renderer, RendererOptions } from "./renderer.js";
import { errorText, isInterruption } from "./report-error.js";
import {
  headerLine,
  isLow,
  limitLine,
  noticeLine,
  resultLines,
} from "./transcript.js";

/** Pictures a second. */
const FPS = 10;

export function createBarsRenderer({
  images,
  output,
  stderr,
  now,
}: RendererOptions): Renderer {
  const view = new PullView();
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

interface Screen {
  /** Puts lines above the bars, where they stay. */
  print(text: string): void;
  /** Draws the last picture and stops. */
  close(): void;
}

/** @param content what to show, asked for before each picture */
function openScreen(
  frame: Frame,
  content: (capacity: number, final: boolean) => LineContent[],
): Screen {
  const options: Options & { terminal: Frame } = {
    terminal: frame,
    format: (options, { progress, maxWidth }, payload: { line: LineContent }) =>
      barLine(payload.line, maxWidth, (cells) =>
        drawBar(progress, cells, options),
      ),
    fps: FPS,
    // The frame itself leaves out what has not changed.
    forceRedraw: true,
    // main() does it.
    gracefulExit: false,
  };
  const bars = new cliProgress.MultiBar(options);
  const slots: cliProgress.SingleBar[] = [];
  let closed = false;

  const fill = (final: boolean): void => {
    const lines = content(frame.capacity, final);
    const missing = lines.length - slots.length;
    for (let i = 0; i < missing; i++) {
      slots.push(bars.create(0, 0, { line: EMPTY }));
    }
    for (const [index, slot] of slots.entries()) {
      const line = lines[index] ?? EMPTY;
      const isBar = "current" in line && line.current !== undefined;
      slot.setTotal(isBar ? (line.total ?? 0) : 0);
      slot.update(isBar ? (line.current ?? 0) : 0, { line });
    }
  };

  bars.on("update-pre", () => fill(false));
  bars.on("redraw-post", () => frame.flush());
  bars.on("stop", () => frame.flush(true));
  // The first bar starts the clock of cli-progress.
  slots.push(bars.create(0, 0, { line: EMPTY }));

  return {
    print: (text) => {
      for (const line of text.split("\n")) bars.log(line);
    },
    close: () => {
      if (closed) return;
      closed = true;
      // What was still to be printed comes out with a last ordinary picture.
      bars.update();
      fill(true);
      bars.stop();
    },
  };
}

const EMPTY: LineContent = { text: "" };

/** Docker's bar: `=====>    ` in so many cells. */
function drawBar(progress: number, cells: number, options: Options): string {
  const { BarFormat } = cliProgress.Format;
  const barsize = cells - 1;
  return BarFormat(progress, {
    ...options,
    barsize,
    barGlue: ">",
    barCompleteString: "=".repeat(barsize),
    barIncompleteString: " ".repeat(barsize),
  });
}
