import { describe, expect, it } from "vitest";
import { memoryContent } from "#src/serve/memory-content.js";
import { digestOf } from "#store/digest.js";

describe("memoryContent", () => {
  it("moves a tag that exists", async () => {
    const content = memoryContent();
    const one = content.addManifest("r", Buffer.from("1"), "text/plain");
    const two = content.addManifest("r", Buffer.from("2"), "text/plain");
    content.addTag("r", "t", one);
    content.addTag("r", "t", two);
    const repository = await content.repository("r");
    expect(await repository?.manifest({ tag: "t" })).toMatchObject({
      digest: two,
    });
    expect(await repository?.tags()).toEqual(["t"]);
  });

  it("opens any part of a blob", async () => {
    const content = memoryContent();
    const bytes = Buffer.from(
      Array.from({ length: 200_000 }, (_, at) => at % 251),
    );
    const digest = content.addBlob("r", bytes);
    const blob = await (await content.repository("r"))?.blob(digest);
    expect(blob?.size).toBe(bytes.length);
    for (const [start, end] of [
      [0, 200_000],
      [65_535, 65_537],
      [65_536, 131_072],
      [199_999, 200_000],
      [5, 5],
    ] as const) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of blob?.open(start, end) ?? []) {
        chunks.push(chunk);
      }
      expect(Buffer.concat(chunks).equals(bytes.subarray(start, end))).toBe(
        true,
      );
    }
  });

  it("refuses names that nobody could ask for", () => {
    const content = memoryContent();
    const digest = content.addManifest("r", Buffer.from("{}"), "text/plain");
    const code = (code: string) => expect.objectContaining({ code });
    expect(() => content.addBlob("Upper", Buffer.alloc(1))).toThrow(
      code("REPOSITORY_INVALID"),
    );
    expect(() => content.addTag("r", "-x", digest)).toThrow(
      code("TAG_INVALID"),
    );
    expect(() => content.addTag("r", "x", digestOf("absent"))).toThrow(
      code("MANIFEST_UNKNOWN"),
    );
  });
});
