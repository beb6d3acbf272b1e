/** The two standard streams, as the rest of the command line may use them. */
import { abortedError } from "../../store/errors.js";

/** What tpull needs of `process.stdout` and `process.stderr`. */
export interface CliStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** @param taken called when the content is no longer needed, if it is ever */
  write(content: string | Uint8Array, taken?: () => void): unknown;
  on(event: "error", listener: (error: NodeJS.ErrnoException) => void): unknown;
}

export interface Output {
  /** Results: stdout. */
  out(content: string | Uint8Array): void;
  /** The same for what may be large: resolves when there is room for more. */
  pour(content: Uint8Array): Promise<void>;
  /** Everything about the run that is no result: stderr. */
  err(text: string): void;
  /** The first error of stdout other than that its reader went away. */
  failure(): NodeJS.ErrnoException | undefined;
}

/**
 * Takes charge of the streams' errors. When the reader of stdout goes away
 * (`tpull … | head`), nothing more is written to it and `onReaderGone` is
 * called once. Errors of stderr are ignored: there is nowhere to tell them.
 */
export function openOutput(
  stdout: CliStream,
  stderr: CliStream,
  onReaderGone: () => void = () => {},
): Output {
  let broken = false;
  let failure: NodeJS.ErrnoException | undefined;
  stdout.on("error", (error) => {
    if (broken) return;
    broken = true;
    if (error.code === "EPIPE") onReaderGone();
    else failure = error;
  });
  stderr.on("error", () => {});
  return {
    out: (content) => {
      if (!broken) stdout.write(content);
    },
    pour: async (content) => {
      if (broken) throw abortedError();
      await new Promise<void>((resolve) => {
        // Whoever gave it may use it again; the stream may still hold it.
        stdout.write(Buffer.from(content), () => resolve());
      });
      if (broken) throw abortedError();
    },
    err: (text) => {
      stderr.write(text);
    },
    failure: () => failure,
  };
}
