// What daemons leave in layers that is not as the archive has it, and no damage.
import { chmodSync, chownSync, lutimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { AT_FDCWD, cPath, lsetxattr, mknodat } from "#store/native/libc.js";
import {
  directory,
  file,
  hardlink,
  symlink,
} from "../../../helpers/tar-writer.js";
import { LINUX, ROOT, unpacked } from "../../ingest/support/unpacking.js";
import { problems } from "../support/checking.js";
import { setTime } from "../support/files.js";

const SECOND = 1_000_000_000n;

function setXattr(path: string, name: string): void {
  expect(lsetxattr(cPath(path), cPath(name), Buffer.from("y"))).toBe(0);
}

describe.runIf(LINUX && ROOT)("overlayfs' bookkeeping", () => {
  it("is no finding on directories of what was mounted to be written to", async () => {
    const layer = await unpacked([directory("d/"), file("a", "x")]);
    setXattr(layer.diffDirectory, "trusted.overlay.uuid");
    setXattr(layer.diffDirectory, "trusted.overlay.impure");
    setXattr(join(layer.diffDirectory, "d"), "trusted.overlay.origin");
    expect(await problems(layer)).toEqual([]);
  });

  it("is one on a file of a layer that was unpacked", async () => {
    const layer = await unpacked([file("a", "x")]);
    setXattr(join(layer.diffDirectory, "a"), "trusted.overlay.origin");
    expect(await problems(layer)).toEqual([
      "TREE_DIFFERS diff/a: it has an attribute trusted.overlay.origin, which is not in the archive",
    ]);
  });

  it("is none on a file of a layer that a build has made where it lies", async () => {
    const layer = await unpacked([file("a", "x")]);
    setXattr(join(layer.diffDirectory, "a"), "trusted.overlay.origin");
    setXattr(join(layer.diffDirectory, "a"), "user.of-the-build");
    expect(await problems(layer, { inPlace: true })).toEqual([]);
  });
});

describe.skipIf(!LINUX)("a layer that a build has made where it lies", () => {
  it("has finer times than its archive", async () => {
    const layer = await unpacked([file("a", "x", { mtime: 1_600_000_000 })]);
    const path = join(layer.diffDirectory, "a");
    setTime(path, 0n, 1_600_000_000n * SECOND + 123_456_789n);
    expect(await problems(layer, { inPlace: true })).toEqual([]);
    expect(await problems(layer)).toEqual([
      "TREE_DIFFERS diff/a: it was last changed 2020-09-13T12:26:40.123456789Z, and 2020-09-13T12:26:40Z in the archive",
    ]);
    setTime(path, 0n, 1_600_000_001n * SECOND);
    expect(await problems(layer, { inPlace: true })).toHaveLength(1);
  });
});

describe.skipIf(!LINUX)("a filesystem's limits", () => {
  it("cut times to whole seconds where it keeps no finer ones", async () => {
    const fine = { pax: { mtime: "1600000000.75" } };
    const layer = await unpacked([file("a", "x", fine)]);
    const path = join(layer.diffDirectory, "a");
    setTime(path, 0n, 1_600_000_000n * SECOND);
    expect(await problems(layer, { nanoseconds: false })).toEqual([]);
    expect(await problems(layer)).toHaveLength(1);
  });

  it("move times that are beyond them", async () => {
    const late = { pax: { mtime: "9000000000" } };
    const layer = await unpacked([file("a", "x", late)]);
    setTime(join(layer.diffDirectory, "a"), 0n, (2n ** 31n - 1n) * SECOND);
    expect(await problems(layer)).toEqual([]);
  });

  it("do not excuse times that are within", async () => {
    const layer = await unpacked([file("a", "x", { mtime: 1_000 })]);
    setTime(join(layer.diffDirectory, "a"), 0n, (2n ** 31n - 1n) * SECOND);
    expect(await problems(layer)).toHaveLength(1);
  });
});

describe.skipIf(!LINUX)("the size of a layer", () => {
  it("may be what the headers add up to, where docker could not look at files", async () => {
    const layer = await unpacked([file("a", "four"), symlink("b", "target")]);
    expect(layer.result.size).toBe(10);
    expect(await problems(layer, {}, { size: 4 })).toEqual([]);
    expect(await problems(layer, {}, { size: 5 })).toEqual([
      "LAYER_SIZE_WRONG size: it says 5, and the files have 10 bytes",
    ]);
  });
});

describe.runIf(LINUX && ROOT)("the layer's own directory", () => {
  it("may be as the archive's root is, which old daemons apply", async () => {
    const layer = await unpacked([
      directory("/", { mode: 0o711, uid: 3, gid: 4 }),
      file("a", "x"),
    ]);
    expect(await problems(layer)).toEqual([]);
    chmodSync(layer.diffDirectory, 0o711);
    chownSync(layer.diffDirectory, 3, 4);
    expect(await problems(layer)).toEqual([]);
    chmodSync(layer.diffDirectory, 0o700);
    expect(await problems(layer)).toEqual([
      "OVERLAY_MODE diff: it has the mode 0700 and belongs to 3:4, instead of 0755 and 0:0",
    ]);
  });
});

describe.skipIf(!LINUX)("an archive that dockerd cannot give back", () => {
  it("has a size at a member without content", async () => {
    const layer = await unpacked([
      file("a", "four"),
      hardlink("b", "a", { size: 4 }),
    ]);
    const lines = gunzipSync(readFileSync(layer.tarSplitPath))
      .toString()
      .replace(
        '"name":"b","payload":null',
        '"name":"b","size":4,"payload":"AAAAAAAAAAA="',
      );
    writeFileSync(layer.tarSplitPath, gzipSync(lines));
    expect(await problems(layer)).toEqual([
      'LAYER_IRREPRODUCIBLE tar-split: "b" has no content, but a size of 4 in the archive',
    ]);
  });
});

describe.skipIf(!LINUX)("a socket", () => {
  it("and other things that no archive holds are found", async () => {
    const layer = await unpacked([file("a", "x")]);
    const socket = join(layer.diffDirectory, "s");
    expect(mknodat(AT_FDCWD, cPath(socket), 0o140644, 0)).toBe(0);
    lutimesSync(socket, 0, 0);
    expect(await problems(layer)).toEqual([
      "TREE_DIFFERS diff/s: it is not in the archive",
    ]);
  });
});
