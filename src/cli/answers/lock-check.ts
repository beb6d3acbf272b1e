/** `tpull lock --check` */
import { TpullError } from "../../../store/index.js";
import {
  canonicalName,
  parseReference,
} from "../../../store/reference/reference.js";
import {
  type CheckedImage,
  checkLock,
  type LockCheck,
  readLock,
  type PlatformChange,
} from "../../lock/index.js";
import type { ListedImage } from "../../lists/index.js";
import { USAGE } from "../args.js";
import { imagesIn } from "../listed.js";
import { errorText, isInterruption } from "../report-error.js";
import { oneLine } from "../terminal-text.js";
import { type Answer, type AnswerContext, jsonDocument } from "./answer.js";

/** Exit status: all could be asked, and the lock is not what it would be if it were written now. */
const DIFFERS = 3;
/** Of what `lock` says of its work. Raised when a field changes meaning or goes away; new fields do not raise it. */
export const LOCK_REPORT_SCHEMA = 1;

export const answerLockCheck: Answer = async (context) => {
  const { images: words, flags, query, output, stdin } = context;
  const [path, ...others] = words;
  if (path === undefined || others.length > 0) {
    throw new TpullError(
      USAGE,
      "--check takes one lock file: tpull lock --check tpull.lock",
    );
  }
  if (flags.output !== undefined) {
    throw new TpullError(USAGE, "--check and --output exclude each other");
  }
  const { file, platform } = flags;
  if (platform !== undefined && file === undefined) {
    throw new TpullError(
      USAGE,
      "--check takes --platform only with -f LIST: what a lock is for stands in it",
    );
  }
  if (path === "-" && file?.includes("-")) {
    throw new TpullError(USAGE, "only one file can be standard input");
  }
  const lock = await readLock(path, {
    signal: query.signal,
    ...(path === "-" ? { stdin: stdin() } : {}),
  });
  const check = await checkLock(lock, {
    ...query,
    ...(platform === undefined ? {} : { platform }),
    ...(file === undefined ? {} : { list: await listOf(file, context) }),
  });
  if (flags.json)
    output.out(jsonDocument({ schema: LOCK_REPORT_SCHEMA, ...check }));
  else output.out(checkText(check, flags.quiet === true));
  for (const { error, reference } of check.images) {
    if (error !== undefined && !flags.json && !isInterruption(error)) {
      output.err(errorText(error, reference));
    }
  }
  return statusOf(check);
};

async function listOf(
  file: readonly string[],
  context: AnswerContext,
): Promise<ListedImage[]> {
  const { flags } = context;
  const { images } = await imagesIn(file, flags, context, { namesOnly: true });
  return images;
}

function statusOf({ images, list }: LockCheck): number {
  if (images.some(({ status }) => status === "failed")) return 1;
  const isOther = images.some(({ status }) => status !== "unchanged");
  const differs =
    list !== undefined &&
    list.missing.length + list.extra.length + list.platforms.length > 0;
  return isOther || differs ? DIFFERS : 0;
}

/** @param changesOnly leaves out what is as the lock has it */
export function checkText(
  { images, list }: LockCheck,
  changesOnly = false,
): string {
  const shown = changesOnly
    ? images.filter(({ status }) => status !== "unchanged")
    : images;
  const lines = shown.flatMap(imageLines);
  const platforms = list?.platforms ?? [];
  const inBoth = new Set(platforms.map(({ reference }) => reference));
  for (const { reference, platform, from } of list?.missing ?? []) {
    if (inBoth.has(canonicalName(parseReference(reference)))) continue;
    const what = [reference, platform ?? [], `(${from ?? "the list"})`].flat();
    lines.push(`not locked  ${what.join(" ")}`);
  }
  for (const { reference, locked, listed } of platforms) {
    lines.push(
      `platforms   ${reference}: locked for ${platformList(locked)}, listed for ${platformList(listed)}`,
    );
  }
  for (const name of list?.extra ?? []) lines.push(`not listed  ${name}`);
  return lines.map((line) => `${oneLine(line)}\n`).join("");
}

/** `any, linux/arm64` */
export function platformList(platforms: readonly string[] = []): string {
  return platforms.join(", ");
}

function imageLines({
  status,
  reference,
  digest,
  now,
  platforms = [],
  available,
}: CheckedImage): string[] {
  const line = `${status.padEnd(10)}  ${reference}`;
  if (status !== "moved" && status !== "gone") return [line];
  const left = available === false ? ", which the registry no longer has" : "";
  const facts = [
    ["locked", digest + left],
    ...(now === undefined ? [] : [["now", now]]),
    ...platforms.map((change) => [
      change.platform ?? "no platform",
      changeText(change),
    ]),
  ];
  const width = Math.max(...facts.map(([name = ""]) => name.length));
  return [
    line,
    ...facts.map(([name = "", text]) => `  ${name.padEnd(width)}  ${text}`),
  ];
}

function changeText({ status, now }: PlatformChange): string {
  switch (status) {
    case "unchanged":
      return "as it was";
    case "moved":
      return `now ${now}`;
    case "gone":
      return "gone";
    case "added":
      return `new, ${now}`;
  }
}
