/** How far a bundle is: bars on a terminal, lines, or events for programs. */
import { shortId } from "../../../store/digest.js";
import { EVENT_SCHEMA, type OnEvent, type PullEvent } from "../../events.js";
import { createRenderer } from "../renderer.js";
import {
  type ErrorReport,
  errorText,
  isInterruption,
} from "../report-error.js";
import { type Presentation, choosePresentation } from "../settings.js";
import { jsonLine } from "../terminal-text.js";
import { noticeLine } from "../transcript.js";
import type { AnswerContext } from "./answer.js";

export interface BundleProgress {
  readonly onEvent: OnEvent;
  /** Whether the result is to be an event, too: see {@link end}. */
  readonly asEvents: boolean;
  /** Says why there is no bundle. */
  fail(error: ErrorReport): void;
  /** Says what is wrong with an image, unless that has been said when it happened. */
  failImage(error: ErrorReport, image: string, target?: string): void;
  /** The result as the last event. */
  end(result: object): void;
  /** Takes the bars away. Harmless when called again. */
  close(): void;
}

/**
 * Begins to show a bundle as the options want it. Events are JSON, one a line,
 * and go to stdout, unless something else is there.
 * @param isStdoutTaken by the bundle itself
 */
export async function showBundle(
  { flags, env, isTTY, stderrIsTTY, stderr, output, now }: AnswerContext,
  isStdoutTaken: boolean,
): Promise<BundleProgress> {
  const presentation = choosePresentation(flags, env, {
    // Who pipes the bundle on watches stderr all the same.
    stdoutIsTTY: isStdoutTaken ? stderrIsTTY : isTTY,
    stderrIsTTY,
  });
  const out = flags.json || isStdoutTaken ? output.err : output.out;
  const lines = {
    asEvents: false,
    fail: (error: ErrorReport): void => {
      if (!isInterruption(error)) output.err(errorText(error));
    },
    failImage: (error: ErrorReport, image: string, target?: string): void => {
      if (!isInterruption(error)) output.err(errorText(error, image, target));
    },
    end: (): void => {},
    close: (): void => {},
  };
  if (presentation !== "tty" && presentation !== "json") {
    const mode = presentation === "plain" ? flags.progress : presentation;
    return { ...lines, onEvent: (event) => say(event, mode, output.err) };
  }
  const renderer = await createRenderer(presentation, {
    images: [],
    output: { ...output, out: presentation === "json" ? out : () => {} },
    stderr,
    now,
  });
  const { onEvent, close, failRun } = renderer;
  const shared = { onEvent, close, fail: failRun, failImage: () => {} };
  if (presentation === "tty") return { ...lines, ...shared };
  return {
    ...shared,
    asEvents: !flags.json,
    end: (result) => {
      const time = new Date(now()).toISOString();
      out(jsonLine({ schema: EVENT_SCHEMA, time, type: "bundle", ...result }));
    },
  };
}

/** Notices in any case, layers for who asks for them. */
function say(
  event: PullEvent,
  mode: Presentation | "auto" | undefined,
  err: (text: string) => void,
): void {
  if (mode === "quiet") return;
  switch (event.type) {
    case "warning":
    case "retry":
    case "wait":
      err(`${noticeLine(event)}\n`);
      break;
    case "layer":
      if (mode !== "plain") return;
      if (event.state === "downloading") {
        err(`tpull: ${shortId(event.digest)}: fetching\n`);
      } else if (event.state === "complete") {
        err(`tpull: ${shortId(event.digest)}: complete\n`);
      } else if (event.state === "exists") {
        err(`tpull: ${shortId(event.digest)}: is there already\n`);
      }
      break;
    default:
  }
}
