// Names of images out of a file that cannot be read as a whole.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "#store/index.js";
import { namesIn, salvageNames } from "#store/repair/salvage.js";
import { fakeImage, storeImage } from "../support/images.js";
import { newRoot, writing } from "../support/roots.js";

const A = `sha256:${"a".repeat(64)}`;
const B = `sha256:${"b".repeat(64)}`;
const D = `sha256:${"d".repeat(64)}`;
const whole = `{"Repositories":{"app":{"app:1":"${A}","app@${D}":"${A}"},"user/x":{"user/x:latest":"${B}"}}}`;

describe("names in a torn text", () => {
  it("are all there in a whole one", () => {
    expect(namesIn(whole)).toEqual([
      ["app:1", A],
      [`app@${D}`, A],
      ["user/x:latest", B],
    ]);
  });

  it("are the whole members that are left, wherever it is torn", () => {
    const names = namesIn(whole);
    for (let length = 0; length < whole.length; length += 1) {
      const found = namesIn(whole.slice(0, length));
      expect(found).toEqual(names.slice(0, found.length));
      const rest = namesIn(whole.slice(length));
      for (const [name, id] of rest) {
        // Half a name may look like a whole one only where its quote is gone.
        expect([A, B]).toContain(id);
        expect(name).not.toContain("{");
      }
    }
  });

  it("count only where docker would write them so", () => {
    for (const key of [
      "docker.io/library/app:1",
      "app",
      "App:1",
      "",
      "app:1\\ud800",
      "scratch:1",
    ]) {
      expect(namesIn(`"${key}":"${A}"`)).toEqual([]);
    }
    expect(namesIn(`"app:1":"sha256:abc"`)).toEqual([]);
    expect(namesIn(`"app:1" : "${A}"`)).toEqual([["app:1", A]]);
  });
});

describe("names that can be saved", () => {
  const image = fakeImage("app", "one", "two");
  const { imageId } = image.image;

  async function stored(): Promise<{ root: string; file: string }> {
    const root = await newRoot();
    await writing(root, (writer) => storeImage(writer, image));
    return { root, file: join(root, "image/overlay2/repositories.json") };
  }

  it("are those of the file, then those of a file that was being written", async () => {
    const { root, file } = await stored();
    await writeFile(
      file,
      `{"Repositories":{"app":{"app:1":"${imageId}","app:2`,
    );
    await writeFile(
      join(root, "image/overlay2/.tmp-repositories.json123"),
      `{"Repositories":{"app":{"app:1":"${B}","app:3":"${imageId}"}}}`,
    );
    const { layout } = await openStore(root);
    expect(salvageNames(layout)).toEqual([
      { name: "app:1", imageId, source: "the damaged file" },
      { name: "app:3", imageId, source: "a file that was being written" },
    ]);
  });

  it("are made out from the kept manifest where no other is left", async () => {
    const { root, file } = await stored();
    await writeFile(file, "");
    const { layout } = await openStore(root);
    expect(salvageNames(layout)).toEqual([]);
    const manifest = JSON.stringify({
      config: { digest: imageId, size: 2 },
      layers: image.origins.map(({ digest }) => ({ digest, size: 3 })),
    });
    await mkdir(layout.manifests, { recursive: true });
    await writeFile(layout.manifest(imageId), manifest);
    const [only, ...others] = salvageNames(layout);
    expect(others).toEqual([]);
    expect(only).toMatchObject({ imageId, source: "a kept manifest" });
    expect(only!.name).toMatch(/^app@sha256:[0-9a-f]{64}$/);
  });
});
