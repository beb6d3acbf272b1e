/** The images that files name, as if they had been named by hand. */
import { USAGE } from "./args.js";
import type { CliContext } from "./context.js";
import { imagesIn } from "./listed.js";
import type { Flags } from "./options.js";
import { openOutput } from "./output.js";
import { parsePlatform } from "../platform.js";
import { TpullError } from "../../store/errors.js";

/**
 * Adds the images of `--file` to a request. All images of a pull are for the
 * same platforms, so a platform in a list is taken if it is the only one.
 * @throws TpullError `USAGE` for lists that name different platforms or
 *   nothing; as {@link imagesIn}
 */
export async function withListed<
  Given extends { images: string[]; flags: Flags },
>(request: Given, context: CliContext): Promise<Given> {
  const { file, platform } = request.flags;
  if (file === undefined) return request;
  const { env, stdin } = context;
  const output = openOutput(context.stdout, context.stderr);
  const { images } = await imagesIn(file, request.flags, {
    env,
    stdin,
    output,
  });
  const all = [
    ...new Set([
      ...request.images,
      ...images.map(({ reference }) => reference),
    ]),
  ];
  if (all.length === 0) throw new TpullError(USAGE, "no image is named");
  const [only, ...others] = new Set([
    ...request.images.map(() => undefined),
    ...images.map((image) => image.platform),
  ]);
  if (platform === undefined && others.length > 0) {
    throw new TpullError(
      USAGE,
      "the images are for different platforms: say with --platform which ones to take",
    );
  }
  if (platform !== undefined || only === undefined) {
    return { ...request, images: all };
  }
  // As if it stood on the command line, where it would have been checked.
  parsePlatform(only);
  const flags = { ...request.flags, platform: [only] };
  return { ...request, images: all, flags };
}
