import { lstatSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  directory,
  file,
  hardlink,
  type Member,
  symlink,
  TYPE,
} from "../../helpers/tar-writer.js";
import {
  LINUX,
  listed,
  modeOf,
  paths,
  refusal,
  unpacked,
} from "./support/unpacking.js";

describe.skipIf(!LINUX)("a whiteout", () => {
  it("is a character device 0:0 of the hidden name, mode 0000, made now", async () => {
    const layer = await unpacked([
      directory("d"),
      file("d/.wh.gone", "", { mode: 0o644, mtime: 5 }),
      file(".wh.implied/x", "y"),
      file("new/.wh.x", ""),
    ]);
    for (const path of ["d/gone", "new/x"]) {
      const stats = lstatSync(join(layer.diffDirectory, path));
      expect([modeOf(layer, path), stats.rdev]).toEqual(["20000", 0]);
      expect(stats.mtimeMs).toBeGreaterThan(1.6e12);
    }
    expect(paths(layer)).toEqual([
      ".wh.implied",
      ".wh.implied/x",
      "d",
      "d/gone",
      "new",
      "new/x",
    ]);
    expect(listed(layer)).toEqual(
      ["d/", "d/.wh.gone", ".wh.implied/x (1)", "new/.wh.x"].map((name) =>
        name.replace("d/", name === "d/" ? "d" : "d/"),
      ),
    );
    expect(layer.result.size).toBe(1);
  });

  it.each<[string, Member]>([
    ["a directory", directory(".wh.n/")],
    ["a link", symlink(".wh.n", "x")],
    ["a hard link to nothing", hardlink(".wh.n", "nothing")],
    ["a file with content", file(".wh.n", "content")],
    ["of a name AUFS made", file(".wh..wh.n", "")],
  ])("may be %s", async (_, member) => {
    const layer = await unpacked([member, file("next", "x")]);
    expect(paths(layer)).toEqual([
      (member.name as string).startsWith(".wh..wh.") ? ".wh.n" : "n",
      "next",
    ]);
    expect(listed(layer)).toEqual([member.name, "next (1)"]);
  });

  it.each<[string, Member, string]>([
    ["file", file("n", "wins"), "100644"],
    ["directory", directory("n"), "40755"],
    ["symlink", symlink("n", "x"), "120777"],
    ["fifo", { name: "n", type: TYPE.fifo, mode: 0o644 }, "10644"],
  ])("before a %s of that name gives way", async (_, member, mode) => {
    const layer = await unpacked([file(".wh.n", ""), member]);
    expect(modeOf(layer, "n")).toBe(mode);
    expect(listed(layer)).toEqual([
      ".wh.n",
      member === undefined ? "" : mode === "100644" ? "n (4)" : "n",
    ]);
  });

  it("gives way once: what comes a third time is not listed again", async () => {
    const layer = await unpacked([
      file(".wh.n", ""),
      file("n", ""),
      symlink("n", "x"),
      file(".wh.o/x", ""),
    ]);
    expect(listed(layer)).toEqual([".wh.n", "n", ".wh.o/x"]);
  });

  it("in a directory that is replaced is forgotten with it", async () => {
    const layer = await unpacked([
      file("d/.wh.n", ""),
      symlink("d", "x"),
      directory("d"),
      file("d/n", ""),
      symlink("d/n", "y"),
    ]);
    expect(listed(layer)).toEqual(["d/.wh.n", "d", "d/n"]);
  });

  it.each<[string, Member[], RegExp]>([
    [
      "behind a file of that name",
      [file("n", "x"), file(".wh.n", "")],
      /it removes "n", which the same layer adds/,
    ],
    [
      "behind a directory of that name",
      [directory("n"), file(".wh.n", "")],
      /it removes "n", which the same layer adds/,
    ],
    ["twice", [file(".wh.n", ""), file("./.wh.n", "")], /it removes "n"/],
    ["of nothing", [file(".wh.", "")], /a whiteout of nothing/],
    ["of the directory itself", [file("d/.wh..", "")], /a whiteout of nothing/],
    ["of the directory above", [file("d/.wh...", "")], /a whiteout of nothing/],
  ])("%s is refused", async (_, members, why) => {
    const said = await refusal(members);
    expect(said).toMatch(/^LAYER_INVALID: member "/);
    expect(said).toMatch(why);
  });
});

describe.skipIf(!LINUX)("an opaque mark", () => {
  it("is no file, but listed once", async () => {
    const layer = await unpacked([
      directory("d"),
      file("d/.wh..wh..opq", ""),
      file("d/f", "x"),
      file("d/.wh..wh..opq", "why"),
      file("new/.wh..wh..opq", ""),
    ]);
    expect(paths(layer)).toEqual(["d", "d/f", "new"]);
    expect(listed(layer)).toEqual([
      "d",
      "d/.wh..wh..opq",
      "d/f (1)",
      "new/.wh..wh..opq",
    ]);
  });
});
