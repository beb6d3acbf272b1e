// repositories.json and the JSON of Go behind it.
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, property, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf, type ImageId, openStore } from "#store/index.js";
import { goMap, goString } from "#store/go-json.js";
import {
  formatRepositories,
  parseRepositories,
  repositoryOf,
} from "#store/repositories.js";
import { fakeImage, storeImage } from "./support/images.js";
import { newRoot, writing } from "./support/roots.js";

const image = fakeImage("app", "one");
const { imageId } = image.image;
const fileOf = (root: string): string =>
  join(root, "image/overlay2/repositories.json");

describe("strings", () => {
  it.each([
    ["plain", '"plain"'],
    ['a"b\\c', String.raw`"a\"b\\c"`],
    ["\n\r\t", String.raw`"\n\r\t"`],
    ["\b\f\u0000\u001f\u007f", '"\\u0008\\u000c\\u0000\\u001f\u007f"'],
    ["<a href='x'>&", String.raw`"\u003ca href='x'\u003e\u0026"`],
    ["\u2028\u2029", String.raw`"\u2028\u2029"`],
    ["größe/📦", '"größe/📦"'],
    ["half \ud83d", '"half \ufffd"'],
  ])("%j is written as Go writes it", (text, json) => {
    expect(goString(text)).toBe(json);
  });

  it("any text reads back as itself", () => {
    assert(
      property(string({ unit: "binary" }), (text) => {
        expect(JSON.parse(goString(text))).toBe(text);
        expect(goString(text)).not.toMatch(/[<>&\u2028\u2029\n]/);
      }),
    );
  });

  it("keys are sorted by their bytes, not by their UTF-16 units", () => {
    const map = new Map([
      ["\u{1f4e6}", 1],
      ["\uffee", 2],
      ["b", 3],
      ["B", 4],
    ]);
    expect(goMap(map, String)).toBe('{"B":4,"b":3,"\uffee":2,"\u{1f4e6}":1}');
  });
});

describe("repositories.json", () => {
  it("reads what Go reads", () => {
    expect(parseRepositories('{"Repositories":null}')).toEqual(new Map());
    expect(parseRepositories("{}")).toEqual(new Map());
    expect(parseRepositories("null")).toEqual(new Map());
    expect(
      parseRepositories(' {\n"Repositories" : {"a": null, "b": {}} }\n'),
    ).toEqual(
      new Map([
        ["a", new Map()],
        ["b", new Map()],
      ]),
    );
  });

  it("forgets repositories without references", () => {
    expect(formatRepositories(new Map())).toBe('{"Repositories":{}}');
    expect(formatRepositories(new Map([["a", new Map()]]))).toBe(
      '{"Repositories":{}}',
    );
  });

  it.each([
    ["nginx:latest", "nginx"],
    ["nginx", "nginx"],
    [`nginx@${digestOf("")}`, "nginx"],
    ["10.0.0.5:5000/debian:10", "10.0.0.5:5000/debian"],
    ["10.0.0.5:5000/debian", "10.0.0.5:5000/debian"],
    ["[::1]:5000/x:y", "[::1]:5000/x"],
  ])("finds the repository of %s", (reference, repository) => {
    expect(repositoryOf(reference)).toBe(repository);
  });
});

describe("naming an image", () => {
  it("leaves every other entry as it is", async () => {
    const root = await newRoot();
    await writing(root, (writer) => storeImage(writer, image));
    const strange = `{"Repositories":{"__proto__":{"__proto__:x":"sha256:gone"},"docker.io/library/z":{"z:1":"not an ID"}}}`;
    await writeFile(fileOf(root), `${strange}\n`);
    await chmod(fileOf(root), 0o644);
    await writing(root, async (writer) => {
      const { changed } = await writer.tagImage(imageId, {
        repository: "k",
        tag: "1",
      });
      expect(changed).toBe(true);
    });
    const added = `,"k":{"k:1":"${imageId}"}}}`;
    expect(await readFile(fileOf(root), "utf8")).toBe(
      strange.replace(/\}\}$/, added),
    );
    expect((await stat(fileOf(root))).mode & 0o7777).toBe(0o600);
    const store = await openStore(root);
    expect(await store.references()).toEqual(
      new Map([["k", new Map([["k:1", imageId]])]]),
    );
    expect(await store.reference("z:1")).toBeUndefined();
  });

  it("moves a tag and keeps the digest of the image that had it", async () => {
    const root = await newRoot();
    await writing(root, (writer) => storeImage(writer, image));
    const next = fakeImage("app", "two");
    const digest = digestOf("another manifest");
    const naming = { ...next.image.naming, digest };
    await writing(root, async (writer) => {
      await storeImage(writer, {
        ...next,
        image: { ...next.image, naming },
      });
    });
    const store = await openStore(root);
    const old = image.image.naming.digest!;
    expect(await store.references()).toEqual(
      new Map([
        [
          "app",
          new Map<string, ImageId>([
            ["app:latest", next.image.imageId],
            [`app@${old}`, imageId],
            [`app@${digest}`, next.image.imageId],
          ]),
        ],
      ]),
    );
  });

  it("by digest alone gives no tag", async () => {
    const root = await newRoot();
    const digest = digestOf("m");
    const naming = { repository: "app", digest };
    await writing(root, (writer) =>
      storeImage(writer, { ...image, image: { ...image.image, naming } }),
    );
    expect(await readFile(fileOf(root), "utf8")).toBe(
      `{"Repositories":{"app":{"app@${digest}":"${imageId}"}}}`,
    );
  });

  it("cannot be mistaken for a digest", async () => {
    const root = await newRoot();
    const naming = { repository: "sha256", tag: "x" };
    await expect(
      writing(root, (writer) =>
        storeImage(writer, { ...image, image: { ...image.image, naming } }),
      ),
    ).rejects.toMatchObject({ code: "REPOSITORY_NAME_AMBIGUOUS" });
  });
});
