/** Damage to unpacked files. The directories they are in keep their times, which would give it away. */
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { FindingCode } from "#store/index.js";
import { deviceNumber } from "#store/native/libc.js";
import { flip, keepingTime, namesIn, setTime } from "../files.js";
import { makeNode, type Mutation, setXattr } from "./mutation.js";

const CHAR = 0o020000;
const PIPE = 0o010000;
const ROOT = process.geteuid?.() === 0;

/**
 * @param at layer and name of the file that a finding has to be about
 * @param act damages it
 */
function tree(
  name: string,
  code: FindingCode,
  [layer, file]: readonly [number, string],
  act: (path: string) => void,
): Mutation {
  return {
    name,
    codes: [code],
    damage: (scene) => {
      const path = scene.file(layer, file);
      keepingTime(dirname(path), () => act(path));
    },
    root: false,
    path: (scene) => scene.file(layer, file),
  };
}

const CONFIG = [0, "etc/config"] as const;
const LARGE = [0, "etc/large"] as const;
const EMPTY = [0, "etc/empty"] as const;
const LINK = [0, "etc/link"] as const;
const FOLDER = [0, "etc/folder"] as const;
const GONE = [1, "gone"] as const;

const CONTENT: readonly Mutation[] = [
  tree("a bit of a file", "TREE_DAMAGED", CONFIG, flip),
  tree("a bit of a large file", "TREE_DAMAGED", LARGE, flip),
  tree("a file that is gone", "TREE_DAMAGED", CONFIG, unlinkSync),
  tree("a file cut short", "TREE_DAMAGED", LARGE, (path) =>
    keepingTime(path, () => truncateSync(path, 300_000)),
  ),
  tree("a file emptied by a power cut", "TREE_DAMAGED", CONFIG, (path) =>
    keepingTime(path, () => truncateSync(path, 0)),
  ),
  tree("a longer file", "TREE_DAMAGED", CONFIG, (path) =>
    keepingTime(path, () => writeFileSync(path, "!", { flag: "a" })),
  ),
  tree("content in an empty file", "TREE_DAMAGED", EMPTY, (path) =>
    keepingTime(path, () => writeFileSync(path, "!", { flag: "a" })),
  ),
  tree(
    "a file whose content is in the record",
    "TREE_DAMAGED",
    [3, "twice"],
    flip,
  ),
  tree(
    "a file that was written through a link",
    "TREE_DAMAGED",
    [3, "target/through"],
    flip,
  ),
  tree("a file that became a directory", "TREE_DAMAGED", CONFIG, (path) => {
    unlinkSync(path);
    mkdirSync(path);
  }),
  {
    ...tree("a directory that is gone", "TREE_DIFFERS", FOLDER, (path) =>
      rmSync(path, { recursive: true }),
    ),
    codes: ["TREE_DAMAGED", "TREE_DIFFERS"],
  },
];

const METADATA: readonly Mutation[] = [
  tree("a file's mode", "TREE_DIFFERS", CONFIG, (path) =>
    chmodSync(path, 0o777),
  ),
  tree("a set-user-ID bit", "TREE_DIFFERS", [0, "etc/su"], (path) =>
    chmodSync(path, 0o755),
  ),
  {
    ...tree("a file's owner", "TREE_DIFFERS", CONFIG, (path) =>
      lchownSync(path, 4242, 0),
    ),
    root: true,
  },
  {
    ...tree("a link's group", "TREE_DIFFERS", LINK, (path) =>
      lchownSync(path, 0, 4242),
    ),
    root: true,
  },
  tree("a file's time", "TREE_DIFFERS", CONFIG, (path) =>
    utimesSync(path, 1, 1),
  ),
  tree("a nanosecond of a time", "TREE_DIFFERS", [2, "sub-second"], (path) => {
    const { atimeNs, mtimeNs } = lstatSync(path, { bigint: true });
    setTime(path, atimeNs, mtimeNs + 1n);
  }),
  tree("a directory's time", "TREE_DIFFERS", FOLDER, (path) =>
    utimesSync(path, 1, 1),
  ),
  tree("a link's time", "TREE_DIFFERS", LINK, (path) =>
    lutimesSync(path, 1, 1),
  ),
  {
    // chown(2) takes capabilities away.
    ...tree("a capability", "TREE_DIFFERS", [1, "capable"], (path) =>
      chownSync(path, 0, 0),
    ),
    root: true,
  },
  tree("an attribute too many", "TREE_DIFFERS", CONFIG, (path) =>
    setXattr(path, "user.x", "y"),
  ),
  tree("an attribute's value", "TREE_DIFFERS", [1, "user"], (path) =>
    setXattr(path, "user.bytes", "y"),
  ),
  tree(
    "a mark that hides what is below",
    "TREE_DIFFERS",
    [1, "hidden"],
    (path) =>
      keepingTime(path, () => {
        const { mode } = lstatSync(path);
        renameSync(path, `${path}.old`);
        mkdirSync(path);
        for (const name of namesIn(`${path}.old`)) {
          renameSync(join(`${path}.old`, name), join(path, name));
        }
        rmdirSync(`${path}.old`);
        chmodSync(path, mode & 0o7777);
      }),
  ),
  tree("such a mark too many", "TREE_DIFFERS", FOLDER, (path) =>
    setXattr(path, `${ROOT ? "trusted" : "user"}.overlay.opaque`, "y"),
  ),
];

const FILES: readonly Mutation[] = [
  tree("a file too many", "TREE_DIFFERS", [0, "etc/zz"], (path) =>
    writeFileSync(path, "x"),
  ),
  tree("an empty file that is gone", "TREE_DIFFERS", EMPTY, unlinkSync),
  tree("a hard link that is gone", "TREE_DIFFERS", [0, "second"], unlinkSync),
  tree(
    "a hard link that became a copy",
    "TREE_DIFFERS",
    [0, "second"],
    (path) =>
      keepingTime(path, () => {
        const { mode, uid, gid } = lstatSync(path);
        copyFileSync(path, `${path}.copy`);
        lchownSync(`${path}.copy`, uid, gid);
        chmodSync(`${path}.copy`, mode & 0o7777);
        renameSync(`${path}.copy`, path);
      }),
  ),
  {
    name: "two equal files that became one",
    codes: ["TREE_DIFFERS"],
    damage: (scene) => {
      const path = scene.file(0, "gone/deep/file");
      keepingTime(dirname(path), () => {
        unlinkSync(path);
        linkSync(scene.file(0, "hidden/below"), path);
      });
    },
    root: false,
  },
  tree("a link's target", "TREE_DIFFERS", LINK, (path) =>
    keepingTime(path, () => {
      unlinkSync(path);
      symlinkSync("elsewhere", path);
    }),
  ),
  tree("a link that became a file", "TREE_DIFFERS", LINK, (path) =>
    keepingTime(path, () => {
      unlinkSync(path);
      writeFileSync(path, "config");
    }),
  ),
  {
    ...tree("a device's numbers", "TREE_DIFFERS", [1, "dev/disk"], (path) =>
      keepingTime(path, () => {
        const { mode } = lstatSync(path);
        unlinkSync(path);
        makeNode(path, mode, deviceNumber(9, 9));
        chmodSync(path, mode & 0o7777);
      }),
    ),
    root: true,
  },
  tree("a pipe that became a file", "TREE_DIFFERS", [1, "dev/fifo"], (path) =>
    keepingTime(path, () => {
      unlinkSync(path);
      writeFileSync(path, "");
      chmodSync(path, 0o622);
    }),
  ),
  tree("a whiteout that is gone", "TREE_DIFFERS", GONE, unlinkSync),
  tree("a whiteout with a prefix", "TREE_DIFFERS", GONE, (path) =>
    renameSync(path, join(dirname(path), ".wh.gone")),
  ),
  tree("a whiteout that became a pipe", "TREE_DIFFERS", GONE, (path) => {
    unlinkSync(path);
    makeNode(path, PIPE, 0);
    chmodSync(path, 0);
  }),
  tree("a whiteout too many", "TREE_DIFFERS", [0, "etc/new"], (path) =>
    makeNode(path, CHAR, 0),
  ),
];

export const TREE: readonly Mutation[] = [...CONTENT, ...METADATA, ...FILES];
