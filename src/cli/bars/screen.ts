/**
 * Bars on a terminal, drawn by cli-progress. A bar of cli-progress stands for a
 * line of the screen, not for what the line is about: there can be more of that
 * than lines.
 */
import cliProgress, { type Options } from "cli-progress";
import { barLine, type LineContent } from "./bar-line.js";
import type { Frame } from "./frame.js";

/** Pictures a second. */
const FPS = 10;

export interface Screen {
  /** Puts lines above the bars, where they stay. */
  print(text: string): void;
  /** Draws the last picture and stops. */
  close(): void;
}

/** @param content what to show, asked for before each picture */
export function openScreen(
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
