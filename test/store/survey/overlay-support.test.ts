// What a kernel's settings tell of overlayfs, for kernels that are not this one.
import { expect, it } from "vitest";
import {
  type KernelFacts,
  overlaySupport,
  overlaySupportOf,
} from "#store/survey/overlay-support.js";

const HOST: KernelFacts = {
  release: "6.1.0-18-amd64",
  filesystems: "nodev\tsysfs\n\text4\nnodev\toverlay\n",
  uidMap: "         0          0 4294967295\n",
  redirectDir: "N\n",
  metacopy: "N\n",
};
const ROOTLESS = { uidMap: "         0       1000          1\n" };
const UNKNOWN = "unknown";

it.each<[string, Partial<KernelFacts>, unknown[]]>([
  ["a usual kernel", {}, [true, false, false]],
  ["redirects by default", { redirectDir: "Y\n" }, [false, false, false]],
  ["metacopy by default", { metacopy: "Y\n" }, [true, true, false]],
  [
    "overlayfs is not loaded",
    { filesystems: "\text4\n", redirectDir: undefined, metacopy: undefined },
    [UNKNOWN, UNKNOWN, false],
  ],
  [
    "a module whose settings cannot be seen",
    { redirectDir: undefined, metacopy: undefined },
    [UNKNOWN, UNKNOWN, false],
  ],
  [
    "a kernel before redirects",
    { release: "4.9.0", redirectDir: undefined, metacopy: undefined },
    [true, false, false],
  ],
  [
    "a kernel that may have the old fault",
    { release: "3.10.0-1160.el7", redirectDir: undefined },
    [UNKNOWN, false, false],
  ],
  [
    "a user namespace",
    { ...ROOTLESS, redirectDir: "Y\n", metacopy: "Y\n" },
    [true, false, true],
  ],
  [
    "a user namespace of an old kernel",
    { ...ROOTLESS, release: "5.10.0" },
    [UNKNOWN, UNKNOWN, UNKNOWN],
  ],
])("%s", (_, facts, [nativeDiff, metacopy, userxattr]) => {
  expect(overlaySupportOf({ ...HOST, ...facts })).toEqual({
    nativeDiff,
    metacopy,
    userxattr,
  });
});

it("the running kernel answers, too", () => {
  const values = [true, false, UNKNOWN];
  for (const value of Object.values(overlaySupport())) {
    expect(values).toContain(value);
  }
});
