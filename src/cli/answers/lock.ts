/** `tpull lock` */
import { TpullError } from "../../../store/index.js";
import {
  formatLock,
  type Lock,
  type LockChange,
  lockChanges,
  lockImages,
  lockInPlace,
  writeLock,
} from "../../lock/index.js";
import { USAGE } from "../args.js";
import { imagesIn } from "../listed.js";
import { errorText, isInterruption } from "../report-error.js";
import { oneLine } from "../terminal-text.js";
import { type Answer, type AnswerContext, jsonDocument } from "./answer.js";
import {
  answerLockCheck,
  LOCK_REPORT_SCHEMA,
  platformList,
} from "./lock-check.js";

const NO_LOCK: Lock = { images: [] };

export const answerLock: Answer = async (context) => {
  const { flags, output } = context;
  if (flags.check) return answerLockCheck(context);
  const to = flags.output ?? "-";
  if (to === "-" && flags.json) {
    throw new TpullError(
      USAGE,
      "--json needs -o FILE: standard output takes the lock",
    );
  }
  const images = await namedImages(context);
  // Before registries are asked: what is there may be something else.
  const before = to === "-" ? undefined : await lockInPlace(to);
  const { platform } = flags;
  const { lock, failures } = await lockImages(images, {
    ...context.query,
    ...(platform === undefined ? {} : { platform }),
  });
  for (const { error, reference } of failures) {
    if (!isInterruption(error)) output.err(errorText(error, reference));
  }
  if (failures.length > 0) {
    if (to !== "-") output.err(`tpull: ${oneLine(to)} is not written\n`);
    return 1;
  }
  if (to === "-") {
    output.out(formatLock(lock));
    return 0;
  }
  await writeLock(to, lock, { signal: context.query.signal });
  const changes = lockChanges(before ?? NO_LOCK, lock);
  if (flags.json)
    output.out(jsonDocument({ schema: LOCK_REPORT_SCHEMA, images: changes }));
  else if (flags.quiet) output.err(removedText(changes, to));
  else output.out(lockText(changes, to));
  return 0;
};

/** @throws TpullError `USAGE` for none */
async function namedImages(context: AnswerContext) {
  const { images, flags } = context;
  const { images: listed } = await imagesIn(flags.file ?? [], flags, context, {
    namesOnly: true,
  });
  if (images.length + listed.length === 0) {
    throw new TpullError(USAGE, "no image is named");
  }
  return [...images, ...listed];
}

/** Whoever names one image, to add it, is told of those that are lost. */
function removedText(changes: readonly LockChange[], to: string): string {
  return changes
    .filter(({ status }) => status === "removed")
    .map(
      ({ reference }) =>
        `tpull: no longer in ${oneLine(to)}: ${oneLine(reference)}\n`,
    )
    .join("");
}

/** A line for each image, and how many there are of each kind. */
export function lockText(changes: readonly LockChange[], to: string): string {
  const lines = changes.map(
    (change) =>
      `${change.status.padEnd(9)}  ${oneLine(change.reference)}  ${whatOf(change)}\n`,
  );
  const counts = (["added", "moved", "unchanged", "removed"] as const)
    .map((kind) => ({
      kind,
      count: changes.filter(({ status }) => status === kind).length,
    }))
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => `${count} ${kind}`);
  lines.push(`Lock: ${oneLine(to)}: ${counts.join(", ")}\n`);
  return lines.join("");
}

/** The digest, unless it is only for other platforms that the name is locked now. */
function whatOf({
  digest,
  before,
  platforms,
  platformsBefore,
}: LockChange): string {
  if (platforms === undefined) return `${digest ?? before}`;
  const change = `platforms: ${platformList(platformsBefore)} -> ${platformList(platforms)}`;
  return before === undefined ? change : `${digest}  ${change}`;
}
