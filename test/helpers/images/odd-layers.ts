/** Layers with what tar and the layer format allow but few images have, by what is odd in them. */
import { Buffer } from "node:buffer";
import {
  directory,
  file,
  hardlink,
  paxGlobal,
  symlink,
  TYPE,
  type Member,
} from "../tar-writer.js";

/** Members of one layer's archive. */
export type LayerMembers = readonly (Member | Buffer)[];

/** `VFS_CAP_REVISION_2`, effective, with CAP_NET_BIND_SERVICE permitted. */
const CAPABILITY = Buffer.from(
  "0100000200040000000000000000000000000000",
  "hex",
);
const WITH_CAPABILITY = {
  mode: 0o755,
  pax: { "SCHILY.xattr.security.capability": CAPABILITY },
};

/** 300 characters in names of 24. */
const LONG = "a-name-of-twenty-four-ch/".repeat(12);

export const HARDLINKS: readonly LayerMembers[] = [
  [
    file("first", "content of three names\n", { mode: 0o640 }),
    hardlink("second", "first", { mode: 0o640 }),
    directory("elsewhere/"),
    hardlink("elsewhere/third", "second", { mode: 0o4755, uid: 7, gid: 8 }),
    symlink("soft", "first"),
    hardlink("hard-of-soft", "soft"),
    file("empty", ""),
    hardlink("empty-too", "empty"),
  ],
  [file("second", "no longer linked\n"), file(".wh.first", "")],
];

export const XATTRS: LayerMembers = [
  file("capable", "binary\n", WITH_CAPABILITY),
  hardlink("capable-too", "capable", WITH_CAPABILITY),
  file("loses-capability", "binary\n", WITH_CAPABILITY),
  hardlink("by-this-link", "loses-capability"),
  file("user", "x", {
    pax: {
      "SCHILY.xattr.user.bytes": Buffer.from([0, 1, 10, 61, 255, 254]),
      "SCHILY.xattr.user.grüße": "ä\n=b",
      "SCHILY.xattr.trusted.note": "for root only",
    },
  }),
  directory("folder/", { pax: { "SCHILY.xattr.user.on-a-folder": "yes" } }),
  file("folder/ignored", "x", {
    pax: { "LIBARCHIVE.xattr.user.other": "eA==", "RHT.security.selinux": "s" },
  }),
];

function device(
  name: string,
  type: string,
  major: number,
  minor: number,
  mode: number,
): Member {
  return { name, type, mode, devmajor: major, devminor: minor };
}

export const SPECIAL_FILES: LayerMembers = [
  directory("dev/"),
  { name: "dev/fifo", type: TYPE.fifo, mode: 0o622 },
  device("dev/null", TYPE.char, 1, 3, 0o666),
  device("dev/wide", TYPE.char, 300, 70_000, 0o600),
  device("dev/disk", TYPE.block, 8, 1, 0o660),
  hardlink("dev/null-too", "dev/null", { mode: 0o644 }),
];

export const WHITEOUTS: readonly LayerMembers[] = [
  [
    directory("kept/"),
    file("kept/a", "a"),
    file("kept/b", "b"),
    directory("hidden/"),
    file("hidden/below", "x"),
    directory("gone/"),
    directory("gone/deep/"),
    file("gone/deep/file", "x"),
  ],
  [
    directory("kept/"),
    file("kept/.wh.a", "", { uid: 12, gid: 34 }),
    directory("hidden/", { mode: 0o700 }),
    file("hidden/.wh..wh..opq", ""),
    file("hidden/above", "y"),
    file(".wh.gone", ""),
    file(".wh.never-was", ""),
    file("implied/.wh.x", ""),
    device("by-device", TYPE.char, 0, 0, 0o600),
    directory("late/"),
    file("late/first", "z"),
    file("late/.wh..wh..opq", ""),
    file(".wh.comes-back", ""),
    file("comes-back", "the file wins"),
  ],
  [directory("gone/"), file("gone/again", "new"), file("kept/.wh.b", "")],
];

/** Marks the layer's own root as opaque. */
export const OPAQUE_ROOT: LayerMembers = [
  file(".wh..wh..opq", ""),
  file("left", "x"),
];

const timed = (mtime: string) => ({ pax: { mtime } });

export const PAX: LayerMembers = [
  file("short", "x", {
    pax: { path: `${LONG}öffentlich.txt`, mtime: "1234567890.123456789" },
  }),
  file("before-1970", "x", timed("-1.5")),
  file("after-2262", "x", timed("9300000000")),
  file("sub-second", "x", {
    pax: { mtime: "1600000000.9", atime: "1700000000.1" },
  }),
  symlink("old-link", "short", {
    pax: { mtime: "-86400.25", linkpath: `${LONG}target` },
  }),
  file("big-owner", "x", { pax: { uid: "2000000000", gid: "2000000001" } }),
  file(Buffer.from("latin-\xe9-\xff", "latin1"), "not UTF-8"),
  directory(Buffer.from("d\xfe/", "latin1")),
  file(Buffer.from("d\xfe/inside", "latin1"), "below a name of odd bytes"),
  file("control-\u0001-\t-<&>-\u2028", "odd characters"),
  directory("timed/", timed("1000000000.000000001")),
  file("timed/child", "must not touch its folder's time"),
];

export const GNU: LayerMembers = [
  file("short", "x", { format: "gnu", gnuName: `${LONG}gnu.txt` }),
  symlink("gnu-link", "short", { format: "gnu", gnuLink: `${LONG}gnu.txt` }),
  file("base-256", "x", {
    format: "gnu",
    uid: 3_000_000,
    gid: 4_000_000,
    mtime: 10_000_000_000,
  }),
  file("negative", "x", { format: "gnu", mtime: -3600 }),
  file("old-style", "x", { format: "v7" }),
  file("name", "x", { prefix: "by/prefix/field" }),
];

export const MODES: LayerMembers = [
  directory("closed/", { mode: 0 }),
  file("closed/file", "x", { mode: 0 }),
  directory("closed/deeper/", { mode: 0o555 }),
  file("closed/deeper/file", "x", { mode: 0o400 }),
  file("setuid", "x", { mode: 0o4755 }),
  file("setgid", "x", { mode: 0o2755, gid: 50 }),
  directory("sticky/", { mode: 0o1777 }),
  directory("setgid-folder/", { mode: 0o2770, gid: 50 }),
  file("setgid-folder/not-inherited", "x"),
  file("type-bits", "x", { mode: 0o100644 }),
];

export const NAMES: LayerMembers = [
  directory("./", { mode: 0o700, uid: 5, gid: 5 }),
  directory("./dotted/"),
  file("./dotted//a/./b", "through implied and doubled"),
  file("/absolute", "x"),
  directory("real/"),
  symlink("alias", "real"),
  file("alias/inside", "written through a link of this layer"),
  symlink("dangling", "../../../../nowhere"),
  paxGlobal({ comment: "about all that follows" }),
  file("after-global", "x"),
];

export const PLAIN: LayerMembers = [
  file("data", "some content\n"),
  directory("d/"),
];

/** Layer `i` of a deep image: each adds a file, every tenth removes one. */
export function deepLayer(i: number): LayerMembers {
  return [
    directory("deep/"),
    file(`deep/${i}`, `${i}\n`),
    ...(i % 10 === 0 ? [file(`deep/.wh.${i - 5}`, "")] : []),
  ];
}
