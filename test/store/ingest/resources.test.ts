/** Memory and descriptors stay bounded, whatever a layer holds. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { usableIsal } from "#store/ingest/gunzip-isal.js";
import { libzstd } from "#store/native/libraries.js";
import {
  archive,
  directory,
  file,
  hardlink,
  type Member,
  symlink,
} from "../../helpers/tar-writer.js";
import { LINUX, refusal, unpacked } from "./support/unpacking.js";

const MEBIBYTE = 1 << 20;

describe.skipIf(!LINUX)("memory", () => {
  it.each<[string, number, boolean]>([
    ["ISA-L", 512, !LINUX || !usableIsal()],
    ["zlib", 256, false],
    ["libzstd", 512, !LINUX || !libzstd()],
    ["fzstd", 256, false],
    ["trailing", 96, false],
  ])(
    "is flat while a bomb goes off: %s, %i MiB",
    (kind, mebibytes, missing) => {
      if (missing) return;
      const output = execFileSync(
        process.execPath,
        ["bomb-child.mjs", kind, String(mebibytes)],
        { cwd: import.meta.dirname },
      );
      const { bytes, peak } = JSON.parse(output.toString()) as {
        bytes: number;
        peak: number;
      };
      expect(bytes).toBe(mebibytes * MEBIBYTE);
      // A process that does nothing has some 60 MiB.
      expect(peak).toBeLessThan(180 * MEBIBYTE);
    },
  );
});

describe.skipIf(!LINUX)("descriptors", () => {
  const open = () => readdirSync("/proc/self/fd").length;

  it("are all closed after 10,000 members in more directories than are kept open", async () => {
    const members: Member[] = [];
    for (let i = 0; i < 10_000; i += 1) {
      const place = `d${i % 150}/e${i % 7}`;
      members.push(
        i % 10 === 0
          ? symlink(`${place}/l${i}`, "x")
          : file(`${place}/f${i}`, i % 3 === 0 ? "" : "x"),
      );
    }
    const before = open();
    const { result } = await unpacked(members);
    expect(result.size).toBe(
      members.reduce(
        (sum, { data, linkname }) => sum + String(data ?? linkname).length,
        0,
      ),
    );
    expect(open()).toBe(before);
  });

  it("are all closed after every kind of failure", async () => {
    const deep = Array.from({ length: 100 }, (_, i) => directory(`d${i}`));
    const failures: (Member | Buffer)[][] = [
      [file("../x", "")],
      [file("a", "x"), file("a", "y")],
      [hardlink("a", "nothing")],
      [hardlink("a", "no/thing")],
      [symlink("s", "s"), file("s/f", "x")],
      [symlink("s", "d0/d0/../../s"), file("s/f", "x")],
      [file("d0/f", ""), file("d0/f/g", "x")],
      [file("a", "x", { uid: -1 })],
      [file("a", "x", { pax: { "SCHILY.xattr.": "1" } })],
      [{ name: "a", type: "7" }],
      [file(".wh.d0", "")],
      [file("a", "x", { pax: { path: `${"n".repeat(256)}/f` } })],
      [symlink("a", "")],
    ];
    const tars = [
      ...failures.map((members) => archive([...deep, ...members])),
      archive([...deep, file("a", "x".repeat(5000))]).subarray(
        0,
        100 * 512 + 3000,
      ),
      archive([...deep, file("a", "x")]).subarray(0, 100 * 512 + 100),
      Buffer.alloc(5000, "no tar"),
    ];
    const before = open();
    for (const tar of tars)
      expect(await refusal(tar)).toMatch(/^(LAYER_INVALID|accepted)/);
    expect(open()).toBe(before);
  });
});
