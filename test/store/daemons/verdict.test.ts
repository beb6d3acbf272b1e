// What a dockerd of each release would do, from facts that are made up. For 20.10 the peers' tests ask a real one; the
// other releases follow from moby's sources, which the names of the tests point into.
import { describe, expect, it } from "vitest";
import type { RootFacts } from "#store/daemons/facts.js";
import { type Fit, fitsOn } from "#store/daemons/fits.js";
import type { DaemonSettings } from "#store/daemons/settings.js";
import { type DaemonVerdict, verdictsOn } from "#store/daemons/verdict.js";

const EXT4 = 0xef53;
const MACHINE = {
  release: "6.1.0",
  filesystems: "nodev\toverlay\n\text4\n",
  isThere: () => false,
};

/** A root that a tpull has filled, on an ordinary machine. */
const FILLED: RootFacts = {
  root: "/srv/images",
  kind: "directory",
  owner: 0,
  remapped: false,
  readOnly: false,
  prior: new Set(["overlay2"]),
  blocked: new Set(),
  fits: fitsOn(EXT4, false, MACHINE),
  pseudo: undefined,
  onXfs: false,
  dType: true,
  nativeDiff: true,
  images: new Map([["overlay2", 3]]),
  damagedImages: 0,
  namesDamaged: false,
  containerdImages: 0,
  remappedRoots: [],
  volumesDamaged: false,
  containers: 0,
};
const EMPTY: Partial<RootFacts> = { prior: new Set(), images: new Map() };
const FAILS: Fit = { works: false, why: "not here" };
const NO_OVERLAY: Partial<RootFacts> = {
  fits: { ...FILLED.fits, overlay2: FAILS, overlay: FAILS },
};

/** Outcome and driver of each release, and the code of the first remark where there is one. */
function told(
  facts: Partial<RootFacts>,
  settings: DaemonSettings = {},
): Record<string, string> {
  return Object.fromEntries(
    verdictsOn({ ...FILLED, ...facts }, settings).map((verdict) => [
      verdict.release,
      brief(verdict),
    ]),
  );
}

function brief({ outcome, store, driver, remarks }: DaemonVerdict): string {
  const where = store === "containerd" ? `containerd:${driver}` : driver;
  return [outcome, where, remarks[0]?.code].filter(Boolean).join(" ");
}

/** The same of every release, but for those that are named. */
function all(
  usual: string,
  others: Record<string, string> = {},
): Record<string, string> {
  const releases = ["20.10", "23", "24", "25 to 28", "29"];
  return {
    ...Object.fromEntries(releases.map((name) => [name, usual])),
    ...others,
  };
}

describe("drivers (daemon/graphdriver/driver.go, New)", () => {
  it.each<[string, Partial<RootFacts>, Record<string, string>]>([
    ["a root that tpull filled", {}, all("usable overlay2")],
    [
      "nothing yet",
      { ...EMPTY, kind: "absent" },
      all("usable overlay2", { "29": "usable containerd:overlayfs" }),
    ],
    [
      "the directory alone, as an interrupted pull leaves it",
      { images: new Map() },
      all("usable overlay2"),
    ],
    [
      "nothing yet, on btrfs: 20.10 prefers its own driver there",
      { ...EMPTY, fits: fitsOn(0x9123683e, false, MACHINE) },
      all("usable overlay2", {
        "20.10": "usable btrfs",
        "29": "usable containerd:overlayfs",
      }),
    ],
    [
      "overlay2 in use on btrfs",
      { fits: fitsOn(0x9123683e, false, MACHINE) },
      all("usable overlay2"),
    ],
    [
      "two drivers, one of which only the older ones have",
      { prior: new Set(["overlay2", "overlay"]) },
      all("usable overlay2", {
        "20.10": "refused SEVERAL_DRIVERS",
        "23": "refused SEVERAL_DRIVERS",
      }),
    ],
    [
      "two drivers that all have; 20.10 looks at btrfs first",
      { prior: new Set(["overlay2", "btrfs"]) },
      all("refused SEVERAL_DRIVERS", { "20.10": "refused DRIVER_UNUSABLE" }),
    ],
    [
      "a driver that was deprecated, then removed",
      { prior: new Set(["overlay"]), images: new Map([["overlay", 2]]) },
      all("hidden overlay2 IMAGES_HIDDEN", {
        "20.10": "usable overlay",
        "23": "refused DRIVER_DEPRECATED",
        "29": "hidden containerd:overlayfs IMAGES_HIDDEN",
      }),
    ],
    [
      "vfs, which is not taken for having been in use",
      { prior: new Set(), images: new Map([["vfs", 2]]) },
      all("hidden overlay2 IMAGES_HIDDEN", {
        "29": "hidden containerd:overlayfs IMAGES_HIDDEN",
      }),
    ],
    [
      "images whose layers' files are gone",
      { prior: new Set() },
      all("usable overlay2", {
        "29": "hidden containerd:overlayfs IMAGES_HIDDEN",
      }),
    ],
    [
      "something else than a directory",
      { blocked: new Set(["overlay2"]) },
      all("refused DRIVER_UNUSABLE"),
    ],
  ])("%s", (_, facts, expected) => {
    expect(told(facts)).toEqual(expected);
  });
});

describe("what the root is on (overlay2/overlay.go, Init)", () => {
  it.each<[string, Partial<RootFacts>, Record<string, string>]>([
    [
      "overlay2 in use where no overlay can be mounted",
      NO_OVERLAY,
      all("refused DRIVER_UNUSABLE"),
    ],
    [
      "nothing yet where no overlay can be mounted",
      { ...EMPTY, ...NO_OVERLAY },
      all("usable vfs", { "29": "usable containerd:native" }),
    ],
    [
      "overlay2 in use without d_type",
      { dType: false },
      all("refused DRIVER_UNUSABLE", { "20.10": "usable overlay2 NO_D_TYPE" }),
    ],
    [
      "nothing yet without d_type",
      { ...EMPTY, dType: false },
      all("usable vfs", { "29": "usable containerd:native" }),
    ],
    [
      "where it cannot be told",
      { fits: fitsOn(0x65735546, false, MACHINE) },
      all("unknown DRIVER_UNCERTAIN"),
    ],
    [
      "a device mapper that may or may not do",
      {
        ...EMPTY,
        ...NO_OVERLAY,
        fits: {
          ...NO_OVERLAY.fits!,
          devicemapper: { works: "unknown", why: "" },
        },
      },
      all("usable vfs", {
        "20.10": "usable",
        "29": "usable containerd:native",
      }),
    ],
    [
      "redirected directories",
      { nativeDiff: false },
      all("usable overlay2 NO_NATIVE_DIFF"),
    ],
    ["read-only", { readOnly: true }, all("refused ROOT_READ_ONLY")],
    ["procfs", { pseudo: "procfs" }, all("refused ROOT_FILESYSTEM_UNFIT")],
    ["a file", { kind: "other" }, all("refused ROOT_NOT_A_DIRECTORY")],
    ["a user's", { owner: 1000 }, all("usable overlay2 ROOTLESS")],
  ])("%s", (_, facts, expected) => {
    expect(told(facts)).toEqual(expected);
  });
});

describe("what is in it", () => {
  it("malformed names stop the driver that reads them", () => {
    expect(told({ namesDamaged: true })).toEqual(
      all("refused REPOSITORIES_DAMAGED"),
    );
    const settings = { storageDriver: "vfs" };
    expect(told({ namesDamaged: true }, settings)).toEqual(
      all("hidden vfs IMAGES_HIDDEN"),
    );
  });

  it("a database of volumes that is none stops every dockerd", () => {
    expect(told({ volumesDamaged: true })).toEqual(
      all("refused VOLUMES_DAMAGED"),
    );
  });

  it("images that are damaged, remapped, or containerd's are not shown", () => {
    const [verdict] = verdictsOn(
      {
        ...FILLED,
        damagedImages: 1,
        containerdImages: 4,
        remappedRoots: [{ name: "165536.165536", images: 2 }],
      },
      {},
    );
    expect(verdict).toMatchObject({
      outcome: "hidden",
      driver: "overlay2",
      shown: 3,
      hidden: [
        { path: "containerd", images: 4, why: "containerd store" },
        { path: "image/overlay2", images: 1, why: "damaged" },
        { path: "165536.165536", images: 2, why: "remapped" },
      ],
      remarks: [
        { code: "IMAGES_HIDDEN", hint: expect.stringContaining("snapshotter") },
        { code: "IMAGES_DAMAGED", hint: expect.stringContaining("--repair") },
        { code: "IMAGES_HIDDEN", hint: expect.stringContaining("userns") },
      ],
    });
  });

  it("a store of containerd's that cannot be counted is told of", () => {
    const [verdict] = verdictsOn(
      { ...FILLED, containerdImages: "unknown" },
      {},
    );
    expect(verdict).toMatchObject({
      outcome: "hidden",
      hidden: [{ images: "unknown" }],
      remarks: [{ message: expect.stringMatching(/^images in containerd/) }],
    });
  });
});

describe("settings (daemon/image_store_choice.go of 29; UsesSnapshotter before)", () => {
  const IN_CONTAINERD = "hidden containerd:overlayfs IMAGES_HIDDEN";
  it.each<[string, DaemonSettings, Partial<RootFacts>, Record<string, string>]>(
    [
      [
        "the feature on hides a filled root, where there is that feature",
        { containerdSnapshotter: true },
        {},
        all(IN_CONTAINERD, {
          "20.10": "usable overlay2",
          "23": "usable overlay2",
        }),
      ],
      [
        "the feature off keeps 29 with the storage drivers",
        { containerdSnapshotter: false },
        EMPTY,
        all("usable overlay2"),
      ],
      [
        "a driver that is named wins over none in use",
        { storageDriver: "overlay2" },
        { ...EMPTY },
        all("usable overlay2"),
      ],
      [
        "vfs by name shows what is otherwise hidden",
        { storageDriver: "vfs" },
        { prior: new Set(), images: new Map([["vfs", 2]]) },
        all("usable vfs"),
      ],
      [
        "the name of a snapshotter is none of a driver, and means containerd to 29",
        { storageDriver: "stargz" },
        EMPTY,
        all("refused DRIVER_NOT_BUILT_IN", {
          "29": "unknown DRIVER_UNCERTAIN",
        }),
      ],
      [
        "but not where a driver has been in use",
        { storageDriver: "stargz" },
        {},
        all("refused DRIVER_NOT_BUILT_IN"),
      ],
      [
        "one that containerd always has",
        { storageDriver: "native" },
        EMPTY,
        all("refused DRIVER_NOT_BUILT_IN", {
          "29": "usable containerd:native",
        }),
      ],
      [
        "a storage driver by name, beside the feature: no snapshotter is called so",
        { storageDriver: "overlay2", containerdSnapshotter: true },
        EMPTY,
        all("usable containerd:overlay2 SNAPSHOTTER_UNKNOWN", {
          "20.10": "usable overlay2",
          "23": "usable overlay2",
          "29": "refused SNAPSHOTTER_UNAVAILABLE",
        }),
      ],
      [
        "overlayfs where it cannot be mounted",
        { storageDriver: "overlayfs", containerdSnapshotter: true },
        { ...EMPTY, ...NO_OVERLAY },
        all("usable containerd:overlayfs", {
          "20.10": "refused DRIVER_NOT_BUILT_IN",
          "23": "refused DRIVER_NOT_BUILT_IN",
          "29": "refused SNAPSHOTTER_UNAVAILABLE",
        }),
      ],
      ...[
        "overlay2.foo=1",
        "dm.basesize=1G",
        "overlay2",
        "overlay2.size=1G",
        "overlay2.size=much",
        "overlay2.override_kernel_check=maybe",
      ].map(
        (option): [string, DaemonSettings, object, Record<string, string>] => [
          `overlay2 on ext4 does not start with ${option}`,
          { storageOptions: ["overlay2.size=0", option] },
          {},
          all("refused STORAGE_OPTION_REFUSED"),
        ],
      ),
      [
        "options that overlay2 takes on ext4",
        {
          storageOptions: [
            "overlay2.size=0",
            "OVERLAY2.Override_kernel_check=1",
          ],
        },
        {},
        all("usable overlay2"),
      ],
      [
        "a size on XFS goes by quotas that are not seen",
        { storageOptions: ["overlay2.size = 20 GiB"] },
        { onXfs: true },
        all("unknown STORAGE_OPTION_UNCERTAIN"),
      ],
      [
        "other drivers' options are not judged",
        { storageOptions: ["size=1G"], storageDriver: "vfs" },
        { prior: new Set(), images: new Map([["vfs", 2]]) },
        all("usable vfs DIRECTIVES_NOT_JUDGED"),
      ],
      [
        "what is not known is told",
        { notJudged: ["foo"] },
        {},
        all("usable overlay2 DIRECTIVES_NOT_JUDGED"),
      ],
      [
        "a driver that was removed",
        { storageDriver: "aufs" },
        {},
        all("refused DRIVER_NOT_BUILT_IN", {
          "20.10": "refused DRIVER_UNUSABLE",
          "23": "refused DRIVER_UNUSABLE",
        }),
      ],
      [
        "a driver that is named ends the doubt about several",
        { storageDriver: "overlay2" },
        { prior: new Set(["overlay2", "btrfs", "zfs"]) },
        all("usable overlay2"),
      ],
      [
        "29 moves to containerd when told to, and nothing is lost by it",
        { containerdMigration: true },
        { images: new Map() },
        all("usable overlay2", { "29": "usable containerd:overlayfs" }),
      ],
      [
        "whatever else is said of containerd",
        { containerdMigration: true, containerdSnapshotter: false },
        { images: new Map([["vfs", 1]]) },
        all("hidden overlay2 IMAGES_HIDDEN", {
          "29": "hidden containerd:overlayfs IMAGES_HIDDEN",
        }),
      ],
      [
        "from vfs to what does the same",
        { containerdMigration: true, storageDriver: "vfs" },
        EMPTY,
        all("usable vfs", { "29": "usable containerd:native" }),
      ],
      [
        "but not from images",
        { containerdMigration: true },
        {},
        all("usable overlay2"),
      ],
      [
        "or from containers",
        { containerdMigration: true },
        { containers: 1, images: new Map() },
        all("usable overlay2"),
      ],
      [
        "remapped users have a root of their own",
        { usernsRemap: "default" },
        {},
        all("hidden IMAGES_HIDDEN"),
      ],
      [
        "whose files only they can use",
        {},
        { root: "/srv/images/165536.165536", remapped: true, owner: 165536 },
        all("unfit overlay2 USERS_SHIFTED"),
      ],
      [
        "and do",
        { usernsRemap: "default", dataRoot: "/srv/images/" },
        { root: "/srv/images/165536.165536", remapped: true, owner: 165536 },
        all("usable overlay2"),
      ],
      [
        "a configuration for another root",
        { dataRoot: "/var/lib/docker" },
        {},
        all("usable overlay2 DATA_ROOT_DIFFERS"),
      ],
    ],
  )("%s", (_, settings, facts, expected) => {
    expect(told(facts, settings)).toEqual(expected);
  });
});

it("says what to write into daemon.json", () => {
  const hidden = verdictsOn(FILLED, { containerdSnapshotter: true }).at(-1);
  expect(hidden?.remarks[0]?.hint).toBe(
    'In daemon.json: "features": { "containerd-snapshotter": false }, "storage-driver": "overlay2".',
  );
  const [several] = verdictsOn(
    { ...FILLED, prior: new Set(["overlay2", "overlay"]) },
    {},
  );
  expect(several?.remarks[0]?.hint).toMatch(
    /^In daemon\.json: "storage-driver": "overlay2"\. /,
  );
});
