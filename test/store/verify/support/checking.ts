/** One layer, unpacked and checked in this thread. */
import type { DiffId } from "#store/index.js";
import { createCrc64 } from "#store/ingest/crc64.js";
import {
  type CheckedLayer,
  checkLayer,
  type LayerToCheck,
} from "#store/verify/content/check-layer.js";
import { type Layer, ROOT } from "../../ingest/support/unpacking.js";

export type Rules = LayerToCheck["rules"];

export const RULES: Rules = {
  seesTrusted: ROOT,
  seesMarks: true,
  unprivileged: !ROOT,
  inPlace: false,
  nanoseconds: true,
};

/** Checks what {@link unpacked} made. */
export async function checked(
  layer: Layer,
  rules: Partial<Rules> = {},
  changes: Partial<LayerToCheck> = {},
): Promise<CheckedLayer> {
  return checkLayer(
    {
      diffId: layer.result.diffId as DiffId,
      diffDirectory: layer.diffDirectory,
      tarSplitPath: layer.tarSplitPath,
      shownDirectory: "diff",
      shownTarSplit: "tar-split",
      size: layer.result.size,
      shownSize: "size",
      rules: { ...RULES, ...rules },
      ...changes,
    },
    await createCrc64(),
    { stopped: () => false, onContent: () => {} },
  );
}

/** `CODE path: message` for each problem. */
export async function problems(
  layer: Layer,
  rules: Partial<Rules> = {},
  changes: Partial<LayerToCheck> = {},
): Promise<string[]> {
  const found = await checked(layer, rules, changes);
  return found.problems.map(
    ({ code, path, message }) => `${code} ${path}: ${message}`,
  );
}
