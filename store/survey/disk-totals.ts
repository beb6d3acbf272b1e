/** The sums of an account of the space, kind by kind. */
import type { DiskUsage, UsageKind, UsageTotal } from "./disk-report.js";

type Kinds = Pick<DiskUsage, UsageKind>;

/** What each kind comes to. */
export type UsageTotals = Readonly<Record<UsageKind, UsageTotal>>;

/**
 * The sums. Those of docker's kinds are what `docker system df` prints (docker
 * CLI, cli/command/formatter/disk_usage.go).
 * @param layersSize bytes of all layers of images, each counted once
 * @param heldByDockerd whether a dockerd is at work in the root: then nobody
 *   else can say what of the leftovers it needs
 */
export function totalsOf(
  kinds: Kinds,
  layersSize: number,
  heldByDockerd: boolean,
): UsageTotals {
  const { images, containers, volumes, buildCache, leftovers } = kinds;
  const inUse = sum(
    images.map(({ containers, uniqueSize }) =>
      containers > 0 ? uniqueSize : 0,
    ),
  );
  const built = buildCache.filter(({ shared }) => !shared);
  return {
    images: {
      count: images.length,
      active: images.filter((image) => image.containers > 0).length,
      size: layersSize,
      reclaimable: layersSize - inUse,
    },
    containers: total(containers, ({ state }) =>
      ["running", "paused", "restarting"].includes(state),
    ),
    volumes: total(volumes, ({ containers }) => containers > 0),
    buildCache: { ...total(built, () => false), count: buildCache.length },
    partialBlobs: total(kinds.partialBlobs, ({ inUse }) => inUse),
    unfinishedLayers: total(kinds.unfinishedLayers, ({ inUse }) => inUse),
    leftovers: total(leftovers, () => heldByDockerd),
    keptBlobs: total(kinds.keptBlobs, ({ inUse }) => inUse),
    manifests: total(kinds.manifests, ({ inUse }) => inUse),
  };
}

function total<Thing extends { readonly size: number | undefined }>(
  things: readonly Thing[],
  isActive: (thing: Thing) => boolean,
): UsageTotal {
  const active = things.filter(isActive);
  const bytes = (list: readonly Thing[]): number =>
    sum(list.map(({ size = 0 }) => size));
  const size = bytes(things);
  return {
    count: things.length,
    active: active.length,
    size,
    reclaimable: size - bytes(active),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}
