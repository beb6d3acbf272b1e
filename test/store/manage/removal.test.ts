// What goes when something is named: the table of dockerd's decisions.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  openStore,
  type ImageId,
  type RemoveImagesOptions,
  removeImages,
  tagImage,
} from "#store/index.js";
import { addContainer, noteParent } from "../support/docker-state.js";
import { type FakeImage, fakeImage, storeImage } from "../support/images.js";
import { layersIn, litter, newRoot, writing } from "../support/roots.js";

const app = fakeImage("app", "one", "two");
const { imageId } = app.image;
const digested = `app@${app.image.naming.digest}`;
const chains = app.layers.map(({ chainId }) => chainId).toReversed();
const ID = "c0".repeat(32);
const SHORT = ID.slice(0, 12);
const short = imageId.slice(7, 19);

/** An image that is there with these names instead of its own. */
async function rootWith(...names: string[]): Promise<string> {
  const root = await newRoot();
  await writing(root, (writer) => storeImage(writer, app));
  await writeNames(root, names);
  return root;
}

async function writeNames(root: string, names: string[]): Promise<void> {
  const repositories: Record<string, Record<string, ImageId>> = {};
  for (const name of names) {
    const repository = name.replace(/(@.*|:[^:/]*)$/, "");
    repositories[repository] = { ...repositories[repository], [name]: imageId };
  }
  const file = join(root, "image/overlay2/repositories.json");
  await writeFile(file, JSON.stringify({ Repositories: repositories }));
}

async function namesIn(root: string): Promise<string[]> {
  const references = await (await openStore(root)).references();
  return [...references.values()].flatMap((names) => [...names.keys()]).sort();
}

/** Removes one thing; lines as docker prints them, or the message of the refusal. */
async function rmi(
  root: string,
  name: string,
  options: RemoveImagesOptions = {},
): Promise<string[]> {
  const { removed, failed } = await removeImages(
    await openStore(root),
    [name],
    options,
  );
  return [
    ...removed.flatMap(({ untagged, deleted }) => [
      ...untagged.map((one) => `Untagged: ${one}`),
      ...deleted.map((one) => `Deleted: ${one}`),
    ]),
    ...failed.map(({ error }) => `${error.code}: ${error.message}`),
  ];
}

const DELETED = [imageId, ...chains].map((id) => `Deleted: ${id}`);
const untagged = (...names: string[]): string[] =>
  names.map((name) => `Untagged: ${name}`);
const OTHER_DIGEST = `x/y@sha256:${"5".repeat(64)}`;

interface Case {
  readonly title: string;
  readonly names: string[];
  readonly given: string;
  readonly options?: RemoveImagesOptions;
  readonly lines: string[];
  /** Names that are left. */
  readonly left?: string[];
}

const gone = (
  title: string,
  names: string[],
  given: string,
  lines: string[],
  options?: RemoveImagesOptions,
): Case => ({
  title,
  names,
  given,
  lines,
  ...(options === undefined ? {} : { options }),
});

describe("an image without containers and children", () => {
  it.each<Case>([
    gone(
      "goes with its last tag and its digest",
      ["app:latest", digested],
      "app",
      [...untagged("app:latest", digested), ...DELETED],
    ),
    gone("goes by a canonical name", ["app:1"], "docker.io/library/app:1", [
      ...untagged("app:1"),
      ...DELETED,
    ]),
    {
      title: "stays with another tag, and keeps the digest",
      names: ["app:1", "app:2", digested],
      given: "app:1",
      lines: untagged("app:1"),
      left: ["app:2", digested],
    },
    {
      title:
        "stays with a tag in another repository, and loses the digest of this one",
      names: ["app:1", "x/y:1", digested],
      given: "app:1",
      lines: untagged("app:1", digested),
      left: ["x/y:1"],
    },
    {
      title: "stays with a digest in another repository",
      names: ["app:1", digested, OTHER_DIGEST],
      given: "app:1",
      lines: untagged("app:1", digested),
      left: [OTHER_DIGEST],
    },
    {
      title: "stays when one digest of several names is named",
      names: ["app:1", digested],
      given: digested,
      lines: untagged(digested),
      left: ["app:1"],
    },
    gone("goes by its only digest", [digested], digested, [
      ...untagged(digested),
      ...DELETED,
    ]),
    gone(
      "goes by tag and digest, which are repeated",
      [digested],
      `app:7@${app.image.naming.digest}`,
      [...untagged(`app:7@${app.image.naming.digest}`), ...DELETED],
    ),
    gone("goes by its ID without a name", [], imageId, DELETED),
    gone("goes by the beginning of its ID", [], imageId.slice(7, 12), DELETED),
    gone(
      "goes by the beginning of its ID with sha256:",
      [],
      imageId.slice(0, 14),
      DELETED,
    ),
    gone(
      "goes by its ID with one tag and its digest",
      ["app:1", digested],
      short,
      [...untagged("app:1", digested), ...DELETED],
    ),
    gone("goes by its ID with digests of one repository", [digested], short, [
      ...untagged(digested),
      ...DELETED,
    ]),
    {
      title: "stays by its ID with two tags of one repository",
      names: ["app:1", "app:2"],
      given: short,
      lines: [
        `IMAGE_HAS_NAMES: conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
      ],
      left: ["app:1", "app:2"],
    },
    {
      title: "stays by its ID with a tag and a digest of two repositories",
      names: ["app:1", OTHER_DIGEST],
      given: imageId,
      lines: [
        `IMAGE_HAS_NAMES: conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
      ],
      left: ["app:1", OTHER_DIGEST],
    },
    gone(
      "goes by its ID with all names when forced, in the order of their canonical forms",
      ["zoo:1", "app:2", "localhost:5000/b:1", "me/app:1", digested],
      short,
      [
        ...untagged(
          "app:2",
          digested,
          "zoo:1",
          "me/app:1",
          "localhost:5000/b:1",
        ),
        ...DELETED,
      ],
      { force: true },
    ),
    {
      title: "keeps its other names when one is forced",
      names: ["app:1", "app:2"],
      given: "app:1",
      options: { force: true },
      lines: untagged("app:1"),
      left: ["app:2"],
    },
  ])("$title", async ({ names, given, options, lines, left }) => {
    const root = await rootWith(...names);
    expect(await rmi(root, given, options)).toEqual(lines);
    expect(await namesIn(root)).toEqual(left ?? []);
    expect(await layersIn(root)).toHaveLength(left === undefined ? 0 : 2);
    expect(await litter(root)).toEqual([]);
    const file = join(root, "image/overlay2/repositories.json");
    if (left === undefined) {
      expect(await readFile(file, "utf8")).toBe('{"Repositories":{}}');
    }
  });

  it("whose ID begins like a name is meant by its ID, as dockerd reads it", async () => {
    const name = imageId.slice(7, 10);
    const root = await rootWith(`${name}:latest`, "app:1");
    expect((await rmi(root, name))[0]).toMatch(/^IMAGE_HAS_NAMES/);
  });

  it.each([
    ["nothing", "IMAGE_NOT_FOUND"],
    [`sha256:${"0".repeat(64)}`, "IMAGE_NOT_FOUND"],
    ["NOT A NAME", "IMAGE_NOT_FOUND"],
    ["app:2", "IMAGE_NOT_FOUND"],
  ])("is not meant by %s", async (given, code) => {
    const root = await rootWith("app:1");
    expect((await rmi(root, given))[0]).toMatch(new RegExp(`^${code}`));
    expect(await namesIn(root)).toEqual(["app:1"]);
  });
});

describe("several at once", () => {
  it("are removed one after the other, and one that fails stops none", async () => {
    const root = await rootWith("app:1", "app:2");
    const store = await openStore(root);
    const names = ["app:1", "nothing", "app:1", "app:2"];
    const { removed, failed, freedBytes } = await removeImages(store, names);
    expect(removed).toEqual([
      { name: "app:1", untagged: ["app:1"], deleted: [] },
      { name: "app:2", untagged: ["app:2"], deleted: [imageId, ...chains] },
    ]);
    expect(failed.map(({ name, error }) => [name, error.code])).toEqual([
      ["nothing", "IMAGE_NOT_FOUND"],
      ["app:1", "IMAGE_NOT_FOUND"],
    ]);
    expect(freedBytes).toBe("one".length + "two".length);
  });

  it("share layers, which go with the last image", async () => {
    const root = await newRoot();
    const other = fakeImage("other", "one", "three");
    await writing(root, async (writer) => {
      await storeImage(writer, app);
      await storeImage(writer, other);
    });
    const [base, top] = other.layers.map(({ chainId }) => chainId);
    expect(await rmi(root, imageId)).toEqual([
      ...untagged("app:latest", digested),
      `Deleted: ${imageId}`,
      `Deleted: ${chains[0]}`,
    ]);
    expect(await layersIn(root)).toHaveLength(2);
    expect(await rmi(root, "other")).toEqual([
      ...untagged("other:latest", `other@${other.image.naming.digest}`),
      ...[other.image.imageId, top, base].map((id) => `Deleted: ${id}`),
    ]);
    expect(await litter(root)).toEqual([]);
  });
});

describe("an image that a container uses", () => {
  const stopped = { id: ID, image: imageId, top: chains[0]! };
  const inUse = (state: string, force: string): string =>
    `IMAGE_IN_USE: conflict: unable to delete ${short} (${force} be forced) - image is being used by ${state} container ${SHORT}`;
  const named = (name: string): string =>
    `IMAGE_IN_USE: conflict: unable to remove repository reference "${name}" (must force) - container ${SHORT} is using its referenced image ${short}`;

  it("keeps its last name", async () => {
    const root = await rootWith("app:1", digested);
    await addContainer(root, stopped);
    expect(await rmi(root, "app:1")).toEqual([named("app:1")]);
    expect(await namesIn(root)).toEqual(["app:1", digested]);
  });

  it("loses one of several names", async () => {
    const root = await rootWith("app:1", "app:2");
    await addContainer(root, stopped);
    expect(await rmi(root, "app:1")).toEqual(untagged("app:1"));
    expect(await rmi(root, "app:2")).toEqual([named("app:2")]);
  });

  it.each([
    ["by its ID", "stopped", false, "must"],
    ["by its ID while that runs", "running", true, "cannot"],
  ])("stays %s", async (_, state, running, force) => {
    const root = await rootWith("app:1");
    await addContainer(root, { ...stopped, running });
    expect(await rmi(root, short)).toEqual([inUse(state, force)]);
    expect(await namesIn(root)).toEqual(["app:1"]);
  });

  it.each([["app:1"], [short]])(
    "goes by %s when forced, and the layers stay for the container",
    async (given) => {
      const root = await rootWith("app:1");
      await addContainer(root, stopped);
      expect(await rmi(root, given, { force: true })).toEqual([
        ...untagged("app:1"),
        `Deleted: ${imageId}`,
      ]);
      expect(await layersIn(root)).toHaveLength(2);
    },
  );

  it("loses its last name by force while that runs, and stays", async () => {
    const root = await rootWith("app:1");
    await addContainer(root, { ...stopped, running: true });
    expect(await rmi(root, "app:1", { force: true })).toEqual(
      untagged("app:1"),
    );
    expect(await rmi(root, short, { force: true })).toEqual([
      inUse("running", "cannot"),
    ]);
    expect(await layersIn(root)).toHaveLength(2);
  });

  it("is recognised by its mount where the container cannot be read", async () => {
    const root = await rootWith("app:1");
    await addContainer(root, { id: ID, top: chains[0]! });
    expect(await rmi(root, "app:1")).toEqual([named("app:1")]);
    expect(await rmi(root, short)).toEqual([inUse("stopped", "must")]);
  });

  it("as a volume keeps its last name", async () => {
    const root = await rootWith("app:1");
    const image = `sha256:${"1".repeat(64)}` as ImageId;
    await addContainer(root, { id: ID, image, volume: imageId });
    expect(await rmi(root, "app:1")).toEqual([named("app:1")]);
  });

  it("is not one on whose layers only a build works", async () => {
    const root = await rootWith("app:1");
    await addContainer(root, { id: "build1", top: chains[0]! });
    expect(await rmi(root, "app:1")).toEqual([
      ...untagged("app:1"),
      `Deleted: ${imageId}`,
    ]);
    expect(await layersIn(root)).toHaveLength(2);
  });
});

describe("an image that another was built from", () => {
  const child = fakeImage("child", "one", "two", "three");
  const grandchild = fakeImage("grandchild", "one", "two", "three", "four");
  const top = (image: FakeImage): string => image.layers.at(-1)!.chainId;

  /** Three images in a row, the first two without names. */
  async function family(): Promise<string> {
    const root = await newRoot();
    await writing(root, async (writer) => {
      for (const image of [app, child, grandchild])
        await storeImage(writer, image);
    });
    await noteParent(root, child.image.imageId, imageId);
    await noteParent(root, grandchild.image.imageId, child.image.imageId);
    await writeFile(
      join(root, "image/overlay2/repositories.json"),
      `{"Repositories":{"grandchild":{"grandchild:1":"${grandchild.image.imageId}"}}}`,
    );
    return root;
  }
  const ids = [grandchild, child, app].map(({ image }) => image.imageId);

  it("stays, also by force", async () => {
    const root = await family();
    for (const force of [false, true]) {
      expect(await rmi(root, imageId, { force })).toEqual([
        `IMAGE_HAS_CHILDREN: conflict: unable to delete ${short} (cannot be forced) - image has dependent child images`,
      ]);
    }
  });

  it("goes with the last image that was built from it", async () => {
    const root = await family();
    expect(await rmi(root, "grandchild:1")).toEqual([
      ...untagged("grandchild:1"),
      `Deleted: ${ids[0]}`,
      `Deleted: ${top(grandchild)}`,
      `Deleted: ${ids[1]}`,
      `Deleted: ${top(child)}`,
      ...DELETED,
    ]);
    expect(await layersIn(root)).toEqual([]);
    expect(await litter(root)).toEqual([]);
  });

  it("stays with noPrune, and is then one of its own", async () => {
    const root = await family();
    const lines = await rmi(root, "grandchild:1", { noPrune: true });
    expect(lines).toHaveLength(3);
    expect(await rmi(root, ids[1]!, { noPrune: true })).toHaveLength(2);
    expect(await rmi(root, imageId)).toEqual(DELETED);
  });

  it("stays with a name or a container of its own, also when its child is forced", async () => {
    const root = await family();
    await addContainer(root, { id: ID, image: imageId });
    expect(await rmi(root, "grandchild:1", { force: true })).toHaveLength(5);
    expect(await layersIn(root)).toHaveLength(2);
  });

  it("loses its name only, if it has one", async () => {
    const root = await family();
    const store = await openStore(root);
    await tagImage(store, imageId, "base");
    expect(await rmi(root, "base")).toEqual(untagged("base:latest"));
    expect(await layersIn(root)).toHaveLength(4);
  });
});
