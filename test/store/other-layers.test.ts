// Layers that are in the store already: somebody else's, or damaged ones.
import {
  cp,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type ChainId,
  digestOf,
  type LayerRecord,
  openStore,
} from "#store/index.js";
import { fakeImage, stageAll, storeImage } from "./support/images.js";
import { litter, newRoot, writing } from "./support/roots.js";

const driver = "image/overlay2";

describe("a layer that somebody else stored in the meantime", () => {
  it("is reused, and the layers above are tied to it", async () => {
    const root = await newRoot();
    const image = fakeImage("app", "one", "two", "three");
    const elsewhere = await newRoot();
    const [theirs] = await writing(elsewhere, (w) =>
      storeImage(w, fakeImage("other", "one")),
    );
    let records: LayerRecord[] = [];
    await writing(root, async (writer) => {
      const staged = await stageAll(writer, image.layers);
      await transplant(elsewhere, root, theirs!);
      records = await writer.commitLayers(staged);
      await storeImage(writer, image);
    });
    expect(records[0]).toEqual(theirs);
    const link = await readFile(
      join(root, "overlay2", theirs!.cacheId, "link"),
      "latin1",
    );
    const lower = (index: number): Promise<string> =>
      readFile(
        join(root, "overlay2", records[index]!.cacheId, "lower"),
        "latin1",
      );
    expect(await lower(1)).toBe(`l/${link}`);
    expect(await lower(2)).toMatch(new RegExp(`^l/.{26}:l/${link}$`));
    const marked = join(root, "overlay2", theirs!.cacheId, "committed");
    expect((await stat(marked)).mode & 0o777).toBe(0o600);
    expect(await litter(root)).toEqual([]);
  });
});

describe("a layer that dockerd's builder made", () => {
  it("is a layer like any other, though its directory is named otherwise", async () => {
    const root = await newRoot();
    const image = fakeImage("app", "one", "two");
    const records = await writing(root, (w) => storeImage(w, image));
    const { cacheId, chainId } = records[1]!;
    const built = "pz3k1v0q8w2m7x5y4t6u9r1ab";
    const link = await readFile(
      join(root, "overlay2", cacheId, "link"),
      "latin1",
    );
    await rename(
      join(root, "overlay2", cacheId),
      join(root, "overlay2", built),
    );
    await rm(join(root, "overlay2/l", link));
    await symlink(`../${built}/diff`, join(root, "overlay2/l", link));
    const home = join(root, driver, "layerdb/sha256", chainId.slice(7));
    await writeFile(join(home, "cache-id"), built);
    const store = await openStore(root);
    expect(await store.layer(chainId)).toEqual({
      ...records[1],
      cacheId: built,
    });
    // It is taken as it is, and others can sit on it.
    const above = fakeImage("above", "one", "two", "three");
    const added = await writing(root, (w) => storeImage(w, above));
    expect(added.map(({ parent }) => parent)).toEqual([chainId]);
    const lower = join(root, "overlay2", added[0]!.cacheId, "lower");
    expect(await readFile(lower, "latin1")).toMatch(`l/${link}:l/`);
    expect(await litter(root)).toEqual([]);
  });
});

/** Moves a layer from one root to another, as a session there would have left it. */
async function transplant(
  from: string,
  to: string,
  { cacheId, chainId }: LayerRecord,
): Promise<void> {
  await rename(join(from, "overlay2", cacheId), join(to, "overlay2", cacheId));
  const link = await readFile(join(to, "overlay2", cacheId, "link"), "latin1");
  await symlink(`../${cacheId}/diff`, join(to, "overlay2/l", link));
  const home = `${driver}/layerdb/sha256/${chainId.slice(7)}`;
  await cp(join(from, home), join(to, home), { recursive: true });
}

describe("a damaged layer", () => {
  const image = fakeImage("app", "one", "two", "three");
  const cases: [
    string,
    (root: string, middle: LayerRecord) => Promise<void>,
  ][] = [
    [
      "without its unpacked files",
      (root, { cacheId }) =>
        rm(join(root, "overlay2", cacheId), { recursive: true }),
    ],
    [
      "whose size ends in a newline",
      (root, { chainId }) =>
        writeFile(join(home(root, chainId), "size"), "3\n"),
    ],
    [
      "with an empty entry",
      async (root, { chainId }) => {
        await rm(home(root, chainId), { recursive: true });
        await mkdir(home(root, chainId));
      },
    ],
    [
      "with a file for an entry",
      async (root, { chainId }) => {
        await rm(home(root, chainId), { recursive: true });
        await writeFile(home(root, chainId), "");
      },
    ],
    [
      "without archive record",
      (root, { chainId }) => rm(join(home(root, chainId), "tar-split.json.gz")),
    ],
    [
      "without its short link",
      (root) => rm(join(root, "overlay2/l"), { recursive: true }),
    ],
    [
      "that claims another tar",
      (root, { chainId }) =>
        writeFile(join(home(root, chainId), "diff"), digestOf("other")),
    ],
    [
      "on a wrong lower",
      (root, { cacheId }) =>
        writeFile(
          join(root, "overlay2", cacheId, "lower"),
          `l/${"A".repeat(26)}`,
        ),
    ],
  ];
  const home = (root: string, chainId: ChainId): string =>
    join(root, driver, "layerdb/sha256", chainId.slice(7));

  it.each(cases)("%s is written anew", async (title, damage) => {
    const root = await newRoot();
    const old = await writing(root, (writer) => storeImage(writer, image));
    await damage(root, old[1]!);
    const warnings: string[] = [];
    await writing(root, (writer) => storeImage(writer, image), {
      onWarning: ({ code }) => warnings.push(code),
    });
    const store = await openStore(root);
    const chain = await store.layerChain(image.layers[2]!.chainId);
    expect(chain).toHaveLength(3);
    expect(chain![1]!.cacheId).not.toBe(old[1]!.cacheId);
    // Now all of it is whole.
    await writing(
      root,
      async (writer) => {
        expect(await stageAll(writer, image.layers)).toEqual([]);
      },
      { onWarning: ({ code }) => warnings.push(`after: ${code}`) },
    );
    expect(warnings.filter((code) => code !== "LAYER_DAMAGED")).toEqual([]);
    expect(await readdir(join(root, driver, "layerdb/tmp"))).toEqual([]);
    // Where the entry does not tell which files were the layer's, they stay.
    const namesFiles = !/ an (?:empty )?entry$/.test(title);
    if (namesFiles) expect(await litter(root)).toEqual([]);
  });

  it("gives way without harm to the images above that share it", async () => {
    const root = await newRoot();
    const other = fakeImage("other", "one", "two", "four", "five");
    const [base, middle] = await writing(root, (w) => storeImage(w, image));
    await writing(root, (writer) => storeImage(writer, other));
    await rm(join(home(root, middle!.chainId), "tar-split.json.gz"));
    await writing(root, (writer) => storeImage(writer, image));
    expect(await litter(root)).toEqual([]);
    const store = await openStore(root);
    const chain = await store.layerChain(other.layers[3]!.chainId);
    const links = await Promise.all(
      chain!.map(({ cacheId }) =>
        readFile(join(root, "overlay2", cacheId, "link"), "latin1"),
      ),
    );
    const lower = join(root, "overlay2", chain![3]!.cacheId, "lower");
    expect(await readFile(lower, "latin1")).toBe(
      [links[2], links[1], links[0]].map((link) => `l/${link}`).join(":"),
    );
    expect(chain![0]).toEqual(base);
    expect(chain![1]!.cacheId).not.toBe(middle!.cacheId);
  });

  it("leaves its files to a container that is on it", async () => {
    const root = await newRoot();
    const records = await writing(root, (w) => storeImage(w, image));
    const { cacheId } = records[1]!;
    const link = await readFile(join(root, "overlay2", cacheId, "link"));
    const container = "c".repeat(64);
    await mkdir(join(root, "overlay2", container));
    const lower = join(root, "overlay2", container, "lower");
    await writeFile(lower, `l/${link.toString()}`);
    const mount = join(root, driver, "layerdb/mounts", container);
    await mkdir(mount, { recursive: true });
    await writeFile(join(mount, "mount-id"), container);
    await writeFile(join(mount, "parent"), records[1]!.chainId);
    await rm(join(home(root, records[1]!.chainId), "size"));
    await writing(root, (writer) => storeImage(writer, image));
    const target = await readlink(join(root, "overlay2/l", link.toString()));
    expect(target).toBe(`../${cacheId}/diff`);
    const files = join(root, "overlay2", cacheId, "diff/file");
    expect(await readFile(files, "utf8")).toBe("two");
  });
});
