/** Questions to a person at the terminal. */
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { abortedError } from "../../store/errors.js";

/** What is needed of `process.stdin`. */
export type CliInput = NodeJS.ReadableStream & {
  readonly isTTY?: boolean | undefined;
};

export interface Prompt {
  readonly input: CliInput;
  /** Writes what the person sees. */
  readonly show: (text: string) => unknown;
  readonly signal: AbortSignal;
  /** Ctrl-C: the terminal sends it as a character while the line is edited. */
  readonly onInterrupt: () => void;
}

/**
 * Asks for one line. With `secret` nothing of what is typed is shown.
 * @throws TpullError `ABORTED` on Ctrl-C, on the end of the input, and when the signal fires
 */
export async function askLine(
  question: string,
  { input, show, signal, onInterrupt }: Prompt,
  secret = false,
): Promise<string> {
  const silent = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (!secret) show(chunk.toString("utf8"));
      done();
    },
  });
  const lines = createInterface({
    input,
    output: silent,
    terminal: true,
    historySize: 0,
  });
  if (secret) show(question);
  try {
    return await new Promise<string>((resolve, reject) => {
      const leave = (): void => reject(abortedError());
      lines.on("SIGINT", () => {
        onInterrupt();
        leave();
      });
      lines.on("close", leave);
      signal.addEventListener("abort", leave, { once: true });
      if (signal.aborted) leave();
      lines.question(secret ? "" : question, resolve);
    });
  } finally {
    lines.close();
    if (secret) show("\n");
  }
}

/** More than any password. */
const MAX_INPUT_BYTES = 64 * 1024;

/**
 * All of the input, without the line end that closes it: a password from a pipe.
 * @returns `undefined` when it is longer than a password can be
 * @throws TpullError `ABORTED`
 */
export async function readPassword(
  input: CliInput,
  signal: AbortSignal,
): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  const leave = (): void => {
    // Ends the loop below.
    (input as { destroy?(error: Error): void }).destroy?.(abortedError());
  };
  signal.addEventListener("abort", leave, { once: true });
  try {
    for await (const chunk of input) {
      chunks.push(Buffer.from(chunk));
      length += chunk.length;
      if (length > MAX_INPUT_BYTES) return undefined;
    }
  } finally {
    signal.removeEventListener("abort", leave);
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}
