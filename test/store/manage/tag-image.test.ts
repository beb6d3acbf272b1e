// Further names for an image, as docker tag gives them.
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openStore, type TaggedImage, tagImage } from "#store/index.js";
import { localTime } from "#store/manage/tag-image.js";
import { fakeImage, storeImage } from "../support/images.js";
import { listing, litter, newRoot, writing } from "../support/roots.js";

const app = fakeImage("app", "one");
const other = fakeImage("other", "two");
const { imageId } = app.image;

async function rootWithBoth(): Promise<string> {
  const root = await newRoot();
  await writing(root, async (writer) => {
    await storeImage(writer, app);
    await storeImage(writer, other);
  });
  return root;
}

async function tag(
  root: string,
  image: string,
  ...names: string[]
): Promise<TaggedImage> {
  return await tagImage(await openStore(root), image, names);
}

const noteOf = (root: string): string =>
  join(
    root,
    "image/overlay2/imagedb/metadata/sha256",
    imageId.slice(7),
    "lastUpdated",
  );

describe("an image", () => {
  it.each([
    ["x", "x:latest"],
    ["docker.io/library/x:1", "x:1"],
    ["docker.io/me/x", "me/x:latest"],
    ["localhost:5000/x:1", "localhost:5000/x:1"],
    ["app", "app:latest"],
  ])("is named %s", async (name, reference) => {
    const root = await rootWithBoth();
    const before = reference === "app:latest" ? imageId : undefined;
    expect(await tag(root, "app", name)).toEqual({
      imageId,
      names: [{ reference, before }],
    });
    const store = await openStore(root);
    expect(await store.reference(reference)).toBe(imageId);
    expect(await litter(root)).toEqual([]);
  });

  it("is found by its ID and by its digest", async () => {
    const root = await rootWithBoth();
    await tag(root, imageId.slice(7, 20), "x:1");
    await tag(root, `app@${app.image.naming.digest}`, "x:2");
    const store = await openStore(root);
    expect((await store.references()).get("x")?.size).toBe(2);
  });

  it("takes a tag from another one", async () => {
    const root = await rootWithBoth();
    const { names } = await tag(root, "app", "other", "x", "x:latest");
    expect(names).toEqual([
      { reference: "other:latest", before: other.image.imageId },
      { reference: "x:latest", before: undefined },
    ]);
    const references = (await (await openStore(root)).references()).get(
      "other",
    );
    expect([...references!.values()].sort()).toEqual(
      [imageId, other.image.imageId].sort(),
    );
  });

  it("notes when it was tagged last", async () => {
    const root = await rootWithBoth();
    const begin = Date.now();
    await tag(root, "app", "x");
    const text = await readFile(noteOf(root), "utf8");
    expect(text).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)$/,
    );
    expect(Date.parse(text)).toBeGreaterThanOrEqual(begin);
    expect(Date.parse(text)).toBeLessThanOrEqual(Date.now());
    expect((await stat(noteOf(root))).mode & 0o7777).toBe(0o600);
    const folder = join(noteOf(root), "..");
    expect((await stat(folder)).mode & 0o7777).toBe(0o700);
    // What a process that was killed left beside it.
    await writeFile(join(folder, ".tmp-lastUpdated7"), "");
    await tag(root, "app", "x");
    expect(await readdir(folder)).toEqual(["lastUpdated"]);
  });
});

describe("nothing is named", () => {
  it.each([
    ["nothing", "x", "IMAGE_NOT_FOUND"],
    ["app", `x@sha256:${"1".repeat(64)}`, "REFERENCE_INVALID"],
    ["app", `x:1@sha256:${"1".repeat(64)}`, "REFERENCE_INVALID"],
    ["app", "X", "REFERENCE_INVALID"],
    ["app", "sha256:x", "REFERENCE_INVALID"],
    ["app", "1".repeat(64), "REFERENCE_INVALID"],
  ])("%s %s", async (image, name, code) => {
    const root = await rootWithBoth();
    const before = await listing(root);
    await expect(tag(root, image, "fine", name)).rejects.toMatchObject({
      code,
    });
    expect(await listing(root)).toEqual(before);
  });

  it("that is damaged", async () => {
    const root = await rootWithBoth();
    const content = join(root, "image/overlay2/imagedb/content/sha256");
    await writeFile(join(content, imageId.slice(7)), "{}");
    await expect(tag(root, "app", "x")).rejects.toMatchObject({
      code: "IMAGE_DAMAGED",
    });
  });

  it("in a root that does not exist, which is not made", async () => {
    const root = await newRoot();
    await expect(tag(root, "app", "x")).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
    await expect(stat(root)).rejects.toMatchObject({ code: "ENOENT" });
    await mkdir(root);
    await expect(tag(root, "app", "x")).rejects.toMatchObject({
      code: "IMAGE_NOT_FOUND",
    });
    expect(await readdir(root)).toEqual([]);
  });
});

describe("the time as Go writes it", () => {
  const zone = process.env["TZ"];
  afterEach(() => {
    if (zone === undefined) delete process.env["TZ"];
    else process.env["TZ"] = zone;
  });

  it.each([
    ["UTC", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"],
    ["UTC", "2026-01-02T03:04:05.600Z", "2026-01-02T03:04:05.6Z"],
    ["UTC", "2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05Z"],
    ["Asia/Kolkata", "2026-01-02T20:04:05.100Z", "2026-01-03T01:34:05.1+05:30"],
    [
      "America/St_Johns",
      "2026-01-02T03:04:05.010Z",
      "2026-01-01T23:34:05.01-03:30",
    ],
  ])("in %s at %s", (place, time, text) => {
    process.env["TZ"] = place;
    expect(localTime(new Date(time))).toBe(text);
  });
});
