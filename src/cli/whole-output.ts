/** Whether what a command said could be written. */
import type { Output } from "./output.js";

/**
 * Says so when not all of standard output could be written.
 * @param status of the command otherwise
 * @returns that status, or 1
 */
export async function afterWriting(
  output: Output,
  status: number,
): Promise<number> {
  // A write that fails is told in the next turn.
  await new Promise((resolve) => void setImmediate(resolve));
  const failure = output.failure();
  if (failure === undefined) return status;
  const { errorText } = await import("./report-error.js");
  const code = failure.code ?? "EIO";
  const message = `cannot write to stdout: ${failure.message}`;
  output.err(errorText({ code, message }));
  return 1;
}
