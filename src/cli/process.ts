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
  const status = await mainOrLastWords(argv, hooks);
  await endThreadsAhead();
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(status);
}

/** What `main` itself cannot report, because the parts for it cannot be loaded. */
async function mainOrLastWords(
  argv: readonly string[],
  hooks: Pick<CliContext, "hasWorked">,
): Promise<number> {
  try {
    stayWithFirstTier();
    return await main([...argv], { ...hooks, headStart });
  } catch (error) {
    const { message, stack } = error as Error;
    process.stderr.write(
      `tpull: ${message} (INTERNAL)\n  hint: Parts of tpull are missing or damaged; install it again.\n`,
    );
    if (process.env["TPULL_DEBUG"] === "1") process.stderr.write(`${stack}\n`);
    return 1;
  }
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) resolve();
    else stream.write("", () => resolve());
  });
}
