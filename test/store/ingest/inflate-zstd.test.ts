import * as zlib from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Inflater } from "#store/ingest/inflate.js";
import type { ByteSource } from "#store/ingest/ring.js";
import { LibZstdInflater } from "#store/ingest/zstd-lib.js";
import {
  javascriptZstdInflater,
  nodeZstdInflater,
} from "#store/ingest/zstd.js";
import { libzstd } from "#store/native/libraries.js";
import { spoiled } from "./support/gzip.js";
import { CUTS, drain, noise, outcome, pieces } from "./support/sources.js";
import {
  COMPRESSED,
  COMPRESSED_TEXT,
  frameHeader,
  skippableFrame,
  storedFrame,
  zerosFrame,
} from "./support/zstd.js";

const library = process.platform === "linux" ? libzstd() : undefined;
if (!library) console.warn("skipped: zstd by libzstd, which is not installed");

type Make = (source: ByteSource) => Inflater;
const ways: { name: string; make: Make; missing: boolean }[] = [
  {
    name: "libzstd",
    make: (source) => new LibZstdInflater(library!, source),
    missing: !library,
  },
  {
    name: "Node's own decoder",
    make: nodeZstdInflater,
    missing: !("ZstdDecompress" in zlib),
  },
  { name: "fzstd", make: javascriptZstdInflater, missing: false },
];

const NOISE = noise(5000);
const NONE = Buffer.alloc(0);
const STORED = storedFrame(NOISE);
const WINDOWED = storedFrame(NOISE, { window: 2 << 3, block: 700 });

const whole: Record<string, [stream: Buffer, content: Buffer]> = {
  "a compressed frame": [COMPRESSED, COMPRESSED_TEXT],
  "a frame of one segment": [STORED, NOISE],
  "a frame with a window": [WINDOWED, NOISE],
  "frames of all kinds": [
    Buffer.concat([COMPRESSED, STORED, WINDOWED, COMPRESSED]),
    Buffer.concat([COMPRESSED_TEXT, NOISE, NOISE, COMPRESSED_TEXT]),
  ],
  "empty frames": [
    Buffer.concat([
      storedFrame(NONE),
      COMPRESSED,
      storedFrame(NONE),
      storedFrame(NONE),
    ]),
    COMPRESSED_TEXT,
  ],
  "a skippable frame first": [
    Buffer.concat([skippableFrame(5), STORED]),
    NOISE,
  ],
  "a skippable frame between": [
    Buffer.concat([COMPRESSED, skippableFrame(5000, 15), STORED]),
    Buffer.concat([COMPRESSED_TEXT, NOISE]),
  ],
  "an empty skippable frame last": [
    Buffer.concat([COMPRESSED, skippableFrame(0, 0)]),
    COMPRESSED_TEXT,
  ],
  "nothing but skippable frames": [
    Buffer.concat([skippableFrame(9), skippableFrame(0)]),
    NONE,
  ],
  "run-length blocks": [zerosFrame(3), Buffer.alloc(3 * 128 * 1024)],
};

const damaged: Record<string, Buffer> = {
  "a frame that is cut": STORED.subarray(0, 3000),
  "a frame without its last byte": STORED.subarray(0, -1),
  "a checksum that is cut": COMPRESSED.subarray(0, -1),
  "a magic number that is cut": Buffer.concat([STORED, STORED.subarray(0, 3)]),
  "a header that is cut": Buffer.concat([STORED, STORED.subarray(0, 6)]),
  "a skippable frame that is cut": Buffer.concat([
    STORED,
    skippableFrame(50).subarray(0, 30),
  ]),
  "garbage behind the last frame": Buffer.concat([
    STORED,
    Buffer.from("this is no zstd, none at all"),
  ]),
  "an unknown kind of block": Buffer.concat([
    frameHeader(0, 0),
    Buffer.from([7, 0, 0]),
  ]),
  "a reserved flag": spoiled(STORED, 4, 8),
  "a window above 128 MiB": storedFrame(NOISE, { window: (17 << 3) | 1 }),
  "a window of 1 GiB": storedFrame(NOISE, { window: 20 << 3 }),
  "a segment of 1 GiB": Buffer.concat([
    frameHeader(1 << 30),
    Buffer.from([1, 0, 0]),
  ]),
};

for (const { name, make, missing } of ways) {
  describe.skipIf(missing)(`zstd by ${name}`, () => {
    it.each(Object.entries(whole))(
      "inflates %s, wherever it is cut",
      (_, [stream, content]) => {
        for (const cut of CUTS) {
          const inflated = drain(
            make(pieces(stream, cut)),
            cut === 37 ? 100 : 70_000,
          );
          expect(inflated.equals(content), `cut ${cut}`).toBe(true);
        }
      },
    );

    it.each(Object.entries(damaged))(
      "refuses %s, wherever it is cut",
      (_, stream) => {
        for (const cut of CUTS) {
          const said = outcome(() => drain(make(pieces(stream, cut))));
          expect(said, `cut ${cut}`).toMatch(
            /^LAYER_INVALID: the zstd stream is damaged: \w/,
          );
        }
      },
    );

    it("takes the largest window allowed", () => {
      const stream = storedFrame(NOISE, { window: 17 << 3, block: 5000 });
      expect(drain(make(pieces(stream, 4096))).equals(NOISE)).toBe(true);
    });

    it.skipIf(name === "fzstd")(
      "refuses content that does not have its checksum",
      () => {
        const said = outcome(() =>
          drain(make(pieces(spoiled(COMPRESSED, -10), 4096))),
        );
        expect(said).toMatch(/^LAYER_INVALID: the zstd stream is damaged/);
      },
    );

    it("gives the same for any frames, cuts and outputs", () => {
      const frame = fc.oneof(
        fc.uint8Array({ maxLength: 2000 }).map((bytes): [Buffer, Buffer] => {
          return [
            storedFrame(Buffer.from(bytes), { block: 300 }),
            Buffer.from(bytes),
          ];
        }),
        fc
          .nat(60)
          .map((length): [Buffer, Buffer] => [skippableFrame(length), NONE]),
        fc.constant<[Buffer, Buffer]>([COMPRESSED, COMPRESSED_TEXT]),
      );
      const cuts = fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1 });
      fc.assert(
        fc.property(
          fc.array(frame, { minLength: 1 }),
          cuts,
          fc.integer({ min: 1, max: 4000 }),
          (frames, lengths, output) => {
            const stream = Buffer.concat(frames.map(([bytes]) => bytes));
            const content = Buffer.concat(frames.map(([, bytes]) => bytes));
            expect(
              drain(make(pieces(stream, lengths)), output).equals(content),
            ).toBe(true);
          },
        ),
        { numRuns: 40 },
      );
    });
  });
}
