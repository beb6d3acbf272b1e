import { lstatSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cleanName } from "#store/ingest/member-name.js";
import {
  directory,
  file,
  hardlink,
  type Member,
  symlink,
} from "../../helpers/tar-writer.js";
import {
  LINUX,
  listed,
  paths,
  refusal,
  scratch,
  unpacked,
} from "./support/unpacking.js";

describe("names", () => {
  it.each([
    ["a", "a"],
    ["a/b", "a/b"],
    ["./a//b/./c/", "a/b/c"],
    ["/abs/olute", "abs/olute"],
    ["a/../b", "b"],
    ["a/b/../../c", "c"],
    ["", ""],
    [".", ""],
    ["/", ""],
    ["a/..", ""],
    ["...", "..."],
    ["a/..b/c..", "a/..b/c.."],
    [" ", " "],
    ["./a/", "a"],
    ["./", ""],
    ["//", ""],
    [".//", ""],
    ["a//", "a"],
    ["a/.", "a"],
    [".a/..b/...", ".a/..b/..."],
    ["a\\..\\b", "a\\..\\b"],
  ])("%j is %j", (name, path) => {
    const clean = cleanName(name);
    expect(clean.path).toBe(path);
    expect(clean.base).toBe(path.split("/").at(-1));
    expect(clean.parent).toBe(path.split("/").slice(0, -1).join("/"));
  });

  it.each(["..", "../a", "a/../../b", "/../a", "./.."])(
    "%j leads out of the layer",
    (name) => {
      expect(() => cleanName(name)).toThrow(
        expect.objectContaining({ code: "LAYER_INVALID" }),
      );
    },
  );

  it("have at most 4095 bytes, none of them NUL", () => {
    expect(cleanName("n".repeat(4095)).path).toHaveLength(4095);
    expect(() => cleanName("n".repeat(4096))).toThrow(/has 4096 bytes/);
    expect(() => cleanName("a\0b")).toThrow(/NUL/);
  });
});

describe.skipIf(!LINUX)("the way to a member", () => {
  const content = (diff: string, path: string) =>
    readFileSync(join(diff, path), "utf8");

  it("is made where it is missing: 0755, whatever the umask is", async () => {
    for (const umask of [0, 0o077]) {
      const before = process.umask(umask);
      try {
        const layer = await unpacked([file("a/b/c", "x")]);
        expect(paths(layer)).toEqual(["a", "a/b", "a/b/c"]);
        expect(lstatSync(join(layer.diffDirectory, "a/b")).mode & 0o7777).toBe(
          0o755,
        );
      } finally {
        process.umask(before);
      }
    }
  });

  it.each<[string, Member[], string]>([
    [
      "a relative link",
      [directory("r"), symlink("s", "r"), file("s/f", "x")],
      "r/f",
    ],
    [
      "a link beside",
      [
        directory("r"),
        directory("q"),
        symlink("q/s", "../r"),
        file("q/s/f", "x"),
      ],
      "r/f",
    ],
    [
      "an absolute link, from the layer's root",
      [directory("r"), symlink("s", "/r"), file("s/f", "x")],
      "r/f",
    ],
    [
      "a link that climbs, which ends at the root",
      [directory("r"), symlink("s", "../../../r"), file("s/f", "x")],
      "r/f",
    ],
    ["a link to the root", [symlink("s", "/"), file("s/f", "x")], "f"],
    [
      "a link to a link",
      [
        directory("r"),
        symlink("s", "r"),
        symlink("t", "./s/"),
        file("t/f", "x"),
      ],
      "r/f",
    ],
    [
      "links in the middle",
      [
        directory("r/q/p"),
        symlink("s", "r"),
        symlink("r/l", "q/p/.."),
        file("s/l/f", "x"),
      ],
      "r/q/f",
    ],
    [
      "a link to what does not exist, which is made",
      [symlink("s", "new/er"), file("s/f", "x")],
      "new/er/f",
    ],
    [
      "a link with dots and slashes",
      [directory("r"), symlink("s", ".//./r/."), file("s/f", "x")],
      "r/f",
    ],
  ])("leads through %s", async (_, members, place) => {
    const layer = await unpacked(members);
    expect(content(layer.diffDirectory, place)).toBe("x");
    expect(lstatSync(join(layer.diffDirectory, place)).isFile()).toBe(true);
  });

  it("content behind a link that means something else outside the layer is kept in the record", async () => {
    const layer = await unpacked([
      directory("r"),
      symlink("in", "r"),
      symlink("abs", "/r"),
      file("in/a", "1"),
      file("abs/b", "2"),
      file("abs/../r/c", "3"),
    ]);
    expect(listed(layer).slice(3)).toEqual([
      "in/a (1)",
      "abs/b",
      "abs/../r/c (1)",
    ]);
  });

  it.each<[string, Member[], RegExp]>([
    [
      "a link to itself",
      [symlink("s", "s"), file("s/f", "x")],
      /too many symbolic links/,
    ],
    [
      "two links to each other",
      [symlink("s", "t/x"), symlink("t", "s"), file("s/f", "x")],
      /too many symbolic links/,
    ],
    [
      "a file",
      [file("s", ""), file("s/f", "x")],
      /"s" on its path is not a directory/,
    ],
    [
      "a fifo",
      [{ name: "s", type: "6" }, file("s/f", "x")],
      /"s" on its path is not a directory/,
    ],
    [
      "a link to a file",
      [file("r", ""), symlink("s", "r"), file("s/f", "x")],
      /is not a directory/,
    ],
    [
      "a whiteout",
      [file(".wh.s", ""), file("s/f", "x")],
      /"s" on its path is not a directory/,
    ],
    [
      "what it would have to climb out of",
      [file("../s", "x")],
      /leads out of the layer/,
    ],
  ])("does not lead through %s", async (_, members, why) => {
    const said = await refusal(members);
    expect(said).toMatch(/^LAYER_INVALID: member "/);
    expect(said).toMatch(why);
  });

  it("leads through 40 links and no more", async () => {
    const chain = (links: number) => [
      directory("l0"),
      ...Array.from({ length: links }, (_, i) => symlink(`l${i + 1}`, `l${i}`)),
      file(`l${links}/f`, "x"),
    ];
    expect(content((await unpacked(chain(40))).diffDirectory, "l0/f")).toBe(
      "x",
    );
    expect(await refusal(chain(41))).toMatch(/too many symbolic links/);
  });

  it("is not looked for without end when links ask for that", async () => {
    const deep = "d/".repeat(200);
    const members = [
      directory(deep),
      symlink("0", `${deep}${"../d/".repeat(300)}`, {
        pax: { linkpath: `${deep}${"../d/".repeat(300)}` },
      }),
      file("0/f", "x"),
    ];
    expect(await refusal(members)).toMatch(/too many symbolic links/);
  });

  it("is found again among more directories than are kept open", async () => {
    const count = 200;
    const members: Member[] = [];
    for (let i = 0; i < count; i += 1) members.push(directory(`d${i}/e`));
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < count; i += 1)
        members.push(file(`d${i}/e/f${round}`, String(i)));
    }
    const before = readdirSync("/proc/self/fd").length;
    const layer = await unpacked(members);
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
    for (let i = 0; i < count; i += 1)
      expect(content(layer.diffDirectory, `d${i}/e/f2`)).toBe(String(i));
  });

  it("is another one once a directory or link on it was replaced", async () => {
    const layer = await unpacked([
      directory("a/b"),
      { name: "a/b/fifo", type: "6" },
      directory("r"),
      symlink("a/b", "../r"),
      file("a/b/f", "in r"),
    ]);
    expect(paths(layer)).toEqual(["a", "a/b", "r", "r/f"]);
    const mixed = await refusal([
      directory("r"),
      directory("q"),
      symlink("s", "r"),
      file("s/f", "x"),
      symlink("s", "q"),
      file("s/g", "y"),
    ]);
    expect(mixed).toMatch(/it replaces a symbolic link at "s"/);
  });
});

describe.skipIf(!LINUX)("lengths", () => {
  it("a component may have 255 bytes", async () => {
    const name = "n".repeat(255);
    expect(
      paths(
        await unpacked([file("s", "x", { pax: { path: `${name}/${name}` } })]),
      ),
    ).toEqual([name, `${name}/${name}`]);
    expect(
      await refusal([file("s", "x", { pax: { path: `${name}n` } })]),
    ).toMatch(/LAYER_INVALID: .*\(open: ENAMETOOLONG\)/);
    expect(
      await refusal([file("s", "x", { pax: { path: `${name}n/f` } })]),
    ).toMatch(/LAYER_INVALID: .*ENAMETOOLONG/);
  });

  it("a whole path may have what Linux takes, the data root's own included", async () => {
    const root = join(await scratch.tempDir(), "diff").length;
    const path = (bytes: number) => {
      const components = "abcdefghi/".repeat(500);
      return `${components.slice(0, bytes - 10).replace(/\/$/, "x")}/${"f".repeat(9)}`;
    };
    const longest = 4095 - root - 1;
    const layer = await unpacked([
      file("s", "x", { pax: { path: path(longest) } }),
    ]);
    expect(readFileSync(join(layer.diffDirectory, path(longest)), "utf8")).toBe(
      "x",
    );
    expect(
      await refusal([file("s", "x", { pax: { path: path(longest + 1) } })]),
    ).toMatch(/its path in the data root has 4096 bytes/);
    expect(
      await refusal([directory("s", { pax: { path: path(longest + 15) } })]),
    ).toMatch(/its path in the data root has \d+ bytes/);
  });

  it("a path cannot be made longer by links", async () => {
    const deep = "d/".repeat(1500);
    const said = await refusal([
      directory("s", { pax: { path: deep } }),
      symlink("l", "x", { pax: { linkpath: deep } }),
      directory("s", { pax: { path: `l/${deep}` } }),
      hardlink("h", "l"),
    ]);
    expect(said).toMatch(/its path in the data root has \d+ bytes/);
  });

  it("a path of 100,000 directories is refused at once", async () => {
    const started = performance.now();
    const said = await refusal([
      file("s", "x", { pax: { path: `${"a/".repeat(100_000)}f` } }),
    ]);
    expect(said).toMatch(
      /LAYER_INVALID: .*the name has 200001 bytes; Linux paths have at most 4095/,
    );
    expect(said.length).toBeLessThan(1000);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
