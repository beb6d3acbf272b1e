/** What an ordinary user can store: everything but owners, devices and some attributes. */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, lstatSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import * as odd from "../../helpers/images/odd-layers.js";
import { findPeer } from "../../helpers/peers.js";
import {
  archive,
  directory,
  file,
  hardlink,
  type Member,
  symlink,
  TYPE,
} from "../../helpers/tar-writer.js";
import { readTrees } from "../../helpers/tree.js";
import {
  LINUX,
  modeOf,
  paths,
  listed,
  target,
  timeOf,
} from "./support/unpacking.js";

const NOBODY = 65_534;
const CAPABILITY = Buffer.from(
  "0100000200040000000000000000000000000000",
  "hex",
);
const IS_ROOT = process.getuid?.() === 0;

interface Said {
  readonly uid: number;
  readonly privileged: boolean;
  readonly result?: {
    readonly size: number;
    readonly warnings: readonly object[];
  };
  readonly again?: number | string;
  readonly error?: { readonly code?: string; readonly message: string };
}

/** Runs node as an ordinary user: as this one, or, from root, as nobody. */
function asUser(args: readonly string[]): string {
  const command = IS_ROOT
    ? [
        "setpriv",
        `--reuid=${NOBODY}`,
        `--regid=${NOBODY}`,
        "--clear-groups",
        process.execPath,
        ...args,
      ]
    : [process.execPath, ...args];
  return execFileSync(command[0]!, command.slice(1), {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "pipe"],
  }).toString();
}

/** Why that cannot be tried here; empty when it can. */
function obstacle(): string {
  if (!LINUX) return "needs Linux";
  try {
    asUser([
      "--input-type=module",
      "-e",
      'await import("#store/ingest/unpack.js")',
    ]);
    return "";
  } catch {
    return "needs setpriv, and a checkout that every user can read";
  }
}

const why = obstacle();
if (why) console.warn(`skipped: unpacking as an ordinary user ${why}`);

async function unpackedByUser(
  members: readonly (Member | Buffer)[],
  umask = 0o022,
) {
  const to = await target(false);
  const folder = dirname(to.diffDirectory);
  const tar = archive(members);
  writeFileSync(join(folder, "tar"), tar);
  if (IS_ROOT) {
    for (const path of [folder, to.diffDirectory])
      chownSync(path, NOBODY, NOBODY);
  }
  chmodSync(folder, 0o755);
  const before = process.umask(umask);
  try {
    const output = asUser([
      "unpack-child.mjs",
      join(folder, "tar"),
      to.diffDirectory,
      to.tarSplitPath,
    ]);
    return { ...to, tar, said: JSON.parse(output) as Said };
  } finally {
    process.umask(before);
  }
}

describe.skipIf(why !== "")("an ordinary user", () => {
  beforeAll(async () => {
    const { said } = await unpackedByUser([]);
    expect(said).toMatchObject({
      privileged: false,
      uid: IS_ROOT ? NOBODY : process.getuid?.(),
    });
  });

  it.each([0o022, 0, 0o077])(
    "gets files with their modes and times, as their owner, with umask %o",
    async (umask) => {
      const layer = await unpackedByUser(
        [
          directory("d", { mode: 0o2755, uid: 5, mtime: 10 }),
          file("d/f", "content", { mode: 0o4644, gid: 6, mtime: 20 }),
          symlink("s", "d", { uid: 7, mtime: 30 }),
          hardlink("h", "d/f", { mode: 0o600, mtime: 40 }),
          { name: "p", type: TYPE.fifo, mode: 0o622 },
          file("implied/f", "x", { mode: 0o666 }),
        ],
        umask,
      );
      expect(layer.said.result).toMatchObject({ size: 9, warnings: [] });
      expect(layer.said.again).toBe(layer.tar.length);
      expect(
        ["d/f", "h", "s", "p", "implied", "implied/f"].map((path) =>
          modeOf(layer, path),
        ),
      ).toEqual(["100600", "100600", "120777", "10622", "40755", "100666"]);
      expect(modeOf(layer, "d").slice(-3)).toBe("755");
      expect(["d", "d/f", "s"].map((path) => timeOf(layer, path))).toEqual([
        "10.000000000",
        "40.000000000",
        "30.000000000",
      ]);
      expect(lstatSync(join(layer.diffDirectory, "d/f")).uid).toBe(
        layer.said.uid,
      );
    },
  );

  it("closes directories last, whatever names they have", async () => {
    const layer = await unpackedByUser([
      directory("c", { mode: 0, mtime: 10 }),
      file("c/f", "x", { mode: 0o444 }),
      directory("c/d", { mode: 0o500, mtime: 20 }),
      file("c/d/f", "y"),
      directory("e", { mode: 0 }),
      symlink("t", "."),
      directory("t/e", { mode: 0o511, mtime: 30 }),
      directory("c/d", { mode: 0o100, mtime: 40 }),
      directory("g", { mode: 0o711 }),
      directory("g", { mode: 0o333 }),
    ]);
    expect(layer.said.error).toBeUndefined();
    expect(modeOf(layer, "c")).toBe("40000");
    expect([
      modeOf(layer, "e"),
      timeOf(layer, "e"),
      modeOf(layer, "g"),
    ]).toEqual(["40511", "30.000000000", "40333"]);
    if (!IS_ROOT) {
      for (const path of ["c", "g"])
        chmodSync(join(layer.diffDirectory, path), 0o700);
    }
    expect([modeOf(layer, "c/d"), timeOf(layer, "c/d")]).toEqual([
      "40100",
      "40.000000000",
    ]);
    chmodSync(join(layer.diffDirectory, "c/d"), 0o700);
  });

  it("does without devices, and is told so; the record is whole", async () => {
    const layer = await unpackedByUser([
      file("kept", ""),
      { name: "null", type: TYPE.char, devmajor: 1, devminor: 3 },
      { name: "./null", type: TYPE.char, devmajor: 1, devminor: 3 },
      { name: "disk", type: TYPE.block, devmajor: 8, devminor: 1 },
      { name: "kept", type: TYPE.block, devmajor: 8, devminor: 1 },
      hardlink("null2", "null"),
      hardlink("null3", "null2"),
      file("null", "a file in its place"),
      symlink("disk", "x"),
    ]);
    expect(layer.said.result?.warnings).toEqual([
      { kind: "device", count: 4, example: '"null"' },
    ]);
    expect(paths(layer)).toEqual(["disk", "kept", "null"]);
    expect(listed(layer)).toEqual(["kept", "null", "disk", "null2", "null3"]);
    expect(layer.said.again).toBe(layer.tar.length);
  });

  it("hides names with the devices that everybody may make", async () => {
    const layer = await unpackedByUser([
      file(".wh.gone", ""),
      { name: "hides", type: TYPE.char, devmajor: 0, devminor: 0, mode: 0o600 },
      file(".wh.back", ""),
      file("back", "x"),
    ]);
    expect(layer.said.error).toBeUndefined();
    expect(
      ["gone", "hides", "back"].map((path) => modeOf(layer, path)),
    ).toEqual(["20000", "20600", "100644"]);
    expect(layer.said.result?.warnings).toEqual([]);
  });

  it.skipIf(!findPeer("python3"))(
    "marks directories in the user's form, and keeps the attributes it may set",
    async () => {
      const attributes = (list: Record<string, Buffer | string>) => ({
        pax: Object.fromEntries(
          Object.entries(list).map(([name, value]) => [
            `SCHILY.xattr.${name}`,
            value,
          ]),
        ),
      });
      const layer = await unpackedByUser([
        directory("d", { mode: 0o555 }),
        file("d/.wh..wh..opq", ""),
        file("f", "x", {
          mode: 0o444,
          ...attributes({
            "user.u": "1",
            "trusted.t": "2",
            "security.capability": CAPABILITY,
          }),
        }),
        hardlink("g", "f", { mode: 0o444, ...attributes({ "user.v": "4" }) }),
        directory("e", { mode: 0o555, ...attributes({ "user.d": "5" }) }),
      ]);
      expect(layer.said.error).toBeUndefined();
      const [tree] = await readTrees([layer.diffDirectory]);
      expect(tree?.get("d")?.xattrs).toEqual({ "user.overlay.opaque": "79" });
      expect(tree?.get("f")).toMatchObject({
        mode: "0444",
        xattrs: { "user.u": "31" },
      });
      expect(tree?.get("e")?.xattrs).toEqual({ "user.d": "35" });
      // trusted.t and the capability, and user.v: the file can no longer be written to.
      expect(layer.said.result?.warnings).toEqual([
        { kind: "xattr", count: 3, example: '"f"' },
      ]);
    },
  );

  it("can give odd layers back", async () => {
    for (const members of [
      odd.PAX,
      odd.GNU,
      odd.NAMES,
      odd.HARDLINKS[0]!,
      odd.WHITEOUTS[1]!,
    ]) {
      const layer = await unpackedByUser(members);
      expect(layer.said.error).toBeUndefined();
      expect(layer.said.again).toBe(layer.tar.length);
    }
  });
});
