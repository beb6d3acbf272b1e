import { execFileSync } from "node:child_process";
import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createCrc64 } from "#store/ingest/crc64.js";
import { TarSplitSource } from "#store/ingest/tar-split-source.js";
import { TarSplitWriter } from "#store/ingest/tar-split-writer.js";
import type { UnpackTarget } from "#store/ingest/unpack.js";
import { sha256 } from "../../helpers/image-builder.js";
import * as odd from "../../helpers/images/odd-layers.js";
import {
  archive,
  directory,
  file,
  hardlink,
  type Member,
  member,
  paxGlobal,
  symlink,
} from "../../helpers/tar-writer.js";
import { noise } from "./support/sources.js";
import { LINUX, ROOT, lines, scratch, unpacked } from "./support/unpacking.js";

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

/** The tar that a stored layer gives back. */
function givenBack(layer: UnpackTarget): Buffer {
  const source = new TarSplitSource(layer, () => false);
  const parts: Buffer[] = [];
  try {
    for (let piece = source.next(); piece; piece = source.next()) {
      parts.push(Buffer.from(piece));
    }
    return Buffer.concat(parts);
  } finally {
    source.close();
  }
}

describe.skipIf(!LINUX)("CRC-64", () => {
  it("has the published check value, however the bytes come", async () => {
    const crc = await createCrc64();
    crc.update(Buffer.from("123456789"));
    const value = base64(Buffer.from("b90956c775a41001", "hex"));
    expect(crc.base64()).toBe(value);
    crc.reset();
    for (const digit of "123456789") crc.update(Buffer.from(digit));
    expect(crc.base64()).toBe(value);
    crc.reset();
    expect(crc.base64()).toBe("AAAAAAAAAAA=");
  });

  it("is the same by WebAssembly", async () => {
    const program = `
      const { createCrc64 } = await import("#store/ingest/crc64.js");
      const crc = await createCrc64();
      for (const text of ["123456789", "x".repeat(100000)]) {
        crc.reset();
        crc.update(Buffer.from(text));
        console.log(crc.base64());
      }`;
    const said = (env: object) =>
      execFileSync(process.execPath, ["--input-type=module", "-e", program], {
        cwd: import.meta.dirname,
        env: { ...process.env, ...env },
      }).toString();
    const portable = said({ TPULL_NATIVE: "off" });
    expect(portable).toMatch(/^uQlWx3WkEAE=\n/);
    expect(said({})).toBe(portable);
  });
});

describe("the file", () => {
  function written(
    write: (split: TarSplitWriter) => void,
    folder: string,
  ): Buffer {
    const path = join(folder, "written.gz");
    const fd = openSync(path, "w");
    const split = new TarSplitWriter(fd);
    write(split);
    split.end();
    closeSync(fd);
    return readFileSync(path);
  }

  it("is gzip without name or time, one entry a line", async () => {
    const bytes = written(
      (split) => {
        split.segment(Buffer.from("headers"));
        split.file("etc/passwd", 3, "AAAAAAAAAAA=");
        split.segment(Buffer.alloc(0));
        split.file("etc/", 0, "");
        split.file("", 0, "");
      },
      await scratch.tempDir(),
    );
    expect(bytes.subarray(0, 10).toString("hex")).toBe("1f8b08000000000000ff");
    expect(gunzipSync(bytes).toString()).toBe(
      [
        '{"type":2,"payload":"aGVhZGVycw==","position":0}\n',
        '{"type":1,"name":"etc/passwd","size":3,"payload":"AAAAAAAAAAA=","position":1}\n',
        '{"type":1,"name":"etc/","payload":null,"position":2}\n',
        '{"type":1,"payload":null,"position":3}\n',
      ].join(""),
    );
  });

  it("is whole when it is larger than what is compressed at a time", async () => {
    const raw = noise(100_000);
    const bytes = written(
      (split) => {
        for (let i = 0; i < 20; i += 1) {
          split.segment(raw);
          split.file("ü".repeat(i), i, "x");
        }
      },
      await scratch.tempDir(),
    );
    const entries = gunzipSync(bytes).toString().trimEnd().split("\n");
    expect(entries).toHaveLength(40);
    expect(
      entries.map(
        (line) => (JSON.parse(line) as { position: number }).position,
      ),
    ).toEqual(entries.map((_, i) => i));
    expect((JSON.parse(entries[38]!) as { payload: string }).payload).toBe(
      base64(raw),
    );
  });

  it.each<[string, Buffer | string, string]>([
    ["plain", "usr/bin/[", '"name":"usr/bin/["'],
    [
      "HTML",
      `<a href="x">&'`,
      String.raw`"name":"\u003ca href=\"x\"\u003e\u0026'"`,
    ],
    [
      "controls",
      "a\n\r\t\b\f\u0001\u001f\u007fb",
      `"name":"a\\n\\r\\t\\u0008\\u000c\\u0001\\u001f\u007fb"`,
    ],
    ["a backslash", "a\\b", String.raw`"name":"a\\b"`],
    ["UTF-8", "ä€😀", '"name":"ä€😀"'],
    ["line separators", "a\u2028b\u2029", String.raw`"name":"a\u2028b\u2029"`],
    ["a byte order mark", "\ufeffx", '"name":"\ufeffx"'],
    [
      "bytes that are no UTF-8",
      Buffer.from("a\xff/", "latin1"),
      '"name_raw":"Yf8v"',
    ],
    [
      "a surrogate in UTF-8's clothes",
      Buffer.from("eda080", "hex"),
      '"name_raw":"7aCA"',
    ],
    ["an overlong form", Buffer.from("c0af", "hex"), '"name_raw":"wK8="'],
  ])("escapes names as Go does: %s", async (_, name, field) => {
    const bytes = written(
      (split) => {
        split.file(Buffer.from(name).toString("latin1"), 0, "");
      },
      await scratch.tempDir(),
    );
    expect(gunzipSync(bytes).toString()).toBe(
      `{"type":1,${field},"payload":null,"position":0}\n`,
    );
  });

  it.skipIf(!LINUX)("cannot be written on a full disk, and says so", () => {
    const fd = openSync("/dev/full", "w");
    try {
      expect(() => new TarSplitWriter(fd)).toThrow(
        expect.objectContaining({ code: "DISK_FULL" }),
      );
    } finally {
      closeSync(fd);
    }
  });
});

describe.skipIf(!LINUX)("of a layer", () => {
  it("has one segment in front of each member, and one for the end", async () => {
    const tar = archive([
      directory("./etc/"),
      file("./etc/motd", "hello"),
      hardlink("./etc/issue", "./etc/motd", { size: 4 }),
      symlink("latin-\xe9".normalize(), "x"),
      paxGlobal({ comment: "c" }),
      file("empty", ""),
    ]);
    const layer = await unpacked(tar);
    const crc = await createCrc64();
    crc.update(Buffer.from("hello"));
    const at = (from: number, to: number) =>
      base64(tar.subarray(from * 512, to * 512));
    expect(lines(layer)).toEqual([
      `{"type":2,"payload":"${at(0, 1)}","position":0}`,
      '{"type":1,"name":"./etc/","payload":null,"position":1}',
      `{"type":2,"payload":"${at(1, 2)}","position":2}`,
      `{"type":1,"name":"./etc/motd","size":5,"payload":"${crc.base64()}","position":3}`,
      `{"type":2,"payload":"${base64(tar.subarray(2 * 512 + 5, 4 * 512))}","position":4}`,
      '{"type":1,"name":"./etc/issue","payload":null,"position":5}',
      `{"type":2,"payload":"${at(4, 5)}","position":6}`,
      '{"type":1,"name":"latin-é","payload":null,"position":7}',
      `{"type":2,"payload":"${base64(tar.subarray(5 * 512, 6 * 512 + 13))}","position":8}`,
      '{"type":1,"name":"pax_global_header","payload":null,"position":9}',
      `{"type":2,"payload":"${base64(tar.subarray(6 * 512 + 13, 8 * 512))}","position":10}`,
      '{"type":1,"name":"empty","payload":null,"position":11}',
      `{"type":2,"payload":"${at(8, 10)}","position":12}`,
    ]);
  });

  it("keeps headers of a mebibyte in one line, and what follows the archive in pieces of one", async () => {
    const long = await unpacked([
      file("a", "x", { pax: { comment: "c".repeat(1_048_000) } }),
    ]);
    expect(lines(long)).toHaveLength(3);
    const zeros = await unpacked(
      archive([file("a", "x")], { end: Buffer.alloc(1024 + (5 << 19)) }),
    );
    const payloads = lines(zeros)
      .slice(2)
      .map(
        (line) =>
          Buffer.from(
            (JSON.parse(line) as { payload: string }).payload,
            "base64",
          ).length,
      );
    expect(payloads).toEqual([511 + 1024, 1 << 20, 1 << 20, 1 << 19]);
  });

  it("says the diff ID, the tar's length and the size as docker counts it", async () => {
    const tar = archive(
      [
        file("a", "12345"),
        hardlink("b", "a"),
        symlink("c", "0123456789"),
        directory("d/"),
        file("d/e", "xy"),
      ],
      { end: Buffer.alloc(5000, 1).fill(0, 0, 1024) },
    );
    const { result } = await unpacked(tar, { cut: 100 });
    expect(result).toMatchObject({
      diffId: sha256(tar),
      tarBytes: tar.length,
      size: 5 + 10 + 2,
    });
  });
});

describe.skipIf(!LINUX)("gives the tar back", () => {
  const layers: Record<string, Buffer> = {
    nothing: Buffer.alloc(0),
    "an archive of nothing": archive([]),
    "no end": archive(odd.PLAIN, { end: "" }),
    "a record and garbage behind": archive(odd.PLAIN, {
      end: Buffer.concat([Buffer.alloc(10_240), Buffer.from("garbage")]),
    }),
    "missing padding": archive([file("a", "x")], { end: "" }).subarray(0, 600),
    pax: archive(odd.PAX),
    gnu: archive(odd.GNU),
    names: archive(odd.NAMES),
    // Closed directories can be looked into by root only.
    ...(ROOT ? { modes: archive(odd.MODES) } : {}),
    hardlinks: archive(odd.HARDLINKS[0]!),
    whiteouts: archive(odd.WHITEOUTS[1]!),
    "content in whiteouts and marks": archive([
      file(".wh.gone", "why?"),
      file("d/.wh..wh..opq", "because"),
      file("d/f", "x"),
    ]),
    "content in the layer's root": archive([
      file(".", "root?"),
      file("./", "again"),
      directory("./"),
    ]),
    "sizes of members that have no content": archive([
      { name: "d/", type: "5", size: 77 },
      symlink("s", "x", { size: 5 }),
      file("f", "x"),
      hardlink("h", "f", { size: 9 }),
    ]),
    "a slash behind a file": archive([file("a/", "content")]),
    "dots in names": archive([file("a/../b//./c", "x"), file("/abs", "y")]),
    "content behind links that lead elsewhere": archive([
      directory("r"),
      symlink("abs", "/r"),
      symlink("up", "../../r"),
      file("abs/one", "1"),
      file("up/two", "22"),
    ]),
    "content behind links in the layer": archive([
      directory("r/s"),
      symlink("in", "r"),
      symlink("r/up", "../r/s"),
      file("in/one", "1"),
      file("in/up/two", "22"),
    ]),
    "names that come twice": archive([
      file("a", ""),
      file("./a", "content"),
      directory("d"),
      directory("d/"),
      file("e", ""),
      symlink("e", "x"),
      file("e", "more"),
    ]),
    "global headers that share names with files": archive([
      paxGlobal({ path: "f" }),
      file("f", "content"),
      file("g", "content"),
      paxGlobal({ path: "./g" }),
      paxGlobal({ path: "../x" }),
      paxGlobal({ path: "f" }),
    ]),
    "names of any bytes": archive([
      file(Buffer.from("a\nb\\\x01\x7f\xff", "latin1"), "x"),
      file("é€😀\u2028<>&\"'", "y"),
      file("n".repeat(255), "z", { gnuName: "n".repeat(255) }),
    ]),
    "large content": archive([
      file("large", noise(700_001)),
      file("next", "x"),
    ]),
  };

  it.each(Object.entries(layers))("%s", async (_, tar) => {
    const layer = await unpacked(tar, { privileged: ROOT, cut: 1000 });
    expect(layer.result.diffId).toBe(sha256(tar));
    expect(givenBack(layer).equals(tar)).toBe(true);
    expect(repeatedNames(lines(layer))).toEqual([]);
  });

  it("for any archive that is accepted", async () => {
    const name = fc.constantFrom(
      "a",
      "./a",
      "b",
      "d/",
      "d",
      "d/a",
      "d//b",
      "l",
      "l/x",
      "l/y/z",
      "up/x",
      ".wh.q",
      "d/.wh..wh..opq",
      "ü",
      "./",
    );
    const target = fc.constantFrom("d", "/d", "a", "../d", "l", "missing", ".");
    const content = fc.constantFrom("", "1", "twenty-two", "x".repeat(600));
    const one: fc.Arbitrary<Member | Buffer> = fc.oneof(
      fc.tuple(name, content).map(([n, data]) => file(n, data)),
      name.map((n) => directory(n)),
      fc.tuple(name, target).map(([n, to]) => symlink(n, to)),
      fc.tuple(name, name).map(([n, to]) => hardlink(n, to)),
      name.map((n): Member => ({ name: n, type: "6" })),
      name.map((n) =>
        member({ name: n, type: "0", data: "pax", pax: { path: n } }),
      ),
      name.map((n) => paxGlobal({ path: n })),
    );
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(one, { maxLength: 7 }), async (members) => {
        const tar = archive(members);
        const layer = await unpacked(tar).catch((error: unknown) => {
          expect(error).toMatchObject({ code: "LAYER_INVALID" });
          return undefined;
        });
        if (layer === undefined) return;
        accepted += 1;
        expect(givenBack(layer).equals(tar)).toBe(true);
        expect(repeatedNames(lines(layer))).toEqual([]);
      }),
      { numRuns: 300 },
    );
    expect(accepted).toBeGreaterThan(80);
  });

  /** tar-split's reader refuses a file whose cleaned names come twice. */
  function repeatedNames(entries: readonly string[]): string[] {
    const seen = new Set<string>();
    return entries
      .map(
        (line) =>
          JSON.parse(line) as {
            type: number;
            name?: string;
            name_raw?: string;
          },
      )
      .filter(({ type }) => type === 1)
      .map(({ name, name_raw }) =>
        join("/", name ?? `raw ${name_raw}`).replace(/(.)\/$/, "$1"),
      )
      .filter((name) => seen.size === seen.add(name).size);
  }
});

describe.skipIf(!LINUX)("a stored layer that is damaged", () => {
  const layer = () =>
    unpacked([directory("d"), file("d/f", noise(5000)), file("g", "x")]);
  const damaged = expect.objectContaining({ code: "LAYER_DAMAGED" });

  it.each<[string, (layer: UnpackTarget) => void, RegExp]>([
    [
      "a file is gone",
      ({ diffDirectory }) => rmSync(join(diffDirectory, "d/f")),
      /"d\/f" cannot be opened/,
    ],
    [
      "a directory is gone",
      ({ diffDirectory }) =>
        rmSync(join(diffDirectory, "d"), { recursive: true }),
      /"d\/f" cannot be opened/,
    ],
    [
      "a file is shorter",
      ({ diffDirectory }) => truncateSync(join(diffDirectory, "d/f"), 4999),
      /"d\/f" is shorter than recorded/,
    ],
    [
      "a directory is in a file's place",
      ({ diffDirectory }) => {
        rmSync(join(diffDirectory, "g"));
        execFileSync("mkdir", [join(diffDirectory, "g")]);
      },
      /"g" cannot be opened: it is no regular file/,
    ],
    [
      "a pipe is in a file's place",
      ({ diffDirectory }) => {
        rmSync(join(diffDirectory, "g"));
        execFileSync("mkfifo", [join(diffDirectory, "g")]);
      },
      /"g" cannot be opened: it is no regular file/,
    ],
    [
      "the tree is gone",
      ({ diffDirectory }) => rmSync(diffDirectory, { recursive: true }),
      /directory cannot be opened/,
    ],
    [
      "tar-split is gone",
      ({ tarSplitPath }) => rmSync(tarSplitPath),
      /tar-split.json.gz cannot be opened/,
    ],
    [
      "tar-split is cut",
      ({ tarSplitPath }) => truncateSync(tarSplitPath, 100),
      /tar-split.json.gz is damaged/,
    ],
    [
      "tar-split is no gzip",
      ({ tarSplitPath }) => writeFileSync(tarSplitPath, "none"),
      /tar-split.json.gz is damaged/,
    ],
    [
      "tar-split is no JSON",
      ({ tarSplitPath }) => writeFileSync(tarSplitPath, gzipSync("{]\n")),
      /tar-split.json.gz is damaged/,
    ],
    [
      "an entry is none",
      ({ tarSplitPath }) => writeFileSync(tarSplitPath, gzipSync("null\n")),
      /a line is no entry/,
    ],
    [
      "an entry of another kind",
      ({ tarSplitPath }) =>
        writeFileSync(
          tarSplitPath,
          gzipSync('{"type":3,"payload":null,"position":0}\n'),
        ),
      /a line is no entry/,
    ],
    [
      "a name that climbs",
      ({ tarSplitPath }) =>
        writeFileSync(
          tarSplitPath,
          gzipSync(
            '{"type":1,"name":"../x","size":1,"payload":"","position":0}\n',
          ),
        ),
      /cannot be opened/,
    ],
  ])("%s", async (_, damage, why) => {
    const stored = await layer();
    damage(stored);
    expect(() => givenBack(stored)).toThrow(damaged);
    expect(() => givenBack(stored)).toThrow(why);
  });

  // A root from elsewhere could lead to the files of this machine: parts of a
  // tar are served before all of it is known to be right.
  it.each<[string, (layer: UnpackTarget) => void]>([
    [
      "a link in a directory's place",
      ({ diffDirectory }) => {
        renameSync(join(diffDirectory, "d"), `${diffDirectory}.outside`);
        symlinkSync(`${diffDirectory}.outside`, join(diffDirectory, "d"));
      },
    ],
    [
      "a link up in a directory's place",
      ({ diffDirectory }) => {
        renameSync(join(diffDirectory, "d"), join(diffDirectory, "../outside"));
        symlinkSync("../outside", join(diffDirectory, "d"));
      },
    ],
    [
      "a link in a file's place",
      ({ diffDirectory }) => {
        renameSync(join(diffDirectory, "g"), `${diffDirectory}.outside`);
        symlinkSync(`${diffDirectory}.outside`, join(diffDirectory, "g"));
      },
    ],
    [
      "a link in the place of diff",
      ({ diffDirectory }) => {
        renameSync(diffDirectory, `${diffDirectory}.outside`);
        symlinkSync(`${diffDirectory}.outside`, diffDirectory);
      },
    ],
    [
      "a link in the layer's place",
      ({ diffDirectory }) => {
        const own = dirname(diffDirectory);
        renameSync(own, `${own}.outside`);
        symlinkSync(`${own}.outside`, own);
      },
    ],
  ])("never gives what %s leads to", async (_, mislead) => {
    const stored = await layer();
    mislead(stored);
    expect(() => givenBack(stored)).toThrow(damaged);
    expect(() => givenBack(stored)).toThrow(/cannot be opened/);
  });

  it("is read to the last line also without a newline behind it", async () => {
    const stored = await layer();
    const whole = givenBack(stored);
    const text = gunzipSync(readFileSync(stored.tarSplitPath)).toString();
    writeFileSync(stored.tarSplitPath, gzipSync(text.trimEnd()));
    expect(givenBack(stored).equals(whole)).toBe(true);
  });

  it("stops when it is told to", async () => {
    const stored = await layer();
    let asked = 0;
    const source = new TarSplitSource(stored, () => (asked += 1) > 2);
    source.next();
    source.next();
    expect(() => source.next()).toThrow(
      expect.objectContaining({ code: "ABORTED" }),
    );
    source.close();
  });
});
