import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { inflaterFor } from "#store/ingest/inflate.js";
import { archive, file } from "../../helpers/tar-writer.js";
import { CUTS, drain, outcome, pieces } from "./support/sources.js";
import { COMPRESSED, COMPRESSED_TEXT, skippableFrame } from "./support/zstd.js";

const TAR = archive([file("name", "content")]);

describe.skipIf(process.platform !== "linux")(
  "a layer's compression is told by its first bytes",
  () => {
    it.each<[string, Buffer, Buffer]>([
      ["gzip", gzipSync(TAR), TAR],
      ["zstd", COMPRESSED, COMPRESSED_TEXT],
      [
        "zstd behind a skippable frame",
        Buffer.concat([skippableFrame(3), COMPRESSED]),
        COMPRESSED_TEXT,
      ],
      ["a plain tar", TAR, TAR],
      ["a tar of nothing", Buffer.alloc(1024), Buffer.alloc(1024)],
      ["nothing at all", Buffer.alloc(0), Buffer.alloc(0)],
      ["a single byte", Buffer.from([0x1f]), Buffer.from([0x1f])],
      [
        "gzip's first two bytes the other way round",
        Buffer.from([0x8b, 0x1f, 8]),
        Buffer.from([0x8b, 0x1f, 8]),
      ],
    ])("%s", (_, blob, content) => {
      for (const cut of CUTS) {
        expect(
          drain(inflaterFor(pieces(blob, cut))).equals(content),
          `cut ${cut}`,
        ).toBe(true);
      }
    });

    it.each([
      ["bzip2", Buffer.from("BZh91AY&SY")],
      ["xz", Buffer.from("fd377a585a000004", "hex")],
    ])("%s is refused by its name", (name, blob) => {
      for (const cut of CUTS) {
        expect(outcome(() => drain(inflaterFor(pieces(blob, cut))))).toBe(
          `LAYER_INVALID: the layer is compressed with ${name}, which tpull does not read`,
        );
      }
    });
  },
);
