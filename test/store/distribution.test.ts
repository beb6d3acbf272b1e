import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type DiffId, digestOf, openStore } from "#store/index.js";
import {
  addV2,
  formatV2Metadata,
  MAX_V2METADATA,
  parseV2Metadata,
} from "#store/distribution.js";
import { newRoot, writing } from "./support/roots.js";

const entry = (n: number) => ({
  Digest: digestOf(String(n)) as string,
  SourceRepository: "docker.io/library/app",
  HMAC: "",
});
const diffId = digestOf("diff") as string as DiffId;

describe("v2metadata", () => {
  it("moves an equal entry to the newest place", () => {
    const list = [entry(1), entry(2), entry(3)];
    expect(addV2(list, entry(1))).toEqual([entry(2), entry(3), entry(1)]);
  });

  it("takes entries as equal only when all of them is", () => {
    const pushed = { ...entry(1), HMAC: "ab" };
    const elsewhere = { ...entry(1), SourceRepository: "quay.io/app" };
    expect(addV2([pushed, elsewhere], entry(1))).toEqual([
      pushed,
      elsewhere,
      entry(1),
    ]);
  });

  it("forgets the oldest beyond fifty", () => {
    const list = Array.from({ length: MAX_V2METADATA }, (_, n) => entry(n));
    const grown = addV2(list, entry(50));
    expect(grown).toHaveLength(50);
    expect(grown[0]).toEqual(entry(1));
    expect(grown.at(-1)).toEqual(entry(50));
  });

  it("is written as Go writes it", () => {
    expect(formatV2Metadata([{ ...entry(1), HMAC: "<" }])).toBe(
      `[{"Digest":"${entry(1).Digest}","SourceRepository":"docker.io/library/app","HMAC":"\\u003c"}]`,
    );
  });

  it.each(["", "null", "{}", "[1,null]", '[{"Digest":"x"}]', "[{"])(
    "counts %j as empty",
    (text) => {
      expect(parseV2Metadata(text)).toEqual([]);
    },
  );
});

describe("noting where layers came from", () => {
  const maps = (root: string) => join(root, "image/overlay2/distribution");
  const metadata = (root: string) =>
    join(maps(root), "v2metadata-by-diffid/sha256", diffId.slice(7));

  it("adds to what is there, in one go for several blobs of one tar", async () => {
    const root = await newRoot();
    const repository = "docker.io/library/app";
    const note = (...numbers: number[]) =>
      writing(root, (writer) =>
        writer.recordDistribution(
          numbers.map((n) => ({
            digest: digestOf(String(n)),
            diffId,
            repository,
          })),
        ),
      );
    await note(1, 2);
    expect(await readFile(metadata(root), "utf8")).toBe(
      formatV2Metadata([entry(1), entry(2)]),
    );
    await note(1, 3);
    expect(await readFile(metadata(root), "utf8")).toBe(
      formatV2Metadata([entry(2), entry(1), entry(3)]),
    );
    const before = (await stat(metadata(root))).ino;
    await note(3);
    expect((await stat(metadata(root))).ino).toBe(before);
    await writeFile(metadata(root), "damaged");
    await note(4);
    expect(await readFile(metadata(root), "utf8")).toBe(
      formatV2Metadata([entry(4)]),
    );
    const store = await openStore(root);
    expect(await store.diffIdOf(digestOf("1"))).toBe(diffId);
  });

  it.each(["\n", "x", "sha256:"])(
    "believes no map entry that ends or begins with %j",
    async (text) => {
      const root = await newRoot();
      const digest = digestOf("1");
      await writing(root, (writer) =>
        writer.recordDistribution([
          { digest, diffId, repository: "docker.io/library/app" },
        ]),
      );
      const path = join(maps(root), "diffid-by-digest/sha256", digest.slice(7));
      await writeFile(path, `${diffId}${text}`);
      const store = await openStore(root);
      expect(await store.diffIdOf(digest)).toBeUndefined();
    },
  );
});
