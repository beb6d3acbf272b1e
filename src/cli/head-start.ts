/** What a pull can begin before it has been loaded itself. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { startThreadsAhead } from "../../store/ingest/threads.js";
import type { Request } from "./args.js";
import { defaultRoot } from "../default-root.js";
import type { CliContext } from "./context.js";

/**
 * Has the threads that unpack start while this one loads the rest of the
 * program, unless the names are in the root already: then there is most likely
 * nothing to unpack. A wrong guess costs a few milliseconds.
 */
export function headStart(
  request: Request,
  context: CliContext,
  start: (count: number) => void = startThreadsAhead,
): void {
  if (request.command !== "pull" || process.platform !== "linux") return;
  const { images, flags } = request;
  const root = flags.root ?? defaultRoot(context.env, context.user());
  if (!flags["all-tags"] && areStored(images, root)) return;
  start(Math.min(flags.concurrency ?? 2, availableParallelism()));
}

function areStored(images: readonly string[], root: string): boolean {
  try {
    const file = join(root, "image/overlay2/repositories.json");
    const names = readFileSync(file, "utf8");
    return images.every((image) => {
      const [named = ""] = image.split("@", 1);
      const short = named.replace(/^((index\.)?docker\.io\/)?(library\/)?/, "");
      const tag = /:[^/]+$/.test(short) ? "" : ":latest";
      return names.includes(`"${short}${tag}"`);
    });
  } catch {
    return false;
  }
}
