/** How far a check is: a bar on a terminal, or events for programs. */
import {
  FINDING_KINDS,
  isDamage,
  type Verification,
  type VerifyProgress,
} from "../../../store/index.js";
import type { AnswerContext } from "../answers/answer.js";
import type { LineContent } from "../bars/bar-line.js";
import { Frame } from "../bars/frame.js";
import { RateMeter } from "../bars/rate.js";
import { openScreen } from "../bars/screen.js";
import { choosePresentation } from "../settings.js";
import { jsonLine } from "../terminal-text.js";

export interface ShownProgress {
  show(far: VerifyProgress): void;
  /** Takes the bar away. Harmless when called again. */
  close(): void;
  /** Whether the result is to be events, too: see {@link end}. */
  readonly asEvents: boolean;
  /** Tells the result as events. */
  end(found: Verification): void;
  /** `3 of 7 layers`; nothing while that is not known. */
  readonly far: string;
}

/**
 * Begins to show a check as the options want it. A bar goes to stderr; events
 * are JSON, one a line, and go to stdout, unless `--json` wants that for itself.
 */
export function startProgress({
  flags,
  env,
  isTTY,
  stderrIsTTY,
  stderr,
  output,
  now,
}: AnswerContext): ShownProgress {
  const presentation = choosePresentation(flags, env, {
    stdoutIsTTY: isTTY,
    stderrIsTTY,
  });
  let far = "";
  const note = (progress: VerifyProgress): void => {
    far = `${progress.layers} of ${progress.totalLayers} layers`;
  };
  const asEvents = presentation === "json" && !flags.json;
  if (presentation === "tty") {
    const bar = showBar(stderr, now);
    return {
      show: (progress) => {
        note(progress);
        bar.show(progress);
      },
      close: bar.close,
      asEvents,
      end: () => {},
      get far() {
        return far;
      },
    };
  }
  const tell = (event: object): void => {
    if (flags.json) output.err(jsonLine(event));
    else output.out(jsonLine(event));
  };
  return {
    show: (progress) => {
      note(progress);
      if (presentation === "json") tell({ type: "progress", ...progress });
    },
    close: () => {},
    asEvents,
    end: ({ findings, notChecked, ...counts }) => {
      for (const { code, ...finding } of findings) {
        const { remedy } = FINDING_KINDS[code];
        tell({ type: "finding", code, remedy, ...finding });
      }
      for (const one of notChecked) tell({ type: "not-checked", ...one });
      const sound = !findings.some(isDamage);
      const durationMs = Math.round(counts.durationMs);
      tell({ type: "summary", sound, ...counts, durationMs });
    },
    get far() {
      return far;
    },
  };
}

function showBar(
  stderr: AnswerContext["stderr"],
  now: () => number,
): Pick<ShownProgress, "show" | "close"> {
  const meter = new RateMeter();
  let far: VerifyProgress | undefined;
  const screen = openScreen(new Frame(stderr), (_capacity, isLast) =>
    // Nothing is left of it: what was found is the answer.
    isLast ? [] : [line(far, meter.perSecond(now()))],
  );
  return {
    show: (progress) => {
      far = progress;
      meter.note(progress.bytes, now());
    },
    close: screen.close,
  };
}

function line(
  far: VerifyProgress | undefined,
  rate: number | undefined,
): LineContent {
  if (far === undefined) return { text: "checking names, chains and links" };
  const { bytes, totalBytes, layers, totalLayers } = far;
  return {
    label: "checking",
    state: `${layers}/${totalLayers} layers`,
    // The total is what the entries say; they may be wrong.
    current: Math.min(bytes, totalBytes),
    total: totalBytes,
    ...(rate === undefined ? {} : { rate }),
  };
}
