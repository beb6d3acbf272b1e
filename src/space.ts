/**
 * Whether what is to be stored fits on the disk, asked before anything is
 * written.
 *
 * How large a layer is once unpacked nobody says before it is. What is certain
 * is a lower bound, of inodes those that the store itself makes for it. A layer's compressed bytes hold its files and its archive
 * headers; the store keeps every byte of both, the files as they are and the
 * headers compressed in the tar-split record. So a layer takes no less than its
 * compressed size, but for what one compressor does better than another. The
 * exceptions are left out of the bound: a layer that is not compressed (its
 * headers may be most of it), and a filesystem that compresses by itself.
 * A tenth is taken off for the rest. What does not fit even so is refused;
 * what the estimate says is tight is only warned of.
 */
import { statSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { type ChainId, type Store, TpullError } from "../store/index.js";

/**
 * Disk that a layer takes for each byte of its blob, as a cautious guess:
 * system libraries take 2.8, documentation and scripts up to 4, and files
 * smaller than a block more.
 */
export const DISK_PER_BLOB_BYTE = 4;
/** Part of the compressed size that a layer takes in any case. */
const CERTAIN_SHARE = 0.9;
/** Files and directories that the store itself makes for any layer, whatever is in it. */
const CERTAIN_INODES = 9;
/** Blob bytes for each file, as a cautious guess: in Debian's images it is twice that. */
const BLOB_BYTES_PER_INODE = 4096;

/** statfs(2) types of filesystems that compress or share by themselves. */
const COMPRESSING: ReadonlySet<number> = new Set([
  0x9123683e, // btrfs
  0x2fc12fc1, // zfs
  0xf2f52010, // f2fs
  0xca451a4e, // bcachefs
]);

/** What a filesystem has left for us. */
export interface FreeSpace {
  readonly bytes: number;
  /** Undefined where the filesystem does not count them. */
  readonly inodes: number | undefined;
  /** Whether bytes written are bytes taken. */
  readonly compresses: boolean;
}

/** A layer as far as its size is known. */
export interface SizedLayer {
  readonly chainId: ChainId;
  /** Bytes of the blob. */
  readonly size: number;
  readonly mediaType: string;
}

export interface SpaceNeed {
  readonly bytes: number;
  readonly inodes: number;
}

/**
 * What is free where a root's layers go: in `overlay2`, or in the nearest
 * directory above that exists. For root that is all of it, for others without
 * what is reserved.
 */
export function freeSpace({ layout }: Pick<Store, "layout">): FreeSpace {
  const { bfree, bavail, bsize, files, ffree, type } = statfsSync(
    nearestExisting(layout.overlay),
  );
  const blocks = process.geteuid?.() === 0 ? bfree : bavail;
  return {
    bytes: blocks * bsize,
    inodes: files === 0 ? undefined : ffree,
    compresses: COMPRESSING.has(type),
  };
}

function nearestExisting(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    if (statSync(at, { throwIfNoEntry: false }) !== undefined) return at;
    if (at === dirname(at)) return at;
  }
}

/** A cautious guess of what layers take: rather too much. */
export function estimateNeed(layers: readonly SizedLayer[]): SpaceNeed {
  const blobs = sum(layers.map(({ size }) => size));
  return {
    bytes: Math.ceil(blobs * DISK_PER_BLOB_BYTE),
    inodes:
      layers.length * CERTAIN_INODES + Math.ceil(blobs / BLOB_BYTES_PER_INODE),
  };
}

/** What layers take at the least. */
export function certainNeed(
  layers: readonly SizedLayer[],
  { compresses }: Pick<FreeSpace, "compresses">,
): SpaceNeed {
  const counted = compresses ? [] : layers.filter(isCompressed);
  return {
    bytes: Math.floor(sum(counted.map(({ size }) => size)) * CERTAIN_SHARE),
    inodes: layers.length * CERTAIN_INODES,
  };
}

function isCompressed({ mediaType }: SizedLayer): boolean {
  return /[.+](gzip|zstd)$/.test(mediaType);
}

/** Whether a need is more than there is. */
export function exceeds(need: SpaceNeed, free: FreeSpace): boolean {
  return (
    need.bytes > free.bytes ||
    (free.inodes !== undefined && need.inodes > free.inodes)
  );
}

/** What is said of an estimate that {@link exceeds} what is free: of bytes, of inodes, or of both. */
export function tightMessage(estimate: SpaceNeed, free: FreeSpace): string {
  const inodes = free.inodes ?? Infinity;
  const parts = [
    ...(estimate.bytes > free.bytes
      ? [`${megabytes(estimate.bytes)}, ${megabytes(free.bytes)} are free`]
      : []),
    ...(estimate.inodes > inodes
      ? [`${estimate.inodes} inodes, ${inodes} are free`]
      : []),
  ];
  return `the disk may be too small: a cautious estimate is ${parts.join("; and ")}`;
}

/**
 * `NOT_ENOUGH_SPACE`
 * @param subject the message's first words
 */
export function notEnoughSpace(
  root: string,
  need: SpaceNeed,
  free: FreeSpace,
  subject: "the image does" | "the images do" = "the image does",
): TpullError {
  const bytesShort = need.bytes > free.bytes;
  const [needed, left, what] = bytesShort
    ? [need.bytes, free.bytes, "bytes"]
    : [need.inodes, free.inodes ?? 0, "inodes"];
  const amounts = bytesShort
    ? `${megabytes(needed)}, ${megabytes(left)} are free`
    : `${needed} inodes, ${left} are free`;
  const whose = subject === "the image does" ? "its" : "their";
  return new TpullError(
    "NOT_ENOUGH_SPACE",
    `${subject} not fit in ${root}: ${whose} layers take at least ${amounts}`,
    {
      hint: "Nothing was written. Make room, or choose another data root with --root.",
      details: { what, needed, free: left },
    },
  );
}

/** Rounded up, as docker counts: a megabyte has 1,000,000 bytes. */
export function megabytes(bytes: number): string {
  return `${(Math.ceil(bytes / 100_000) / 10).toFixed(1)} MB`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
