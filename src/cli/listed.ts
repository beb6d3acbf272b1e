/** Files that name images, as the command line gives them. */
import {
  readImageLists,
  type ImageList,
  type ReadListsOptions,
} from "../lists/index.js";
import type { Flags } from "./options.js";
import type { Output } from "./output.js";
import type { CliInput } from "./prompt.js";
import type { Environment } from "./settings.js";
import { oneLine } from "./terminal-text.js";

/**
 * The images that files name. What they name and is not taken is said, so that
 * it is not missed silently.
 */
export async function imagesIn(
  files: readonly string[],
  flags: Flags,
  {
    env,
    stdin,
    output,
    query,
  }: {
    env: Environment;
    stdin: () => CliInput;
    output: Output;
    /** Of a command that is told to stop, and is not ended by a signal itself. */
    query?: { readonly signal?: AbortSignal | undefined };
  },
  { namesOnly }: Pick<ReadListsOptions, "namesOnly"> = {},
): Promise<ImageList> {
  const { profile, platform, quiet } = flags;
  const list = await readImageLists(files, {
    env,
    ignoreBuildable: flags["ignore-buildable"] === true,
    ...(profile === undefined ? {} : { profiles: profile }),
    ...(platform === undefined ? {} : { platforms: platform }),
    ...(namesOnly === undefined ? {} : { namesOnly }),
    ...(query?.signal === undefined ? {} : { signal: query.signal }),
    // Node opens it when it is looked at.
    ...(files.includes("-") ? { stdin: stdin() } : {}),
  });
  if (!quiet) {
    for (const { from, why } of list.skipped) {
      output.err(`tpull: left out: ${oneLine(from)}: ${oneLine(why)}\n`);
    }
  }
  return list;
}
