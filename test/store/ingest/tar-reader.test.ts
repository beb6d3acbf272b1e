import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  archive,
  directory,
  file,
  hardlink,
  member,
  type Member,
  paxGlobal,
  paxRecords,
  symlink,
} from "../../helpers/tar-writer.js";
import {
  GNU,
  HARDLINKS,
  PAX,
  WHITEOUTS,
  XATTRS,
} from "../../helpers/images/odd-layers.js";
import { type ReadArchive, readArchive } from "./support/members.js";
import { CUTS, pieces } from "./support/sources.js";

const BLOCK = 512;
const zeros = (bytes: number) => Buffer.alloc(bytes);

function read(tar: Buffer): ReadArchive {
  const result = readArchive(pieces(tar, 1 << 20));
  expect(result.seen.equals(tar)).toBe(true);
  expect(result.again.equals(tar)).toBe(true);
  return result;
}

function refused(tar: Buffer): string {
  const said = new Set<string>();
  for (const cut of CUTS) {
    if (cut < tar.length / 50_000) continue;
    try {
      readArchive(pieces(tar, cut));
      said.add("accepted");
    } catch (error) {
      expect(error).toMatchObject({ code: "LAYER_INVALID" });
      said.add((error as Error).message);
    }
  }
  expect(said.size).toBe(1);
  return [...said].join();
}

const names = ({ members }: ReadArchive) => members.map(({ name }) => name);
const A = member(file("a", "content"));
const B = member(file("b", "x".repeat(BLOCK)));

describe("where an archive ends", () => {
  it.each<[string, Buffer, string[], end: number, trailing: number]>([
    ["two zero blocks", archive([A, B]), ["a", "b"], 2 * BLOCK, 0],
    ["nothing at all", zeros(0), [], 0, 0],
    ["only the end", zeros(2 * BLOCK), [], 2 * BLOCK, 0],
    ["no end", Buffer.concat([A, B]), ["a", "b"], 0, 0],
    [
      "one zero block",
      Buffer.concat([A, zeros(BLOCK)]),
      ["a"],
      BLOCK - 7 + BLOCK,
      0,
    ],
    ["the padding is missing", A.subarray(0, BLOCK + 7), ["a"], 0, 0],
    [
      "some of the padding is missing",
      A.subarray(0, BLOCK + 100),
      ["a"],
      93,
      0,
    ],
    [
      "a record of 10 KiB",
      Buffer.concat([A, zeros(10_240)]),
      ["a"],
      BLOCK - 7 + 2 * BLOCK,
      9216,
    ],
    [
      "garbage behind",
      Buffer.concat([A, zeros(2 * BLOCK), Buffer.from("no tar")]),
      ["a"],
      BLOCK - 7 + 2 * BLOCK,
      6,
    ],
    [
      "another archive behind",
      Buffer.concat([A, zeros(2 * BLOCK), B]),
      ["a"],
      BLOCK - 7 + 2 * BLOCK,
      2 * BLOCK,
    ],
    [
      "an extended header, then nothing",
      Buffer.concat([
        A,
        member({ name: "p", type: "x", data: paxRecords({ path: "z" }) }),
      ]),
      ["a"],
      BLOCK - 7 + 2 * BLOCK,
      0,
    ],
  ])("%s", (_, tar, found, end, trailing) => {
    const result = read(tar);
    expect([names(result), result.end, result.trailing]).toEqual([
      found,
      end,
      trailing,
    ]);
  });

  it.each<[string, Buffer, RegExp]>([
    [
      "inside a header",
      Buffer.concat([A, B.subarray(0, 100)]),
      /ends inside a header/,
    ],
    [
      "inside content",
      B.subarray(0, BLOCK + 100),
      /ends inside a member's content/,
    ],
    ["before content", B.subarray(0, BLOCK), /ends inside a member's content/],
    [
      "inside an extended header",
      member(file("a", "x", { pax: { path: "z" } })).subarray(0, BLOCK + 5),
      /ends inside an extended header/,
    ],
    [
      "inside an extended header's padding",
      member(file("a", "x", { pax: { path: "z" } })).subarray(0, BLOCK + 50),
      /ends inside an extended header/,
    ],
    [
      "inside the end",
      Buffer.concat([A, zeros(700)]),
      /ends inside the end-of-archive marker/,
    ],
    [
      "a zero block between members",
      Buffer.concat([A, zeros(BLOCK), B]),
      /a zero block is followed by more members/,
    ],
    [
      "no tar at all",
      Buffer.alloc(2000, "text"),
      /(checksum is wrong|not octal)/,
    ],
  ])("%s is refused", (_, tar, why) => {
    expect(refused(tar)).toMatch(why);
  });
});

describe("extended headers", () => {
  const pax = (bytes: number): Member =>
    file("a", "x", {
      pax: { comment: "c".repeat(bytes - ` comment=\n${bytes}`.length) },
    });

  it("may have a mebibyte and no more", () => {
    expect(names(read(archive([pax(1 << 20)])))).toEqual(["a"]);
    expect(refused(archive([pax((1 << 20) + 1)]))).toMatch(
      /an extended header has 1048577 bytes \(at most 1048576\)/,
    );
    expect(
      refused(archive([file("a", "x", { gnuName: "n".repeat(1 << 20) })])),
    ).toMatch(/at most 1048576/);
  });

  it("claim a size that is not there", () => {
    expect(refused(member({ name: "p", type: "x", size: 1 << 19 }))).toMatch(
      /ends inside an extended header/,
    );
    expect(refused(member({ name: "p", type: "x", size: 2 ** 40 }))).toMatch(
      /at most 1048576/,
    );
    expect(refused(member({ name: "p", type: "g", size: 2 ** 40 }))).toMatch(
      /at most 1048576/,
    );
    expect(refused(member({ name: "p", type: "L", size: -1 }))).toMatch(
      /negative/,
    );
  });

  it("cannot go on for ever in front of one member", () => {
    const header = member({
      name: "p",
      type: "x",
      data: paxRecords({ comment: "c".repeat(900_000) }),
    });
    expect(
      names(read(archive([...Array<Buffer>(9).fill(header), file("a", "x")]))),
    ).toEqual(["a"]);
    expect(
      refused(archive([...Array<Buffer>(10).fill(header), file("a", "x")])),
    ).toMatch(/too many extended headers/);
  });
});

describe("global headers", () => {
  it("are members of their own, and about no other", () => {
    const result = read(
      archive([
        paxGlobal({ uid: "77", mtime: "5", comment: "c" }),
        file("a", "x"),
      ]),
    );
    expect(
      result.members.map(({ name, type, uid, size, rawBytes }) => [
        name,
        type,
        uid,
        size,
        rawBytes,
      ]),
    ).toEqual([
      ["pax_global_header", "g", 0, 0, BLOCK + 33],
      ["a", "0", 0, 1, BLOCK - 33 + BLOCK],
    ]);
  });

  it("are called by their own path record", () => {
    expect(
      names(
        read(archive([paxGlobal({ path: "other" }), paxGlobal({ path: "" })])),
      ),
    ).toEqual(["other", "pax_global_header"]);
  });

  it("end what came before them", () => {
    const lost = member({
      name: "p",
      type: "x",
      data: paxRecords({ path: "lost" }),
    });
    expect(
      names(read(archive([lost, paxGlobal({ comment: "c" }), file("a", "x")]))),
    ).toEqual(["pax_global_header", "a"]);
  });
});

it("raw runs and contents are the whole stream, for odd archives", () => {
  for (const members of [PAX, GNU, XATTRS, ...HARDLINKS, ...WHITEOUTS])
    read(archive(members));
});

it("any cut of the input gives the same", () => {
  const name = fc
    .string({ minLength: 1, maxLength: 150 })
    .filter((text) => !text.includes("\0"));
  const one = fc.oneof(
    fc
      .tuple(name, fc.uint8Array({ maxLength: 1500 }))
      .map(([n, data]) => file(n, data)),
    fc.tuple(name, name).map(([n, target]) => symlink(n, target)),
    fc.tuple(name, name).map(([n, target]) => hardlink(n, target)),
    name.map((n) => directory(n)),
    fc
      .tuple(name, fc.uint8Array({ maxLength: 700 }))
      .map(([n, data]) =>
        file("short", data, { pax: { path: n, mtime: "1.5" } }),
      ),
    fc
      .tuple(name, fc.uint8Array({ maxLength: 10 }))
      .map(([n, data]) => file("short", data, { format: "gnu", gnuName: n })),
    name.map((n) => paxGlobal({ comment: n })),
  );
  const end = fc.constantFrom(0, 512, 1024, 1030, 5000).map(zeros);
  const cuts = fc.array(fc.integer({ min: 1, max: 1500 }), {
    minLength: 1,
    maxLength: 20,
  });
  fc.assert(
    fc.property(
      fc.array(one, { maxLength: 8 }),
      end,
      cuts,
      (members, tail, lengths) => {
        const tar = archive(members, { end: tail });
        const { seen, again, ...wanted } = read(tar);
        const cut = readArchive(pieces(tar, lengths));
        expect(cut.seen.equals(seen) && cut.again.equals(again)).toBe(true);
        expect(JSON.stringify({ ...cut, seen: 0, again: 0 })).toBe(
          JSON.stringify({ ...wanted, seen: 0, again: 0 }),
        );
      },
    ),
    { numRuns: 100 },
  );
});
