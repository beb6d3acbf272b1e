/** `tpull verify ARCHIVE` */
import { type ArchiveCheck, checkArchive } from "../../archive/check.js";
import { checkChecksums } from "../../bundle/checksums.js";
import { readHave } from "../../bundle/have.js";
import { type DiffId, inventory, openStore } from "../../../store/index.js";
import {
  type Answer,
  type AnswerContext,
  jsonDocument,
} from "../answers/answer.js";
import { formatBytes } from "../bars/units.js";
import { oneLine } from "../terminal-text.js";
import { requireRoot } from "./require-root.js";

/** Exit status for what is sound, and is not all that a load needs. */
const NEEDS_MORE = 3;

export const answerVerifyArchive: Answer = async (context) => {
  const { images, flags, query, output } = context;
  const { have, where } = await layersElsewhere(context);
  const archives = [];
  for (const path of images) {
    if (flags.checksum) {
      // Blobs are read below, and compared with their names.
      const { signal } = query;
      await checkChecksums(path, { signal, trustNames: true });
    }
    const check = await checkArchive(path, { signal: query.signal, have });
    archives.push({ path, ...check });
    if (flags.json) continue;
    const lines = reportLines(check, where, flags.quiet === true);
    for (const line of lines) output.out(`${oneLine(`${path}: ${line}`)}\n`);
  }
  if (flags.json) output.out(jsonDocument({ archives }));
  if (archives.some(({ findings }) => findings.length > 0)) return 1;
  return archives.some(({ needs }) => needs.length > 0) ? NEEDS_MORE : 0;
};

/** The layers that are where the archives go to, and what that is called. */
async function layersElsewhere({
  flags,
  query,
  root,
}: AnswerContext): Promise<{ have: Set<DiffId>; where: string[] }> {
  const have = new Set<DiffId>();
  const where: string[] = [];
  // A root that nobody has named here is not where they go to.
  if (flags.root !== undefined) {
    const store = await openStore(root());
    requireRoot(store.root);
    for (const diffId of (await inventory(store)).diffIds) have.add(diffId);
    where.push(store.root);
  }
  for (const path of flags.have ?? []) {
    const signal = query.signal ?? new AbortController().signal;
    for (const diffId of await readHave(path, signal)) have.add(diffId);
    where.push(path);
  }
  return { have, where };
}

function reportLines(
  { findings, needs, images, blobs, bytes }: ArchiveCheck,
  where: readonly string[],
  quiet: boolean,
): string[] {
  const lines = findings.map(({ code, message }) => `${message} (${code})`);
  for (const { digest, images: names } of needs) {
    lines.push(`does not hold the layer ${digest} of ${names.join(", ")}`);
  }
  if (quiet || findings.length > 0) return lines;
  const read = `images: ${images}, blobs: ${blobs}, ${formatBytes(bytes)}`;
  if (needs.length === 0) return [`sound: ${read}`];
  const layers = needs.length === 1 ? "layer" : "layers";
  const neither =
    where.length === 0 ? "" : `, and not in ${where.join(" or ")}`;
  lines.push(
    `sound, but needs ${needs.length} ${layers} not in it${neither}: ${read}`,
  );
  return lines;
}
