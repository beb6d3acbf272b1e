/**
 * How dockerd's releases differ in what they make of a data root. From moby's
 * sources: `daemon/graphdriver/driver.go` and `driver_linux.go`, `register/`,
 * `overlay2/overlay.go`, and `daemon/image_store_choice.go`.
 */

/** A storage driver that some release has had built in. */
export type StorageDriver =
  | "aufs"
  | "btrfs"
  | "devicemapper"
  | "fuse-overlayfs"
  | "overlay"
  | "overlay2"
  | "vfs"
  | "zfs";

export interface Release {
  /** Major versions, the first and the last: `25 to 28`. */
  readonly name: "20.10" | "23" | "24" | "25 to 28" | "29";
  /** The drivers that are built in, in the order in which they are tried. */
  readonly drivers: readonly StorageDriver[];
  /** Those among them that it does not take unless they are named, not even where they have been in use. */
  readonly deprecated: readonly StorageDriver[];
  /** Whether a driver that has been in use goes on where entries of directories do not tell their type. */
  readonly toleratesNoDType: boolean;
  /** When images are kept in containerd's store. */
  readonly containerdStore: "never" | "when asked for" | "by default";
}

/** The oldest first. */
export const RELEASES: readonly Release[] = [
  {
    name: "20.10",
    drivers: [
      "btrfs",
      "zfs",
      "overlay2",
      "fuse-overlayfs",
      "aufs",
      "overlay",
      "devicemapper",
      "vfs",
    ],
    deprecated: [],
    toleratesNoDType: true,
    containerdStore: "never",
  },
  {
    name: "23",
    drivers: [
      "overlay2",
      "fuse-overlayfs",
      "btrfs",
      "zfs",
      "aufs",
      "overlay",
      "devicemapper",
      "vfs",
    ],
    deprecated: ["aufs", "overlay", "devicemapper"],
    toleratesNoDType: false,
    containerdStore: "never",
  },
  {
    name: "24",
    drivers: [
      "overlay2",
      "fuse-overlayfs",
      "btrfs",
      "zfs",
      "devicemapper",
      "vfs",
    ],
    deprecated: ["devicemapper"],
    toleratesNoDType: false,
    containerdStore: "when asked for",
  },
  {
    name: "25 to 28",
    drivers: ["overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs"],
    deprecated: [],
    toleratesNoDType: false,
    containerdStore: "when asked for",
  },
  {
    name: "29",
    drivers: ["overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs"],
    deprecated: [],
    toleratesNoDType: false,
    containerdStore: "by default",
  },
];

/** Every driver of every release, sorted. */
export const STORAGE_DRIVERS: readonly StorageDriver[] = [
  ...new Set(RELEASES.flatMap(({ drivers }) => drivers)),
].sort();
