/**
 * What a run is asked for, each image with its own wishes: which platforms, and
 * which content its tag is to mean.
 */
import { type Digest, TpullError, isTpullError } from "../store/index.js";
import { parseDigest } from "../store/digest.js";
import { withoutSecrets } from "../store/reference/printable.js";
import { canonicalName, parseReference } from "../store/reference/reference.js";
import type { ListedImage } from "./lists/index.js";
import { type Selection, readSelection } from "./items.js";
import { formatPlatform, hostPlatform } from "./platform.js";

/** An image, and what is to hold for it instead of what holds for the run. */
export interface ImageRequest {
  /** As docker takes it, e.g. `nginx:latest`. */
  readonly reference: string;
  /** os/arch[/variant], several, or `all`; the run's without it. */
  readonly platforms?: string | readonly string[];
  /**
   * What the tag means, whatever the registry says by now: the manifest or
   * index is asked for by this digest, and named by the tag like one that was
   * asked for by it.
   */
  readonly digest?: string;
}

/** Whatever names an image: what lists and lock files yield may be passed on as it is. */
export type Requested =
  string | ImageRequest | (ListedImage & { readonly digest?: string });

/** A request with all that holds for it. */
export interface Wanted {
  readonly reference: string;
  readonly selection: Selection;
  /** What the tag means; never beside a reference with a digest. */
  readonly pin?: Digest;
}

/**
 * Reads requests. What is asked of one image by several of them is put
 * together: its platforms are joined, and a digest that one names holds for
 * all, since a name of docker's store can mean one thing only.
 * @param run what holds where a request says nothing
 * @throws TpullError `OPTION_INVALID` for a digest that contradicts another
 *   one, or every tag of a repository; `PLATFORM_INVALID`, `DIGEST_INVALID`,
 *   `DIGEST_UNSUPPORTED`
 */
export function readRequests(
  requests: readonly Requested[],
  run: Selection,
): Wanted[] {
  const all = requests.map((request) => readRequest(request, run));
  if (requests.every((request) => typeof request === "string")) return all;
  const special = new Set<string>();
  for (const wanted of all) {
    if (isSpecial(wanted, run)) special.add(nameOf(wanted));
  }
  const joined = new Map<string, Wanted>();
  for (const [at, wanted] of all.entries()) {
    const name = nameOf(wanted);
    // Who asks for the same twice and no more is answered twice.
    const key = special.has(name) ? name : `${at} ${name}`;
    const before = joined.get(key);
    joined.set(key, before === undefined ? wanted : join(before, wanted));
  }
  return [...joined.values()];
}

function readRequest(request: Requested, run: Selection): Wanted {
  if (typeof request === "string") {
    return { reference: request, selection: run };
  }
  const { reference, digest } = request;
  const platform =
    "platforms" in request
      ? request.platforms
      : "platform" in request
        ? request.platform
        : undefined;
  const selection =
    platform === undefined
      ? run
      : { ...readSelection({ platform }), allTags: run.allTags };
  const pin =
    digest === undefined ? undefined : pinOf(reference, digest, selection);
  return { reference, selection, ...(pin === undefined ? {} : { pin }) };
}

/** @returns nothing where the reference names the digest itself */
function pinOf(
  reference: string,
  digest: string,
  { allTags }: Selection,
): Digest | undefined {
  const shown = withoutSecrets(String(reference));
  const pin = parseDigest(digest, `the digest of ${shown}`);
  if (allTags) {
    throw new TpullError(
      "OPTION_INVALID",
      `${shown}: every tag is asked for, which cannot all have one digest`,
    );
  }
  const own = parsed(reference)?.digest;
  if (own === undefined || own === pin) return own === pin ? undefined : pin;
  throw contradiction(shown, own, pin);
}

function isSpecial({ selection, pin }: Wanted, run: Selection): boolean {
  return selection !== run || pin !== undefined;
}

function nameOf({ reference }: Wanted): string {
  const read = parsed(reference);
  return read === undefined ? reference : canonicalName(read);
}

/** What is wrong with a reference is the failure of its image, not of the run. */
function parsed(
  reference: string,
): ReturnType<typeof parseReference> | undefined {
  try {
    return parseReference(reference);
  } catch (error) {
    if (!isTpullError(error)) throw error;
    return undefined;
  }
}

function join(one: Wanted, other: Wanted): Wanted {
  const { reference } = one;
  if (
    one.pin !== undefined &&
    other.pin !== undefined &&
    one.pin !== other.pin
  ) {
    throw contradiction(withoutSecrets(reference), one.pin, other.pin);
  }
  const pin = one.pin ?? other.pin;
  const selection = joinSelections(one.selection, other.selection);
  return { reference, selection, ...(pin === undefined ? {} : { pin }) };
}

function joinSelections(one: Selection, other: Selection): Selection {
  if (one === other) return one;
  // Two platforms of one name cost more requests than one.
  if (!other.given && hasOurs(one)) return one;
  if (!one.given && hasOurs(other)) return other;
  const platforms = new Map(
    [...one.platforms, ...other.platforms].map((platform) => [
      formatPlatform(platform),
      platform,
    ]),
  );
  const all = one.all || other.all;
  return {
    platforms: all ? [] : [...platforms.values()],
    all,
    given: true,
    allTags: one.allTags,
  };
}

/** Whether this machine's platform is asked for by its name. */
function hasOurs({ given, platforms }: Selection): boolean {
  const ours = hostPlatform();
  return (
    given &&
    platforms.some(
      ({ os, architecture, variant }) =>
        os === ours.os &&
        architecture === ours.architecture &&
        (variant === undefined || variant === ours.variant),
    )
  );
}

function contradiction(image: string, one: Digest, other: Digest): TpullError {
  return new TpullError(
    "OPTION_INVALID",
    `${image} is asked for by two digests: ${one} and ${other}`,
    {
      hint: "A name stands for one image. Ask for the other one as NAME@DIGEST, without the tag.",
    },
  );
}
