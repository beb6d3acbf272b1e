/** `tpull lock --check` */
import { TpullError } from "../../../store/index.js";
import {
  type CheckedImage,
  checkLock,
  type LockCheck,
  readLock,
  type PlatformChange,
} from "../../lock/index.js";
import { USAGE } from "../args.js";
import { imagesIn } from "../listed.js";
import { errorText, isInterruption } from "../report-error.js";
import { oneLine } from "../terminal-text.js";
import { type Answer, jsonDocument } from "./answer.js";

/** Exit status: all could be asked, and the lock is not what it would be if it were written now. */
const DIFFERS = 3;

export const answerLockCheck: Answer = async (context) => {
  const { images: words, flags, query, output, stdin } = context;
  const [path, ...others] = words;
  if (path === undefined || others.length > 0) {
    throw new TpullError(
      USAGE,
      "--check takes one lock file: tpull lock --check tpull.lock",
    );
  }
  for (const name of ["output", "platform"] as const) {
    if (flags[name] === undefined) continue;
    throw new TpullError(USAGE, `--check and --${name} exclude each other`);
  }
  const { file } = flags;
  if (path === "-" && file?.includes("-")) {
    throw new TpullError(USAGE, "only one file can be standard input");
  }
  const lock = await readLock(path, path === "-" ? stdin() : undefined);
  const check = await checkLock(lock, {
    ...query,
    ...(file === undefined
      ? {}
      : { list: (await imagesIn(file, flags, context)).images }),
  });
  if (flags.json) output.out(jsonDocument(check));
  else output.out(checkText(check, flags.quiet === true));
  for (const { error, reference } of check.images) {
    if (error !== undefined && !flags.json && !isInterruption(error)) {
      output.err(errorText(error, reference));
    }
  }
  return statusOf(check);
};

function statusOf({ images, list }: LockCheck): number {
  if (images.some(({ status }) => status === "failed")) return 1;
  const isOther = images.some(({ status }) => status !== "unchanged");
  const differs =
    list !== undefined && list.missing.length + list.extra.length > 0;
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
  for (const { reference, platform, from } of list?.missing ?? []) {
    const what = [reference, platform ?? [], `(${from ?? "the list"})`].flat();
    lines.push(`not locked  ${what.join(" ")}`);
  }
  for (const name of list?.extra ?? []) lines.push(`not listed  ${name}`);
  return lines.map((line) => `${oneLine(line)}\n`).join("");
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
