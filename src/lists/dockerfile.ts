/** The images that a Dockerfile builds on. */
import { parsePlatform, formatPlatform } from "../platform.js";
import { TpullError } from "../../store/index.js";
import { directives, instructions } from "./dockerfile-lines.js";
import { type ImageList, invalidList, type ListedImage } from "./listed.js";
import { expand, VariableMissingError } from "./variables.js";

/** Where these stand for a platform it is the one that is asked for. */
const BUILDER_PLATFORMS = /^\$\{?(BUILD|TARGET)PLATFORM\}?$/;

type Values = Record<string, string>;

/**
 * Takes the images of `FROM`, of `COPY --from` and of `RUN --mount from=`, but
 * not stages of the file itself and `scratch`; and that of `# syntax=`, which
 * BuildKit fetches to read the file. Arguments have the values of their `ARG`
 * lines before the first `FROM`; those that BuildKit sets itself, `TARGETARCH`
 * and the like, are of the platform that is asked for, since whoever carries
 * images to a host builds there.
 * @param platforms os/arch[/variant] that are asked for: none is this machine's. Of several, an image that only one of them needs comes with that platform
 * @throws TpullError `IMAGE_LIST_INVALID`, also for an argument without a value; `PLATFORM_INVALID`
 */
export function dockerfileImages(
  text: string,
  platforms: readonly string[] = [],
): ImageList {
  const asked = platforms.length === 0 ? ["linux"] : platforms;
  const lists = asked.map((platform) => ({
    platform,
    images: new Map(
      imagesFor(text, platform).map((image) => [keyOf(image), image]),
    ),
  }));
  const images = new Map<string, ListedImage>();
  for (const { platform, images: own } of lists) {
    for (const [key, image] of own) {
      const isCommon = lists.every((list) => list.images.has(key));
      if (!images.has(key)) {
        images.set(key, isCommon ? image : onlyFor(platform, image));
      }
    }
  }
  return { images: [...images.values()], skipped: [] };
}

/** What `FROM --platform` says goes before what is built for. */
function onlyFor(platform: string, image: ListedImage): ListedImage {
  return { platform, ...image, platformFixed: true };
}

function keyOf({ reference, platform, from }: ListedImage): string {
  return JSON.stringify([reference, platform, from]);
}

function imagesFor(text: string, target: string): ListedImage[] {
  const images: ListedImage[] = [];
  const values = builderArguments(target);
  const stages = new Set<string>();
  let count = 0;
  const take = (reference: string, from: string, platform?: string): void => {
    if (stages.has(reference.toLowerCase()) || reference === "scratch") return;
    images.push({
      reference,
      ...(platform === undefined ? {} : { platform }),
      from,
    });
  };
  const syntax = directives(text).get("syntax");
  if (syntax !== undefined) {
    // Behind a blank BuildKit has arguments of the frontend.
    const [frontend = ""] = syntax.value.split(" ", 1);
    images.push({ reference: frontend, from: `line ${syntax.line}` });
  }
  for (const { line, word, rest } of instructions(text)) {
    const from = `line ${line}`;
    if (word === "ARG" && count === 0) {
      readArguments(rest, values, from);
    } else if (word === "FROM") {
      count += 1;
      const words = rest.split(/\s+/);
      let platform: string | undefined;
      while (words[0]?.startsWith("--")) {
        const [, given] = /^--platform=(.*)$/s.exec(words.shift() ?? "") ?? [];
        if (given === undefined || BUILDER_PLATFORMS.test(given)) continue;
        platform = valueOf(given, values, from);
      }
      const [image = "", as, name] = words;
      if (image === "") throw invalidList(from, "FROM names no image");
      take(valueOf(image, values, from), from, platform);
      if (as?.toUpperCase() === "AS" && name) stages.add(name.toLowerCase());
    } else if (word === "COPY" || word === "ADD") {
      const image = /(?:^|\s)--from=(\S+)/.exec(rest)?.[1];
      if (image !== undefined && !/^\d+$/.test(image)) take(image, from);
    } else if (word === "RUN") {
      for (const [, mount = ""] of rest.matchAll(/(?:^|\s)--mount=(\S+)/g)) {
        const image = /(?:^|,)from=([^,]+)/.exec(mount)?.[1];
        if (image !== undefined && !/^\d+$/.test(image)) take(image, from);
      }
    }
  }
  if (count === 0)
    throw invalidList("line 1", "no FROM: this is no Dockerfile");
  return images;
}

/** `ARG NAME[=value]...`: without a value it keeps what it has. */
function readArguments(rest: string, values: Values, from: string): void {
  const given = rest.match(/[^\s"'=]+(=("[^"]*"|'[^']*'|\S*))?/g) ?? [];
  for (const each of given) {
    const [, name = "", value] = /^([^=]+)(?:=(.*))?$/s.exec(each) ?? [];
    if (value === undefined) continue;
    const bare = value.replace(/^(["'])(.*)\1$/s, "$2");
    values[name] = valueOf(bare, values, from);
  }
}

/**
 * The arguments that BuildKit sets in the global scope, of which `FROM` may
 * make use without an `ARG` line. For `all` platforms they have no value.
 * @throws TpullError `PLATFORM_INVALID`
 */
function builderArguments(target: string): Values {
  if (target === "all") return {};
  const platform = parsePlatform(target);
  const { os, architecture, variant = "", osVersion = "" } = platform;
  const values: Values = { TARGETSTAGE: "default" };
  for (const where of ["BUILD", "TARGET"]) {
    values[`${where}PLATFORM`] = formatPlatform(platform);
    values[`${where}OS`] = os;
    values[`${where}OSVERSION`] = osVersion;
    values[`${where}ARCH`] = architecture;
    values[`${where}VARIANT`] = variant;
  }
  return values;
}

/** An argument that nobody gives a value is what a build would be given by hand. */
function valueOf(text: string, values: Values, from: string): string {
  try {
    const expanded = expand(text, values, false);
    if (expanded.unset.length === 0) return expanded.text;
    const names = expanded.unset.join(", ");
    const error = invalidList(from, `${text} needs a value for ${names}`);
    if (!/^(BUILD|TARGET)/.test(names)) throw error;
    throw new TpullError(error.code, error.message, {
      hint: "Name the platforms one by one instead of all.",
    });
  } catch (error) {
    if (error instanceof VariableMissingError) {
      throw invalidList(from, error.message);
    }
    throw error;
  }
}
