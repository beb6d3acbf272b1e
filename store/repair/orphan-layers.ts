/** Whole layers that no image needs. */
import { existsSync } from "node:fs";
import type { ChainId } from "../digest.js";
import { readCacheId } from "../layers.js";
import { retractUnused } from "../retract.js";
import type { Session } from "../session.js";
import { forgetUnused, notedUnused, noteUnused } from "../unused.js";
import type { Finding } from "../verify/finding.js";
import {
  agreed,
  type Removable,
  sizeOf,
  type Sweep,
  takeOut,
} from "./sweep.js";

interface OrphanLayer extends Removable {
  readonly chainId: ChainId;
}

/** Removes the layers that the findings are about, if that is agreed to. */
export async function sweepLayers(
  sweep: Sweep,
  findings: readonly Finding[],
): Promise<void> {
  const { session, steps } = sweep;
  const orphans = await orphansOf(sweep, findings);
  if (!(await agreed(sweep, "layers", orphans))) return;
  if (session === undefined) {
    for (const orphan of orphans) await takeOut(sweep, orphan, () => undefined);
    return;
  }
  const concerned = orphans.map(({ finding }) => finding);
  await steps.part("remove layers", concerned, async () => {
    await retract(sweep, session, orphans);
    for (const orphan of orphans) {
      if (existsSync(orphan.path)) {
        const reason = "another layer or a running tpull relies on it";
        steps.leave(orphan.finding, reason);
      } else await takeOut(sweep, orphan, () => undefined);
    }
  });
}

async function orphansOf(
  { layout, steps, known, doubt }: Sweep,
  findings: readonly Finding[],
): Promise<OrphanLayer[]> {
  const orphans: OrphanLayer[] = [];
  for (const finding of findings) {
    const { chainId } = finding;
    if (chainId === undefined || known.isNeeded(chainId)) continue;
    const path = layout.layer(chainId);
    if (!existsSync(path)) continue;
    if (doubt !== undefined) {
      steps.leave(finding, doubt);
      continue;
    }
    const cacheId = readCacheId(path);
    const bytes =
      cacheId === undefined
        ? 0
        : await sizeOf(layout.cacheFile(cacheId, "diff"));
    const what = "a layer that no image needs";
    orphans.push({ finding, path, what, bytes, chainId });
  }
  return orphans;
}

/** By the way on which a pull takes back what no image uses. */
async function retract(
  { layout }: Sweep,
  session: Session,
  orphans: readonly OrphanLayer[],
): Promise<void> {
  const wanted = new Set(orphans.map(({ chainId }) => chainId));
  const before = new Set(notedUnused(layout));
  await session.section(() => {
    for (const chainId of wanted) noteUnused(layout, chainId, undefined);
  }, session.signal);
  try {
    await retractUnused(session, (chainId) => wanted.has(chainId));
  } finally {
    const ours = [...wanted].filter((chainId) => !before.has(chainId));
    forgetUnused(layout, ours);
  }
}
