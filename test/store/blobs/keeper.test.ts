// Blobs that a session keeps: what is there afterwards, how much, and what makes room.
import {
  lstat,
  mkdir,
  readdir,
  readFile,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  digestOf,
  type Digest,
  listKeptBlobs,
  openStore,
  type StoreWriter,
} from "#store/index.js";
import { fakeImage } from "../support/images.js";
import { listing, newRoot, rootWith, writing } from "../support/roots.js";
import { ChildSession } from "../support/sessions.js";

const FOLDER = "tpull/blobs/sha256";
const image = fakeImage("app", "one", "two");
const bytesOf = (content: string): Buffer => Buffer.from(content);
const digest = (content: string): Digest => digestOf(bytesOf(content));
const pathOf = (root: string, content: string): string =>
  join(root, FOLDER, digest(content).slice(7));

/** Keeps a blob; resolves to the code of what was in the way. */
async function keep(
  writer: StoreWriter,
  content: string,
): Promise<string | undefined> {
  const bytes = bytesOf(content);
  const blob = await writer.keepBlob(digest(content), bytes.length);
  const half = bytes.length >> 1;
  await blob.write(bytes.subarray(0, half));
  await blob.write(bytes.subarray(half));
  return (await blob.keep())?.code;
}

const kept = (root: string): Digest[] =>
  listKeptBlobs(root).map((blob) => blob.digest);

/** Makes a blob look as if it was used so many seconds ago. */
async function age(
  root: string,
  content: string,
  seconds: number,
): Promise<void> {
  const then = Date.now() / 1000 - seconds;
  await utimes(pathOf(root, content), then, then);
}

it("are whole, under their digests, and nobody else's to read", async () => {
  const root = await newRoot();
  await writing(root, async (writer) => {
    expect(await keep(writer, "one")).toBe(undefined);
    expect(await keep(writer, "")).toBe(undefined);
  });
  expect(await readFile(pathOf(root, "one"), "utf8")).toBe("one");
  for (const path of [
    "tpull/blobs",
    FOLDER,
    pathOf("", "one"),
    pathOf("", ""),
  ]) {
    const { mode } = await lstat(join(root, path));
    expect((mode & 0o777).toString(8)).toMatch(/^(?:700|600)$/);
  }
  expect(
    listKeptBlobs(root)
      .map(({ bytes }) => bytes)
      .sort(),
  ).toEqual([0, 3]);
  expect(listKeptBlobs(join(root, "no"))).toEqual([]);
});

it("that did not come to their end leave nothing, and no root", async () => {
  const root = await newRoot();
  await writing(root, async (writer) => {
    const short = await writer.keepBlob(digest("one"), 3);
    await short.write(bytesOf("on"));
    expect((await short.keep())?.code).toBe("SIZE_MISMATCH");
    const given = await writer.keepBlob(digest("two"), 3);
    await given.write(bytesOf("two"));
    given.discard();
    await given.write(bytesOf("more"));
    await writer.keepBlob(digest("three"), 5);
  });
  expect(await listing(root)).toEqual([]);
});

it("are never more than the limit, and the oldest go first", async () => {
  const root = await newRoot();
  const keptBlobs = { maxBytes: 30 };
  await writing(
    root,
    async (writer) => {
      for (const content of ["a".repeat(10), "b".repeat(10), "c".repeat(10)]) {
        expect(await keep(writer, content)).toBe(undefined);
      }
      // What the writer itself relies on is in the way.
      expect(await keep(writer, "d")).toBe("BLOBS_LIMIT_REACHED");
    },
    { keptBlobs },
  );
  await age(root, "a".repeat(10), 10);
  await age(root, "b".repeat(10), 30);
  await age(root, "c".repeat(10), 20);
  await writing(
    root,
    async (writer) => {
      expect(await writer.useKeptBlob(digest("b".repeat(10)), 10)).toBe(true);
      expect(await keep(writer, "d")).toBe(undefined);
      expect(await keep(writer, "e".repeat(15))).toBe(undefined);
      expect(await keep(writer, "f".repeat(31))).toBe("BLOBS_LIMIT_REACHED");
    },
    { keptBlobs },
  );
  expect(kept(root).sort()).toEqual(
    ["b".repeat(10), "d", "e".repeat(15)].map(digest).sort(),
  );
});

it("stay while another session relies on them", async () => {
  const root = await newRoot();
  await writing(root, (writer) => keep(writer, "relied on"));
  await writing(root, (writer) => keep(writer, "not needed"));
  const store = await openStore(root);
  await using other = await store.beginWrite();
  expect(await other.useKeptBlob(digest("relied on"), 9)).toBe(true);
  await age(root, "relied on", 100);
  await writing(
    root,
    async (writer) => {
      expect(await keep(writer, "x")).toBe(undefined);
      expect(await keep(writer, "y".repeat(9))).toBe("BLOBS_LIMIT_REACHED");
    },
    { keptBlobs: { maxBytes: 11 } },
  );
  expect(kept(root).sort()).toEqual(["relied on", "x"].map(digest).sort());
});

it("are kept once by two sessions at the same time", async () => {
  const root = await newRoot();
  const store = await openStore(root);
  await using one = await store.beginWrite();
  await using two = await store.beginWrite();
  const results = await Promise.all([keep(one, "same"), keep(two, "same")]);
  expect(results).toEqual([undefined, undefined]);
  expect(kept(root)).toEqual([digest("same")]);
  expect(await readdir(join(root, "tpull/blobs"))).toEqual(["sha256"]);
});

it("on their way are swept when nobody writes them, and only then", async () => {
  const root = await newRoot();
  const child = new ChildSession(root, image, {
    blobs: ["a blob on its way"],
    hold: "keeping",
  });
  await child.saying("held");
  const incoming = async () =>
    (await readdir(join(root, "tpull/blobs"))).filter((name) =>
      name.startsWith(".tmp-"),
    );
  expect(await incoming()).toHaveLength(1);
  await writing(root, async () => undefined);
  expect(await incoming()).toHaveLength(1);
  await child.kill();
  await writing(root, async () => undefined);
  expect(await incoming()).toEqual([]);
});

it("are not what a link, a directory or another name makes of them", async () => {
  const root = await newRoot();
  await writing(root, (writer) => keep(writer, "one"));
  const folder = join(root, FOLDER);
  const secret = join(root, "../secret");
  await writeFile(secret, "two");
  await symlink(secret, pathOf(root, "two"));
  await mkdir(pathOf(root, "three"));
  await writeFile(join(folder, "three"), "three");
  await writeFile(join(folder, digest("x").slice(7).toUpperCase()), "x");
  expect(kept(root)).toEqual([digest("one")]);
  await writing(root, async (writer) => {
    expect(await writer.useKeptBlob(digest("two"), 3)).toBe(false);
    expect(await writer.openKeptBlob(digest("two"), 3)).toBe(undefined);
    expect(await writer.useKeptBlob(digest("three"), 5)).toBe(false);
    expect(await keep(writer, "two")).toBe(undefined);
    expect(await keep(writer, "three")).toBe("STORE_IO_FAILED");
  });
  expect((await lstat(pathOf(root, "two"))).isFile()).toBe(true);
  expect(await readFile(secret, "utf8")).toBe("two");
  await rm(secret);
});

it("are refused where their place leads elsewhere", async () => {
  for (const place of ["tpull/blobs", FOLDER]) {
    const root = await rootWith("tpull/x", "elsewhere/");
    await mkdir(join(root, place, ".."), { recursive: true });
    await symlink(join(root, "elsewhere"), join(root, place));
    const store = await openStore(root);
    await expect(store.beginWrite()).rejects.toMatchObject({
      code: "ROOT_LEADS_ELSEWHERE",
      details: { path: place },
    });
  }
});
