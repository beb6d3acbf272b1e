/** The command line as a process: arguments in, exit status out. */
import { endThreadsAhead } from "../../store/ingest/threads.js";
import { stayWithFirstTier } from "./first-tier.js";
import { headStart } from "./head-start.js";
import { main } from "./main.js";
import type { CliContext } from "./context.js";

/**
 * Runs the command line and ends the process, once what was written has been
 * taken. Ending by hand saves the wait for compilers that V8 still has at work
 * in the background, a tenth of a second after a short command.
 * @param hooks of whoever started the program
 */
export async function runProcess(
  argv: readonly string[],
  hooks: Pick<CliContext, "hasWorked"> = {},
): Promise<never> {
  stayWithFirstTier();
  const status = await main([...argv], { ...hooks, headStart });
  await endThreadsAhead();
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(status);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) resolve();
    else stream.write("", () => resolve());
  });
}
