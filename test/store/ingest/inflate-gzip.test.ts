import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IsalGunzip, usableIsal } from "#store/ingest/gunzip-isal.js";
import { ZlibGunzip } from "#store/ingest/gunzip-zlib.js";
import type { Inflater } from "#store/ingest/inflate.js";
import type { ByteSource } from "#store/ingest/ring.js";
import { FLAG, gzipMember, spoiled } from "./support/gzip.js";
import { CUTS, drain, noise, outcome, pieces } from "./support/sources.js";

const isal = process.platform === "linux" ? usableIsal() : undefined;
if (!isal) console.warn("skipped: gzip by ISA-L, which is not installed");

type Make = (source: ByteSource) => Inflater;
const ways: { name: string; make: Make; missing: boolean }[] = [
  {
    name: "ISA-L",
    make: (source) => new IsalGunzip(isal!, source),
    missing: !isal,
  },
  { name: "zlib", make: (source) => new ZlibGunzip(source), missing: false },
];

const TEXT = Buffer.from(
  "a layer's tar is mostly text and zeros\0\0\0".repeat(200),
);
const NOISE = noise(3000);
const ONE = gzipSync(TEXT);
const TWO = gzipSync(NOISE);
const NONE = gzipSync("");
const STORED = gzipSync(NOISE, { level: 0 });

const whole: Record<string, [stream: Buffer, content: Buffer]> = {
  "one member": [ONE, TEXT],
  "two members": [Buffer.concat([ONE, TWO]), Buffer.concat([TEXT, NOISE])],
  "an empty member": [NONE, Buffer.alloc(0)],
  "an empty member between": [
    Buffer.concat([ONE, NONE, TWO]),
    Buffer.concat([TEXT, NOISE]),
  ],
  "fifty empty members first": [
    Buffer.concat([...Array<Buffer>(50).fill(NONE), ONE]),
    TEXT,
  ],
  "stored blocks": [
    Buffer.concat([STORED, STORED]),
    Buffer.concat([NOISE, NOISE]),
  ],
  "zeros behind the last member": [
    Buffer.concat([ONE, Buffer.alloc(1500)]),
    TEXT,
  ],
  "zeros between members": [
    Buffer.concat([ONE, Buffer.alloc(7), TWO, Buffer.alloc(1)]),
    Buffer.concat([TEXT, NOISE]),
  ],
};
for (const flags of [...Object.values(FLAG), 14, 31]) {
  const names = Object.entries(FLAG).filter(([, bit]) => flags & bit);
  whole[`header fields ${names.map(([name]) => name).join(" ")}`] = [
    Buffer.concat([gzipMember(TEXT, flags), gzipMember(NOISE, flags)]),
    Buffer.concat([TEXT, NOISE]),
  ];
}

const damaged: Record<string, Buffer> = {
  "garbage behind the last member": Buffer.concat([
    ONE,
    Buffer.from("this is no gzip"),
  ]),
  "garbage behind zeros": Buffer.concat([
    ONE,
    Buffer.alloc(3),
    Buffer.from("this is no gzip"),
  ]),
  "half a second header": Buffer.concat([ONE, TWO.subarray(0, 5)]),
  "one byte of a second header": Buffer.concat([ONE, TWO.subarray(0, 1)]),
  "a header that is cut": ONE.subarray(0, 6),
  "a file name that is cut": gzipMember(TEXT, FLAG.name).subarray(0, 15),
  "data that are cut": TWO.subarray(0, 2000),
  "no trailer": TWO.subarray(0, -8),
  "a trailer that is cut": TWO.subarray(0, -1),
  "a wrong checksum": spoiled(TWO, -6),
  "a wrong length": spoiled(TWO, -2),
  "a wrong checksum in the first of two": Buffer.concat([
    spoiled(TWO, -6),
    ONE,
  ]),
  "a changed byte": spoiled(ONE, 20),
  "an unknown method": spoiled(ONE, 2, 1),
  "reserved flags": spoiled(ONE, 3, 0xe0),
  "a wrong header checksum": spoiled(gzipMember(TEXT, FLAG.headerCrc), 10, 1),
};

for (const { name, make, missing } of ways) {
  describe.skipIf(missing)(`gzip by ${name}`, () => {
    it.each(Object.entries(whole))(
      "inflates %s, wherever it is cut",
      (_, [stream, content]) => {
        for (const cut of CUTS) {
          const output = cut === 37 ? 100 : 70_000;
          const inflated = drain(make(pieces(stream, cut)), output);
          expect(inflated.equals(content), `cut ${cut}`).toBe(true);
        }
      },
    );

    it.each(Object.entries(damaged))(
      "refuses %s, wherever it is cut",
      (_, stream) => {
        const outcomes = CUTS.map((cut) =>
          outcome(() => drain(make(pieces(stream, cut)))),
        );
        for (const said of outcomes) {
          expect(said).toMatch(
            /^LAYER_INVALID: the gzip stream is damaged: [a-z]/,
          );
        }
        expect(new Set(outcomes).size).toBe(1);
      },
    );

    it("gives the same for any members, cuts and outputs", () => {
      const body = fc.uint8Array({ maxLength: 3000 });
      const members = fc.array(fc.tuple(body, fc.nat(31), fc.nat(3)), {
        minLength: 1,
        maxLength: 5,
      });
      const cuts = fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1 });
      fc.assert(
        fc.property(
          members,
          cuts,
          fc.integer({ min: 1, max: 4000 }),
          (list, lengths, output) => {
            const stream = Buffer.concat(
              list.flatMap(([bytes, flags, zeros]) => [
                gzipMember(Buffer.from(bytes), flags),
                Buffer.alloc(zeros),
              ]),
            );
            const content = Buffer.concat(list.map(([bytes]) => bytes));
            const inflated = drain(make(pieces(stream, lengths)), output);
            expect(inflated.equals(content)).toBe(true);
          },
        ),
        { numRuns: 60 },
      );
    });
  });
}

describe.skipIf(process.platform !== "linux")("TPULL_NATIVE=off", () => {
  it("inflates by zlib what the machine's libraries would have", () => {
    const program = `
      const { usableIsal } = await import("#store/ingest/gunzip-isal.js");
      const { inflaterFor } = await import("#store/ingest/inflate.js");
      const { libzstd } = await import("#store/native/libraries.js");
      const { readFileSync } = await import("node:fs");
      const input = readFileSync(0);
      const chunks = [input.subarray(0, 3), input.subarray(3)];
      const inflater = inflaterFor({ next: () => chunks.shift() });
      const into = Buffer.alloc(100);
      const length = inflater.read(into);
      console.log(JSON.stringify([
        inflater.constructor.name, into.toString("utf8", 0, length),
        usableIsal() === undefined, libzstd() === undefined,
      ]));`;
    const said = execFileSync(
      process.execPath,
      ["--input-type=module", "-e", program],
      {
        cwd: import.meta.dirname,
        input: gzipSync("portable"),
        env: { ...process.env, TPULL_NATIVE: "off" },
      },
    );
    expect(JSON.parse(said.toString())).toEqual([
      "ZlibGunzip",
      "portable",
      true,
      true,
    ]);
  });
});
