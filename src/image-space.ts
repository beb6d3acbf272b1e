/** Setting disk aside for the layers of one image that are not stored yet. */
import { existsSync } from "node:fs";
import type { ChainId } from "../store/index.js";
import type { About } from "./events.js";
import type { PullSession } from "./pull-session.js";
import type { Descriptor } from "./registry/manifest.js";
import { megabytes } from "./space.js";
import type { Reservation } from "./space-ledger.js";
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
  const { store, space } = session;
  const missing = await missingLayers(store, layers);
  if (missing.length === 0) return undefined;
  const { layout } = store;
  return await space.reserve(
    missing.map(({ chainId, descriptor: { size, mediaType } }) => ({
      chainId,
      size,
      mediaType,
    })),
    {
      isBegun: (chainId) =>
        [layout.staging, layout.overlayStaging].some((base) =>
          existsSync(layout.staged(base, chainId).directory),
        ),
      makeRoom: (short) => session.makeRoom(short),
      onTight: (estimated, free) =>
        session.emit({
          type: "warning",
          ...about,
          code: "SPACE_TIGHT",
          message: `the disk may be too small: a cautious estimate is ${megabytes(estimated)}, ${megabytes(free)} are free`,
        }),
    },
  );
}
