// Which names of a data root are mounted, from the kernel's tables.
import { expect, it } from "vitest";
import { isMountPoint, namesIn } from "#store/repair/mounted.js";

const [one, two, init] = ["1", "2", "3"].map((digit) => digit.repeat(64));
const built = "0123456789abcdefghijklmno";
const [linkA, linkB] = ["A", "B"].map((letter) => letter.repeat(26));

it("are found in mounts by whole and by relative paths", () => {
  const table = [
    "22 1 253:1 / / rw,relatime - ext4 /dev/vda rw",
    `40 22 0:52 / /r/overlay2/${one}/merged rw - overlay overlay rw,lowerdir=/r/overlay2/l/${linkA}:/r/overlay2/l/${linkB},upperdir=/r/overlay2/${one}/diff,workdir=/r/overlay2/${one}/work`,
    `42 22 0:54 / /y rw - overlay overlay rw,upperdir=/r/overlay2/${built}/diff`,
    `41 22 0:53 / /x rw - overlay overlay rw,lowerdir=l/${linkB}:${two}/diff,upperdir=${init}-init/diff,workdir=${init}-init/work`,
  ].join("\n");
  expect(new Set(namesIn(table))).toEqual(
    new Set([one, two, `${init}-init`, built, linkA, linkB]),
  );
});

it("are not made up from other names", () => {
  const table = `22 1 253:1 /x${one} /${one}0 rw - ext4 /dev/l/${linkA}A rw`;
  expect(namesIn(table)).toEqual([]);
});

it("are told of a path itself and of what is below it", () => {
  expect(isMountPoint("/proc")).toBe(true);
  expect(isMountPoint("/proc/self")).toBe(false);
  expect(isMountPoint("/pro")).toBe(false);
});
