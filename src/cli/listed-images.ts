/** The images that files name, as if they had been named by hand. */
import { USAGE } from "./args.js";
import type { CliContext } from "./context.js";
import { imagesIn } from "./listed.js";
import type { Flags } from "./options.js";
import { openOutput } from "./output.js";
import type { ListedImage } from "../lists/index.js";
import { normalizedPlatform } from "../lock/format.js";
import type { ImageRequest } from "../requests.js";
import { TpullError } from "../../store/errors.js";

/**
 * Adds the images of `--file` to a request.
 * @throws TpullError `USAGE` for lists that name nothing; as {@link requestsOf}
 */
export async function withListed<
  Given extends { images: string[]; flags: Flags },
>(
  request: Given,
  context: CliContext,
): Promise<Given & { requests?: readonly ImageRequest[] }> {
  const { file, quiet } = request.flags;
  if (file === undefined) return request;
  const { env, stdin } = context;
  const output = openOutput(context.stdout, context.stderr);
  const requests = await requestsOf(request.images, request.flags, {
    env,
    stdin,
    output: quiet ? { ...output, err: () => {} } : output,
  });
  const images = [...new Set(requests.map(({ reference }) => reference))];
  if (images.length === 0) throw new TpullError(USAGE, "no image is named");
  const isPlain = requests.every(
    ({ platforms, digest }) => platforms === undefined && digest === undefined,
  );
  return { ...request, images, ...(isPlain ? {} : { requests }) };
}

/**
 * The images of the command line, and those of `--file` with the platforms and
 * digests that the files give them. What `--platform` says counts for all.
 * @throws TpullError `PLATFORM_INVALID`; as {@link imagesIn}
 */
export async function requestsOf(
  images: readonly string[],
  flags: Flags,
  context: Parameters<typeof imagesIn>[2],
): Promise<ImageRequest[]> {
  const { file = [], platform, quiet } = flags;
  const { images: listed } = await imagesIn(file, flags, context);
  const named = listed.filter(
    (image: Listed) =>
      !image.platformFixed && isOverruled(image.platform, platform),
  );
  if (platform !== undefined && named.length > 0 && !quiet) {
    const { output } = context;
    const count = named.length === 1 ? "an image" : `${named.length} images`;
    output.err(
      `tpull: --platform ${platform.join(",")} counts, not what the list says for ${count}\n`,
    );
  }
  const requests = [
    ...images.map((reference) => ({ reference })),
    ...listed.map((image) => requestOf(image, platform === undefined)),
  ];
  // What several files name is one image.
  return [
    ...new Map(
      requests.map((request) => [JSON.stringify(request), request]),
    ).values(),
  ];
}

/** Whether what a list says of an image is another platform than those that are asked for. */
function isOverruled(
  own: string | undefined,
  asked: readonly string[] | undefined,
): boolean {
  if (own === undefined || asked === undefined) return false;
  const normal = [...new Set(asked.map(normalizedPlatform))];
  return normal.length !== 1 || normal[0] !== normalizedPlatform(own);
}

/** What lists may say of an image beside its name. */
type Listed = ListedImage & {
  readonly digest?: string;
  /** The platform is part of what led to the reference. */
  readonly platformFixed?: true;
};

function requestOf(image: Listed, withPlatform: boolean): ImageRequest {
  const { reference, platform, platformFixed = withPlatform, digest } = image;
  return {
    reference,
    ...(platformFixed && platform !== undefined ? { platforms: platform } : {}),
    ...(digest === undefined ? {} : { digest }),
  };
}
