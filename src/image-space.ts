/** Setting disk aside for layers that are not stored yet. */
import { existsSync } from "node:fs";
import type { ChainId } from "../store/index.js";
import type { About } from "./events.js";
import type { PullSession } from "./pull-session.js";
import type { Descriptor } from "./registry/manifest.js";
import { type SizedLayer, tightMessage } from "./space.js";
import type { Reservation, SpaceHooks } from "./space-ledger.js";
import { missingLayers } from "./stored-image.js";

/**
 * @returns nothing where no layer is missing
 * @throws TpullError `NOT_ENOUGH_SPACE`
 */
export async function reserveSpace(
  layers: readonly { descriptor: Descriptor; chainId: ChainId }[],
  about: About,
  session: PullSession,
): Promise<Reservation | undefined> {
  const missing = await missingLayers(session.store, layers);
  if (missing.length === 0) return undefined;
  const sized = missing.map(({ chainId, descriptor }) => ({
    chainId,
    size: descriptor.size,
    mediaType: descriptor.mediaType,
  }));
  return await reserveLayers(sized, session, { about });
}

/**
 * Sets space aside for layers that are missing, each once.
 * @param about what warnings are about; the whole run without it
 * @throws TpullError `NOT_ENOUGH_SPACE`
 */
export async function reserveLayers(
  layers: readonly SizedLayer[],
  session: PullSession,
  { about, subject }: { about?: About } & Pick<SpaceHooks, "subject">,
): Promise<Reservation> {
  const { layout } = session.store;
  return await session.space.reserve(layers, {
    isBegun: (chainId) =>
      [layout.staging, layout.overlayStaging].some((base) =>
        existsSync(layout.staged(base, chainId).directory),
      ),
    makeRoom: (short) => session.makeRoom(short),
    onTight: (estimate, free) =>
      session.emit({
        type: "warning",
        ...about,
        code: "SPACE_TIGHT",
        message: tightMessage(estimate, free),
      }),
    ...(subject === undefined ? {} : { subject }),
  });
}
