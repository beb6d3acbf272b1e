/** `tpull prune` */
import { TpullError } from "../../../store/errors.js";
import { prune, type Pruned } from "../../../store/manage/prune.js";
import { pruneBlobs } from "../../../store/manage/prune-blobs.js";
import {
  pruneLeftovers,
  type PruneLeftoversOptions,
} from "../../../store/manage/prune-leftovers.js";
import { openStore, type Store } from "../../../store/store.js";
import {
  type Answer,
  type AnswerContext,
  jsonDocument,
} from "../answers/answer.js";
import { USAGE } from "../args.js";
import type { Flags } from "../options.js";
import { askLine } from "../prompt.js";
import { shownJson } from "../terminal-text.js";
import { changeOptions } from "./change-options.js";
import { tellDamage, tellHolder } from "./notices.js";
import { type PruneFilters, readPruneFilters } from "./prune-filters.js";
import { prunedIds, prunedText } from "./prune-text.js";

export const answerPrune: Answer = async (context) => {
  const { flags, output } = context;
  const filters = readPruneFilters(flags.filter, context.now());
  if (flags.partial && flags.blobs) {
    throw new TpullError(USAGE, "--partial and --blobs exclude each other");
  }
  if (flags.partial || flags.blobs) refuseImageOptions(flags, filters);
  const dryRun = flags["dry-run"] ?? false;
  if (!dryRun && !flags.force && !(await confirmed(context))) {
    output.err("tpull: nothing was removed\n");
    return 0;
  }
  const store = await openStore(context.root());
  if (dryRun) tellHolder(output, store.layout);
  const options = { ...changeOptions(context), dryRun };
  const pruned = await prunedBy(store, flags, filters, options);
  output.out(shown(pruned, context));
  if (!flags.json) tellDamage(output, pruned.damage);
  return 0;
};

async function prunedBy(
  store: Store,
  flags: Flags,
  filters: PruneFilters,
  options: PruneLeftoversOptions,
): Promise<Pruned> {
  const before = filters.until;
  if (flags.partial) return await pruneLeftovers(store, { ...options, before });
  if (flags.blobs) return await pruneBlobs(store, { ...options, before });
  return await prune(store, {
    ...options,
    ...filters,
    all: flags.all,
    keepBytes: flags["keep-storage"],
  });
}

function shown(pruned: Pruned, { flags, isTTY }: AnswerContext): string {
  const dryRun = flags["dry-run"] ?? false;
  if (flags.json) return shownJson(jsonDocument({ dryRun, ...pruned }), isTTY);
  return flags.quiet ? prunedIds(pruned) : prunedText(pruned, dryRun);
}

function refuseImageOptions(flags: Flags, filters: PruneFilters): void {
  const { labels, withoutLabels } = filters;
  const about = [
    flags.all && "--all",
    flags["keep-storage"] !== undefined && "--keep-storage",
    labels.length + withoutLabels.length > 0 && "--filter label",
  ].find((option) => typeof option === "string");
  if (about === undefined) return;
  throw new TpullError(
    USAGE,
    `${about} is about images, and ${flags.blobs ? "--blobs removes what pulls kept" : "--partial removes what pulls left"} instead`,
  );
}

/** @throws TpullError `USAGE` where there is nobody to ask, `ABORTED` */
async function confirmed(context: AnswerContext): Promise<boolean> {
  const { flags, output, query, interrupt } = context;
  const input = context.stdin();
  if (input.isTTY !== true) {
    throw new TpullError(
      USAGE,
      "'tpull prune' asks before it removes anything, and standard input is no terminal to ask on: use --force, or --dry-run to see what would go",
    );
  }
  output.err(`WARNING! This will remove ${whatGoes(flags)}.\n`);
  const answer = await askLine("Are you sure you want to continue? [y/N] ", {
    input,
    show: (text) => output.err(text),
    signal: query.signal ?? new AbortController().signal,
    onInterrupt: interrupt,
  });
  return /^\s*y\s*$/i.test(answer);
}

function whatGoes(flags: Flags): string {
  if (flags.partial) return "everything that interrupted pulls left";
  if (flags.blobs) return "all kept blobs";
  return flags.all
    ? "all images without at least one container associated to them"
    : "all dangling images";
}
