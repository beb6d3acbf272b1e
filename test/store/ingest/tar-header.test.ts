import { describe, expect, it } from "vitest";
import type { TarHeader } from "#store/ingest/tar-header.js";
import {
  archive,
  directory,
  file,
  hardlink,
  member,
  type Member,
  paxRecords,
  symlink,
} from "../../helpers/tar-writer.js";
import { edited, signedChecksum } from "./support/blocks.js";
import { readArchive } from "./support/members.js";
import { pieces } from "./support/sources.js";

/** The first member of an archive of these. */
function read(...members: (Member | Buffer)[]): TarHeader {
  const { members: found } = readArchive(pieces(archive(members), 1 << 20));
  return found[0]!;
}

function refused(...members: (Member | Buffer)[]): string {
  try {
    read(...members);
  } catch (error) {
    expect(error).toMatchObject({ code: "LAYER_INVALID" });
    return (error as Error).message;
  }
  return "accepted";
}

const text = (at: number, value: string) => (block: Buffer) =>
  void block.write(value, at, "latin1");

describe("names by dialect", () => {
  it.each<[string, Member | Buffer, string]>([
    ["v7", file("plain", "x", { format: "v7" }), "plain"],
    [
      "v7 has no prefix",
      edited(file("plain", "x", { format: "v7" }), text(345, "no/prefix")),
      "plain",
    ],
    [
      "100 characters fill the field",
      file("n".repeat(100), "x"),
      "n".repeat(100),
    ],
    [
      "ustar with a prefix",
      file("name", "x", { prefix: "some/where" }),
      "some/where/name",
    ],
    [
      "a prefix of 155 characters",
      file("name", "x", { prefix: "p".repeat(155) }),
      `${"p".repeat(155)}/name`,
    ],
    [
      "star's shorter prefix",
      edited(file("name", "x", { prefix: "p/q" }), text(508, "tar\0")),
      "p/q/name",
    ],
    ["GNU has no prefix", file("name", "x", { format: "gnu" }), "name"],
    [
      "GNU with what writers in old Go left there",
      edited(file("name", "x", { format: "gnu" }), text(345, "some/where")),
      "some/where/name",
    ],
    [
      "GNU with what is no text either",
      edited(file("name", "x", { format: "gnu" }), text(345, "\xe9t\xe9")),
      "name",
    ],
    [
      "GNU long name",
      file("short", "x", { format: "gnu", gnuName: "l".repeat(300) }),
      "l".repeat(300),
    ],
    [
      "an empty GNU long name",
      file("short", "x", { format: "gnu", gnuName: "" }),
      "short",
    ],
    [
      "pax path",
      file("short", "x", { pax: { path: "p".repeat(300) } }),
      "p".repeat(300),
    ],
    ["an empty pax path", file("short", "x", { pax: { path: "" } }), "short"],
    [
      "a GNU long name wins over pax",
      file("short", "x", { gnuName: "gnu", pax: { path: "pax" } }),
      "gnu",
    ],
    [
      "pax over prefix",
      file("short", "x", { prefix: "p", pax: { path: "whole" } }),
      "whole",
    ],
    ["UTF-8 stays bytes", file("ä", "x"), "\xc3\xa4"],
    [
      "what is no UTF-8 stays bytes",
      file(Buffer.from([0x61, 0xff]), "x"),
      "a\xff",
    ],
    [
      "up to the first NUL",
      edited(file("name", "x"), text(4, "\0rest")),
      "name",
    ],
  ])("%s", (_, given, name) => {
    expect(read(given).name).toBe(name);
  });

  it.each<[string, Member, string]>([
    ["field", symlink("a", "target"), "target"],
    ["GNU", symlink("a", "t", { gnuLink: "k".repeat(300) }), "k".repeat(300)],
    [
      "pax",
      symlink("a", "t", { pax: { linkpath: "p".repeat(300) } }),
      "p".repeat(300),
    ],
    ["empty GNU", symlink("a", "t", { gnuLink: "" }), "t"],
  ])("link target: %s", (_, given, target) => {
    expect(read(given).linkName).toBe(target);
  });
});

describe("types", () => {
  it.each([
    ["\0", "name", "0"],
    ["\0", "name/", "5"],
    ["0", "name/", "0"],
    ["7", "name", "7"],
  ])("flag %j of %s is %s", (type, name, is) => {
    expect(read(member({ name, type })).type).toBe(is);
  });

  it.each(["1", "2", "3", "4", "5", "6"])(
    "type %s has no content, whatever its size says",
    (type) => {
      const { members } = readArchive(
        pieces(
          archive([{ name: "a", type, size: 1000 }, file("b", "content")]),
          1000,
        ),
      );
      expect(
        members.map(({ name, size, content }) => [name, size, content]),
      ).toEqual([
        ["a", 0, ""],
        ["b", 7, "content"],
      ]);
    },
  );
});

describe("numbers", () => {
  it.each<[string, Member | Buffer, Partial<TarHeader>]>([
    [
      "octal",
      file("a", "x", { mode: 0o4755, uid: 1000, gid: 0o7777777 }),
      { mode: 0o4755, uid: 1000, gid: 2097151 },
    ],
    [
      "file type bits in the mode",
      file("a", "x", { mode: 0o100644 }),
      { mode: 0o644 },
    ],
    [
      "blanks and NULs around",
      edited(file("a", "x"), (b) => {
        b.write("   644 \0", 100);
        b.write("\0\x005 \0 \0\0", 108);
      }),
      { mode: 0o644, uid: 5 },
    ],
    [
      "nothing after a NUL",
      edited(file("a", "x"), text(100, "0644\0zz\0")),
      { mode: 0o644 },
    ],
    [
      "an empty field",
      edited(file("a", "x"), text(108, "\0\0\0\0\0\0\0\0")),
      { uid: 0 },
    ],
    [
      "base 256",
      file("a", "x", { uid: 3_000_000, gid: 2 ** 31 + 5 }),
      { uid: 3_000_000, gid: 2 ** 31 + 5 },
    ],
    [
      "base 256, negative",
      file("a", "x", { uid: -2, mtime: -3600 }),
      { uid: -2, mtime: { seconds: -3600, nanoseconds: 0 } },
    ],
    [
      "base 256 beyond octal",
      file("a", "x", { mtime: 10_000_000_000 }),
      { mtime: { seconds: 10_000_000_000, nanoseconds: 0 } },
    ],
    [
      "pax owners",
      file("a", "x", { pax: { uid: "2000000000", gid: "+7" } }),
      { uid: 2_000_000_000, gid: 7 },
    ],
    [
      "devices",
      { name: "d", type: "3", devmajor: 300, devminor: 70_000 },
      { deviceMajor: 300, deviceMinor: 70_000 },
    ],
    [
      "v7 has no devices",
      edited({ name: "d", type: "3", format: "v7" }, text(329, "junkjunk")),
      { deviceMajor: 0, deviceMinor: 0 },
    ],
  ])("%s", (_, given, wanted) => {
    expect(read(given)).toMatchObject(wanted);
  });

  it("the size of pax wins: the content is as long as it says", () => {
    const { members } = readArchive(
      pieces(
        archive([
          file("a", "hello", { size: 0, pax: { size: "5" } }),
          file("b", "x"),
        ]),
        100,
      ),
    );
    expect(members.map(({ content }) => content)).toEqual(["hello", "x"]);
  });

  it.each<[string, Buffer | Member, RegExp]>([
    [
      "junk in a field",
      edited(file("a", "x"), text(100, "0644x\0\0\0")),
      /not octal/,
    ],
    [
      "an octal minus sign",
      edited(file("a", "x"), text(124, "-0000000001\0")),
      /not octal/,
    ],
    ["an 8", edited(file("a", "x"), text(100, "0000648\0")), /not octal/],
    [
      "a negative size",
      edited(file("a", "x"), (b) => b.fill(0xff, 124, 136)),
      /a size is negative/,
    ],
    [
      "a negative pax size",
      file("a", "x", { pax: { size: "-5" } }),
      /a size is negative/,
    ],
    [
      "a size of 2^60",
      edited(file("a", "x"), (b) => {
        b.fill(0, 124, 136);
        b[124] = 0x80;
        b[128] = 0x10;
      }),
      /a size does not fit/,
    ],
    [
      "a number of more than 63 bits",
      edited(file("a", "x"), (b) => {
        b.fill(0, 136, 148);
        b[136] = 0x80;
        b[139] = 1;
      }),
      /a number does not fit/,
    ],
    [
      "a pax size of 2^60",
      file("a", "x", { pax: { size: String(2 ** 60) } }),
      /size is not a number/,
    ],
    [
      "a pax size that is none",
      file("a", "x", { pax: { size: "12ab" } }),
      /size is not a number/,
    ],
    [
      "a pax uid with a fraction",
      file("a", "x", { pax: { uid: "1.5" } }),
      /uid is not a number/,
    ],
  ])("%s is refused", (_, given, why) => {
    expect(refused(given)).toMatch(why);
  });
});

describe("times", () => {
  it.each<[string, number, number]>([
    ["0", 0, 0],
    ["1234567890.123456789", 1234567890, 123456789],
    ["1.5", 1, 500_000_000],
    ["1.", 1, 0],
    ["1.1234567899999", 1, 123_456_789],
    ["+5.25", 5, 250_000_000],
    ["-1", -1, 0],
    ["-1.5", -2, 500_000_000],
    ["-0.25", -1, 750_000_000],
    ["99999999999999", 99_999_999_999_999, 0],
  ])("pax mtime %s", (value, seconds, nanoseconds) => {
    const header = read(
      file("a", "x", { pax: { mtime: value, atime: value } }),
    );
    expect(header.mtime).toEqual({ seconds, nanoseconds });
    expect(header.atime).toEqual({ seconds, nanoseconds });
  });

  it.each([
    ".5",
    "-",
    "1e5",
    "1.5x",
    "1,5",
    " 1",
    "9223372036854775808",
    "--1",
    "abc",
  ])("pax mtime %j is refused", (value) => {
    expect(refused(file("a", "x", { pax: { mtime: value } }))).toMatch(
      /mtime is not a time/,
    );
  });

  it("access times of GNU and star", () => {
    const octal = "17000000000\0";
    expect(
      read(edited(file("a", "x", { format: "gnu" }), text(345, octal))).atime,
    ).toEqual({ seconds: 0o17000000000, nanoseconds: 0 });
    const star = edited(file("a", "x"), (block) => {
      block.write(octal, 476);
      block.write("tar\0", 508);
    });
    expect(read(star).atime).toEqual({
      seconds: 0o17000000000,
      nanoseconds: 0,
    });
    expect(read(file("a", "x")).atime).toBeUndefined();
  });
});

describe("pax records", () => {
  const raw = (data: string | Buffer) => [
    member({ name: "p", type: "x", data }),
    file("a", "x"),
  ];

  it("extended attributes keep their bytes; other makers' are ignored", () => {
    const bytes = Buffer.from([0, 1, 10, 61, 255]);
    const header = read(
      file("a", "x", {
        pax: {
          "SCHILY.xattr.user.b": bytes,
          "SCHILY.xattr.user.empty": "",
          "LIBARCHIVE.xattr.user.c": "eA==",
          "SCHILY.acl.access": "user::rw-",
        },
      }),
    );
    expect([...(header.xattrs ?? [])]).toEqual([
      ["user.b", bytes.toString("latin1")],
    ]);
    expect(read(file("a", "x")).xattrs).toBeUndefined();
  });

  it("the last header counts, whole", () => {
    const header = read(
      member({ name: "p", type: "x", data: paxRecords({ path: "first" }) }),
      member({ name: "p", type: "x", data: paxRecords({ uid: "5" }) }),
      file("a", "x"),
    );
    expect([header.name, header.uid]).toEqual(["a", 5]);
  });

  it.each<[string, string | Buffer]>([
    ["no length", "path=x\n"],
    ["a length that is too short", "4 a\n"],
    ["a length that is too long", "99 path=x\n"],
    ["a length in another place", "7 a=b\n"],
    ["a negative length", "-7 a=b\n"],
    ["a length of many digits", `${"9".repeat(30)} a=b\n`],
    ["no equals sign", "8 path \n"],
    ["no key", "5 =x\n"],
    ["no newline", "6 a=bc"],
    [
      "zeros behind the records",
      Buffer.concat([paxRecords({ path: "x" }), Buffer.alloc(5)]),
    ],
    ["a NUL in the path", paxRecords({ path: "a\0b" })],
    ["a NUL in the link's path", paxRecords({ linkpath: "a\0b" })],
    ["a NUL in a key", paxRecords({ "SCHILY.xattr.user.a\0b": "x" })],
  ])("%s is refused", (_, data) => {
    expect(refused(...raw(data))).toMatch(
      /a pax record (is malformed|holds a NUL)/,
    );
  });

  it.each<[Record<string, string>, boolean]>([
    [
      {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "n",
      },
      true,
    ],
    [{ "GNU.sparse.major": "0", "GNU.sparse.minor": "1" }, true],
    [{ "GNU.sparse.map": "0,5" }, true],
    [{ "GNU.sparse.offset": "0", "GNU.sparse.numbytes": "5" }, true],
    [{ "GNU.sparse.major": "9", "GNU.sparse.minor": "9" }, false],
    [{ "GNU.sparse.realsize": "5" }, false],
    [{ "GNU.sparse.map": "" }, false],
  ])("%j is sparse: %s", (pax, sparse) => {
    expect(read(file("a", "x", { pax })).sparse).toBe(sparse);
  });

  it("GNU's own sparse type is sparse", () => {
    expect(read(member({ name: "a", type: "S", format: "gnu" })).sparse).toBe(
      true,
    );
    expect(read(directory("d/")).sparse).toBe(false);
    expect(read(hardlink("h", "a")).sparse).toBe(false);
  });
});

describe("checksums", () => {
  it("may sum signed bytes", () => {
    expect(
      read(signedChecksum(file(Buffer.from([0xe9, 0xff]), "x"))).name,
    ).toBe("\xe9\xff");
  });

  it.each(["unsigned", "signed"])(
    "sum every byte, whatever it is: %s",
    (how) => {
      // All that a header of a file has besides numbers, as high as bytes go.
      const header = edited(file("a", "x"), (block) => {
        block.fill(0xff, 0, 100);
        block.fill(0xff, 157, 257);
        block.fill(0xff, 265, 329);
        block.fill(0xff, 345, 512);
      });
      const whole = how === "signed" ? signedChecksum(header) : header;
      expect(read(whole).name).toContain("\xff".repeat(100));
      for (let at = 0; at < 512; at += 1) {
        if (at >= 148 && at < 156) continue;
        const spoiled = Buffer.from(whole);
        spoiled[at]! ^= 1 << (at % 7);
        expect(refused(spoiled)).toMatch(/checksum is wrong/);
      }
    },
  );

  it("must be right, also of extended headers", () => {
    expect(refused(file("a", "x", { badChecksum: true }))).toMatch(
      /checksum is wrong/,
    );
    expect(
      refused(
        member({ name: "p", type: "x", badChecksum: true }),
        file("a", "x"),
      ),
    ).toMatch(/checksum is wrong/);
  });
});
