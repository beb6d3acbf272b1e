/** What shows a run to somebody, and the choice of it. */
import type { OnEvent } from "../events.js";
import type { CliStream, Output } from "./output.js";
import type { ErrorReport } from "./report-error.js";
import type { Presentation } from "./settings.js";

export interface Renderer {
  readonly onEvent: OnEvent;
  /** Reports a failure that concerns the run and not one image. */
  readonly failRun: (error: ErrorReport) => void;
  /** Ends the display and leaves the terminal tidy. Harmless when called again. */
  readonly close: () => void;
}

export interface RendererOptions {
  /** The references in the order in which their results are to be shown. */
  images: readonly string[];
  output: Output;
  /** Where bars are drawn. */
  stderr: CliStream;
  /** Whether the layers come from an archive. */
  fromArchive?: boolean;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** Makes the renderer for a presentation; loads only the code of that one. */
export async function createRenderer(
  presentation: Presentation,
  options: RendererOptions,
): Promise<Renderer> {
  switch (presentation) {
    case "tty": {
      const { createBarsRenderer } = await import("./render-bars.js");
      return createBarsRenderer(options);
    }
    case "json": {
      const { createJsonRenderer } = await import("./render-json.js");
      return createJsonRenderer(options);
    }
    default: {
      const { createPlainRenderer } = await import("./render-plain.js");
      return createPlainRenderer(options, presentation);
    }
  }
}
