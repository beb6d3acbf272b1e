import { lstatSync, readFileSync, readlinkSync, statSync } from "node:fs";
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
  ROOT,
  listed,
  modeOf,
  paths,
  refusal,
  snapshot,
  timeOf,
  unpacked,
} from "./support/unpacking.js";

const at = (layer: { diffDirectory: string }, path: string) =>
  lstatSync(join(layer.diffDirectory, path));
const content = (layer: { diffDirectory: string }, path: string) =>
  readFileSync(join(layer.diffDirectory, path), "utf8");

describe.skipIf(!LINUX)("files and links", () => {
  it("hold what the archive says", async () => {
    const layer = await unpacked([
      directory("d", { mode: 0o750 }),
      file("d/f", "content", { mode: 0o604 }),
      file("empty", ""),
      symlink("s", "../anything/at all"),
      hardlink("d/h", "./d//f", { mode: 0o604 }),
      { name: "p", type: TYPE.fifo, mode: 0o640 },
    ]);
    expect(content(layer, "d/f")).toBe("content");
    expect(content(layer, "empty")).toBe("");
    expect(readlinkSync(join(layer.diffDirectory, "s"))).toBe(
      "../anything/at all",
    );
    expect(at(layer, "d/h").ino).toBe(at(layer, "d/f").ino);
    expect(["d", "d/f", "s", "p"].map((path) => modeOf(layer, path))).toEqual([
      "40750",
      "100604",
      "120777",
      "10640",
    ]);
  });

  it("the layer's own root stays as it was made", async () => {
    const layer = await unpacked([
      directory("./", { mode: 0o700, mtime: 5 }),
      file("a", "x"),
      directory("/", { mode: 0o711 }),
    ]);
    expect(modeOf(layer, ".")).toBe("40755");
    expect(timeOf(layer, ".")).not.toBe("5.000000000");
  });

  it.each([4095, 1000])("a link's target may have %i bytes", async (length) => {
    const layer = await unpacked([
      symlink("s", "x", { pax: { linkpath: "t".repeat(length) } }),
    ]);
    expect(readlinkSync(join(layer.diffDirectory, "s"))).toHaveLength(length);
    expect(layer.result.size).toBe(length);
  });

  it.each<[string, Member[], RegExp]>([
    [
      "a link without target",
      [symlink("s", "")],
      /"s" cannot be made \(symlink: ENOENT\)/,
    ],
    [
      "a link's target of 4096 bytes",
      [symlink("s", "x", { pax: { linkpath: "t".repeat(4096) } })],
      /\(symlink: ENAMETOOLONG\)/,
    ],
    [
      "a hard link to nothing",
      [hardlink("h", "f"), file("f", "x")],
      /"h" is a hard link to "f", which is not in the layer/,
    ],
    [
      "a hard link into nothing",
      [hardlink("h", "d/f")],
      /which is not in the layer/,
    ],
    [
      "a hard link through a file",
      [file("d", ""), hardlink("h", "d/f")],
      /which is not in the layer/,
    ],
    [
      "a hard link to itself",
      [hardlink("h", "h")],
      /which is not in the layer/,
    ],
    [
      "a hard link to the root",
      [hardlink("h", ".")],
      /which is not in the layer/,
    ],
    [
      "a hard link to a directory",
      [directory("d"), hardlink("h", "d")],
      /"h" cannot be made \(link: E/,
    ],
    [
      "a sparse file of GNU",
      [{ name: "s", type: "S", format: "gnu", data: "x" }],
      /GNU sparse file.*cannot give back/,
    ],
    [
      "a sparse file of pax",
      [file("s", "x", { pax: { "GNU.sparse.map": "0,1" } })],
      /GNU sparse file/,
    ],
    [
      "a contiguous file",
      [{ name: "s", type: "7" }],
      /its tar type "7" is not one that docker unpacks/,
    ],
    ["a volume label", [{ name: "s", type: "V" }], /its tar type "V"/],
    [
      "a type nobody knows",
      [{ name: "s", type: "Z", data: "x" }],
      /its tar type "Z"/,
    ],
  ])("%s is refused", async (_, members, why) => {
    const said = await refusal(members);
    expect(said).toMatch(/^LAYER_INVALID: member "/);
    expect(said).toMatch(why);
  });

  it("errors say which member, in words a person can read", async () => {
    await expect(
      unpacked([hardlink(Buffer.from("caf\xc3\xa9\n\xff", "latin1"), "x")]),
    ).rejects.toMatchObject({
      code: "LAYER_INVALID",
      message: expect.stringMatching(/^member "café\\n\ufffd": /) as string,
      details: { member: "café\n\ufffd" },
    });
  });

  it("a hard link's target may lie behind links of the layer", async () => {
    const layer = await unpacked([
      directory("d"),
      file("d/f", "x"),
      symlink("e", "d"),
      symlink("abs", "/d"),
      hardlink("g", "e/f"),
      hardlink("abs/i", "abs/f"),
    ]);
    expect(at(layer, "d/f").nlink).toBe(3);
    expect(at(layer, "d/i").ino).toBe(at(layer, "g").ino);
  });

  it("a hard link to a symbolic link is that link again", async () => {
    const layer = await unpacked([
      symlink("s", "nowhere", { mtime: 50 }),
      hardlink("h", "s", { mode: 0o600, mtime: 77 }),
      hardlink("i", "h"),
    ]);
    expect(readlinkSync(join(layer.diffDirectory, "i"))).toBe("nowhere");
    expect(at(layer, "s").nlink).toBe(3);
    expect(timeOf(layer, "s")).toBe("50.000000000");
    expect(layer.result.size).toBe("nowhere".length);
  });

  it("the last hard link's mode and time are those of all", async () => {
    const layer = await unpacked([
      file("f", "x", { mode: 0o600, mtime: 1 }),
      hardlink("g", "f", { mode: 0o4711, mtime: 2 }),
      hardlink("h", "g", { mode: 0o640, mtime: 3 }),
    ]);
    expect(
      ["f", "g", "h"].map((path) => [modeOf(layer, path), timeOf(layer, path)]),
    ).toEqual(["f", "g", "h"].map(() => ["100640", "3.000000000"]));
  });
});

// Closed directories can be looked into by root only.
describe.skipIf(!ROOT)("modes", () => {
  const members: Member[] = [
    ...[0o7777, 0o4755, 0o2711, 0o1644, 0o666, 0o400, 0].map((mode) =>
      file(`f${mode}`, "x", { mode }),
    ),
    ...[0o7777, 0o2755, 0o1777, 0o555, 0].map((mode) =>
      directory(`d${mode}`, { mode }),
    ),
    { name: "p438", type: TYPE.fifo, mode: 0o666 },
    file("bits", "x", { mode: 0o100644 }),
  ];

  it.each([0, 0o022, 0o077, 0o777])(
    "are the archive's with umask %o",
    async (umask) => {
      if (!ROOT && umask === 0o777) return;
      const before = process.umask(umask);
      try {
        const layer = await unpacked(members);
        for (const [path] of paths(layer).map(
          (name) => [name, /^.(\d+)/.exec(name)?.[1]] as const,
        )) {
          const wanted = path === "bits" ? 0o644 : Number(path.slice(1));
          expect(at(layer, path).mode & 0o7777, path).toBe(wanted);
        }
        expect(statSync(layer.tarSplitPath).mode & 0o777).toBe(0o644);
      } finally {
        process.umask(before);
      }
    },
  );

  it.skipIf(!ROOT)(
    "and owners do not come from a set-group-ID directory",
    async () => {
      const layer = await unpacked([
        directory("g", { mode: 0o2775, gid: 50 }),
        file("g/f", "x"),
        directory("g/d"),
        symlink("g/s", "f"),
        { name: "g/p", type: TYPE.fifo },
        hardlink("g/h", "g/f"),
        file("g/.wh.w", ""),
        file("g/i/j/f", "x", { gid: 6 }),
        directory("other"),
        file("other/f", "x"),
      ]);
      const seen = snapshot(layer.diffDirectory, { times: false }).map((line) =>
        line.replace(/ (\/|->|device|1 bytes).*/, ""),
      );
      expect(seen.slice(1)).toEqual([
        "/g 42775 0:50",
        "/g/d 40755 0:0",
        "/g/f 100644 0:0",
        "/g/h 100644 0:0",
        "/g/i 42755 0:0", // as dockerd leaves it: made in passing, so it inherits the bit
        "/g/i/j 42755 0:0",
        "/g/i/j/f 100644 0:6",
        "/g/p 10644 0:0",
        "/g/s 120777 0:0",
        "/g/w 20000 0:0",
        "/other 40755 0:0",
        "/other/f 100644 0:0",
      ]);
    },
  );

  it("children may come behind a directory that is closed", async () => {
    const layer = await unpacked([
      directory("c", { mode: 0 }),
      file("c/f", "x", { mode: 0 }),
      directory("c/d", { mode: 0o555 }),
      file("c/d/f", "y", { mode: 0o400 }),
      directory("c/d/e", { mode: 0 }),
    ]);
    expect(modeOf(layer, "c")).toBe("40000");
    if (ROOT)
      expect(
        ["c/f", "c/d", "c/d/f", "c/d/e"].map((path) => modeOf(layer, path)),
      ).toEqual(["100000", "40555", "100400", "40000"]);
  });
});

describe.skipIf(!ROOT)("owners and devices", () => {
  it("are set on everything, links included", async () => {
    const layer = await unpacked([
      directory("d", { uid: 1, gid: 2 }),
      file("d/f", "x", { uid: 3_000_000, gid: 0xfffffffe, mode: 0o6755 }),
      symlink("s", "d", { uid: 5, gid: 6 }),
      { name: "p", type: TYPE.fifo, uid: 7, gid: 8 },
      file("d/.wh.w", "", { uid: 9, gid: 10 }),
      file("z", "", { uid: 11 }),
      hardlink("h", "z", { gid: 12 }),
      directory("d", { uid: 13, gid: 14, mode: 0o711 }),
    ]);
    const owner = (path: string) =>
      `${at(layer, path).uid}:${at(layer, path).gid}`;
    expect(["d", "d/f", "s", "p", "d/w", "z"].map(owner)).toEqual([
      "13:14",
      "3000000:4294967294",
      "5:6",
      "7:8",
      "9:10",
      "0:12",
    ]);
    expect(modeOf(layer, "d/f")).toBe("106755");
    expect(modeOf(layer, "d")).toBe("40711");
  });

  it.each([
    [-1, 0],
    [0, -1],
    [0xffffffff, 0],
    [0, 0x100000000],
    [2 ** 52, 0],
  ])("%i:%i is refused", async (uid, gid) => {
    for (const member of [
      file("a", "x", { uid, gid }),
      directory("a", { uid, gid }),
      symlink("a", "x", { uid, gid }),
      file(".wh.a", "", { uid, gid }),
    ]) {
      expect(await refusal([member])).toMatch(
        /belongs to .*, which no Linux system has/,
      );
    }
  });

  it("devices have their numbers", async () => {
    const device = (
      name: string,
      type: string,
      devmajor: number,
      devminor: number,
    ): Member => ({ name, type, devmajor, devminor, mode: 0o620, mtime: 9 });
    const layer = await unpacked([
      device("null", TYPE.char, 1, 3),
      device("wide", TYPE.char, 300, 70_000),
      device("last", TYPE.block, 4095, 0xfffff),
      device("hides", TYPE.char, 0, 0),
      hardlink("null2", "null", { mode: 0o666 }),
    ]);
    const number = (path: string) => {
      const { rdev } = at(layer, path);
      return [
        Math.floor(rdev / 256) & 0xfff,
        (rdev & 0xff) | ((rdev >>> 12) & 0xfff00),
      ];
    };
    expect(["null", "wide", "last", "hides"].map(number)).toEqual([
      [1, 3],
      [300, 70_000],
      [4095, 0xfffff],
      [0, 0],
    ]);
    expect(
      ["null", "last", "hides"].map((path) => modeOf(layer, path)),
    ).toEqual(["20666", "60620", "20620"]);
    expect(timeOf(layer, "wide")).toBe("9.000000000");
    expect(layer.result).toMatchObject({ size: 0, warnings: [] });
    expect(await refusal([device("d", TYPE.char, 4096, 0)])).toMatch(
      /\(mknod: EINVAL\)/,
    );
  });
});

describe.skipIf(!LINUX)("times", () => {
  const mtime = (value: string) => ({ pax: { mtime: value } });

  it("are the archive's to the nanosecond", async () => {
    const layer = await unpacked([
      file("f", "x", mtime("1234567890.123456789")),
      directory("d", mtime("1.000000001")),
      symlink("s", "x", mtime("1600000000.987654321")),
      { name: "p", type: TYPE.fifo, ...mtime("2.5") },
      hardlink("h", "f", mtime("1234567891.1")),
    ]);
    expect(["f", "d", "s", "p"].map((path) => timeOf(layer, path))).toEqual([
      "1234567891.100000000",
      "1.000000001",
      "1600000000.987654321",
      "2.500000000",
    ]);
  });

  it("of directories are not those of what was put into them later", async () => {
    const layer = await unpacked([
      directory("d", { mtime: 10 }),
      directory("d/e", { mtime: 20 }),
      file("d/e/f", "x"),
      file("d/i/f", "x"),
      file("d/e/.wh.g", ""),
      directory("d/e", { mtime: 30 }),
      file("d/e/h", "x"),
    ]);
    expect(["d", "d/e"].map((path) => timeOf(layer, path))).toEqual([
      "10.000000000",
      "30.000000000",
    ]);
    expect(Number(timeOf(layer, "d/i"))).toBeGreaterThan(1_700_000_000);
  });

  it("of a directory with two names are the last ones", async () => {
    const layer = await unpacked([
      directory("d", { mtime: 10, mode: 0o700 }),
      symlink("s", "d"),
      directory("s/../d/.", { mtime: 20 }),
      symlink("t", "."),
      directory("t/d", { mtime: 30, mode: 0o711 }),
    ]);
    expect([timeOf(layer, "d"), modeOf(layer, "d")]).toEqual([
      "30.000000000",
      "40711",
    ]);
  });

  it("before 1970 and after 2262 become 1970, except those of links", async () => {
    const values = ["-1", "-0.5", "9223372036.854775808", "99999999999999"];
    const layer = await unpacked(
      values.flatMap((value, i) => [
        file(`f${i}`, "x", mtime(value)),
        directory(`d${i}`, mtime(value)),
      ]),
    );
    for (const path of paths(layer))
      expect(timeOf(layer, path), path).toBe("0.000000000");
    const last = await unpacked([
      file("f", "x", mtime("9223372036.854775807")),
      symlink("s", "x", mtime("-86400.25")),
    ]);
    expect(Number(timeOf(last, "f"))).toBeGreaterThan(9_000_000_000);
    expect(timeOf(last, "s")).toBe("-86401.750000000");
  });

  it("of links wrap where 64 bits of nanoseconds end", async () => {
    // 99999999999999 s is 200376419.520689664 s beyond a multiple of 2^64 ns.
    const layer = await unpacked([symlink("s", "x", mtime("99999999999999"))]);
    expect(timeOf(layer, "s")).toBe("200376419.520689664");
  });

  it("of access are never before those of modification", async () => {
    const layer = await unpacked([
      file("earlier", "x", { pax: { mtime: "100", atime: "50.5" } }),
      file("later", "x", { pax: { mtime: "100", atime: "150.5" } }),
      file("none", "x", { mtime: 100 }),
      symlink("s", "x", { pax: { mtime: "100", atime: "150" } }),
    ]);
    const atime = (path: string) =>
      lstatSync(join(layer.diffDirectory, path)).atimeMs / 1000;
    expect(["earlier", "later", "none", "s"].map(atime)).toEqual([
      100, 150.5, 100, 150,
    ]);
  });
});

describe.skipIf(!LINUX)("a name that comes twice", () => {
  const kinds: Record<string, Member> = {
    file: file("n", ""),
    directory: directory("n"),
    symlink: symlink("n", "x"),
    fifo: { name: "n", type: TYPE.fifo },
    "hard link": hardlink("n", "other"),
  };
  const pairs = Object.keys(kinds).flatMap((a) =>
    Object.keys(kinds).map((b) => [a, b] as const),
  );

  it.each(pairs)(
    "%s, then %s: the last one counts, and is listed once",
    async (first, second) => {
      const one = [file("other", ""), kinds[second]!];
      const two = await unpacked([
        file("other", ""),
        kinds[first]!,
        { ...kinds[second]!, name: "./n" },
      ]);
      const same = (layer: { diffDirectory: string }) =>
        snapshot(layer.diffDirectory, { times: false });
      expect(same(two)).toEqual(same(await unpacked(one)));
      expect(listed(two)).toEqual(["other", "n"]);
      expect(two.result.size).toBe((await unpacked(one)).result.size);
    },
  );

  it.each<[string, Member[]]>([
    ["a file", [file("n", "lost"), file("n", "")]],
    ["a file by a link", [file("n", "lost"), symlink("n", "x")]],
    ["a hard link", [file("o", "kept"), hardlink("n", "o"), file("n", "")]],
    [
      "a directory with a file",
      [directory("n"), file("n/d/e/f", "lost"), file("n", "")],
    ],
    ["a directory made in passing", [file("n/f", "lost"), symlink("n", "x")]],
  ])("is refused when content is replaced: %s", async (_, members) => {
    expect(await refusal(members)).toMatch(
      /LAYER_INVALID: member "n": "n" is in the layer more than once, with content that is replaced/,
    );
  });

  it("replaces whole directories that hold no content", async () => {
    const layer = await unpacked([
      directory("n/a/b"),
      symlink("n/a/s", "target"),
      hardlink("t", "n/a/s"),
      symlink("n/u", "12345"),
      { name: "n/p", type: TYPE.fifo },
      file("n/e", ""),
      file("n/.wh.w", ""),
      file("n", "file"),
    ]);
    expect(paths(layer)).toEqual(["n", "t"]);
    expect(layer.result.size).toBe("file".length + "target".length);
  });

  it("is not listed again when it went with a directory", async () => {
    const layer = await unpacked([
      file("n/x", ""),
      symlink("n", "elsewhere"),
      directory("n"),
      file("n/x", "content"),
      file("n/y", "new"),
    ]);
    expect(listed(layer)).toEqual(["n/x", "n", "n/y (3)"]);
    expect(readFileSync(join(layer.diffDirectory, "n/x"), "utf8")).toBe(
      "content",
    );
  });

  it("is not listed again when it went with a directory of two names", async () => {
    const layer = await unpacked([
      file("n/x", ""),
      symlink("s", "."),
      { name: "s/n", type: TYPE.fifo },
      directory("n"),
      file("n/x", "content"),
    ]);
    expect(listed(layer)).toEqual(["n/x", "s"]);
    expect(paths(layer)).toEqual(["n", "n/x", "s"]);
  });

  it("is listed by the later member where a directory was only made in passing", async () => {
    const layer = await unpacked([file("n/.wh.w", ""), file("n", "content")]);
    expect(listed(layer)).toEqual(["n/.wh.w", "n (7)"]);
  });
});
