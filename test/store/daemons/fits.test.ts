// Which storage drivers could work, on machines that are not this one.
import { expect, it } from "vitest";
import { fitsOn, type Machine } from "#store/daemons/fits.js";
import type { StorageDriver } from "#store/daemons/releases.js";

const EXT4 = 0xef53;
const MACHINE: Machine = {
  release: "6.1.0-18-amd64",
  filesystems: "nodev\tsysfs\n\text4\nnodev\toverlay\n",
  isThere: () => false,
};
const there = (...paths: string[]): Partial<Machine> => ({
  isThere: (path) => paths.includes(path),
});

/** The drivers that work or may work, the latter with a question mark. */
function working(
  type: number,
  machine: Partial<Machine> = {},
  rootless = false,
): string[] {
  const fits = fitsOn(type, rootless, { ...MACHINE, ...machine });
  return (Object.keys(fits) as StorageDriver[])
    .filter((driver) => fits[driver].works !== false)
    .map((driver) => (fits[driver].works === true ? driver : `${driver}?`))
    .sort();
}

it.each<[string, number, Partial<Machine>, boolean, string[]]>([
  ["an ordinary machine", EXT4, {}, false, ["overlay", "overlay2", "vfs"]],
  ["on overlayfs", 0x794c7630, {}, false, ["vfs"]],
  ["on NFS", 0x6969, {}, false, ["vfs"]],
  ["on FUSE", 0x65735546, {}, false, ["overlay2?", "overlay?", "vfs"]],
  ["on btrfs", 0x9123683e, {}, false, ["btrfs", "overlay", "overlay2", "vfs"]],
  [
    "on ZFS with its device",
    0x2fc12fc1,
    there("/dev/zfs"),
    false,
    ["overlay2?", "overlay?", "vfs", "zfs?"],
  ],
  [
    "a kernel that has to load overlayfs first",
    EXT4,
    { filesystems: "\text4\n" },
    false,
    ["overlay2?", "overlay?", "vfs"],
  ],
  [
    "fuse-overlayfs is installed",
    EXT4,
    there("/usr/bin/fuse-overlayfs"),
    false,
    ["fuse-overlayfs", "overlay", "overlay2", "vfs"],
  ],
  [
    "a device mapper, and aufs",
    EXT4,
    {
      filesystems: "nodev\taufs\nnodev\toverlay\n",
      ...there("/dev/mapper/control"),
    },
    false,
    ["aufs?", "devicemapper?", "overlay", "overlay2", "vfs"],
  ],
  ["a user's dockerd", EXT4, {}, true, ["overlay", "overlay2", "vfs"]],
  [
    "a user's dockerd on an old kernel",
    EXT4,
    { release: "5.10.0-28" },
    true,
    ["overlay2?", "overlay?", "vfs"],
  ],
])("%s", (_, type, machine, rootless, expected) => {
  expect(working(type, machine, rootless)).toEqual(expected);
});

it("what does not work says why", () => {
  const { overlay2, zfs } = fitsOn(0x794c7630, false, MACHINE);
  expect(overlay2.why).toBe("an overlay cannot be mounted on overlayfs");
  expect(zfs.why).toContain("zfs");
});
