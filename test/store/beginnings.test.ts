// A root that several sessions make, and that those which fail unmake.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "#store/index.js";
import { fakeImage, stageAll } from "./support/images.js";
import { listing, newRoot, writing } from "./support/roots.js";
import { ChildSession, runSession } from "./support/sessions.js";

const image = fakeImage("app", "one", "two", "three");
const top = image.layers[2]!.chainId;

describe("the beginnings of a root", () => {
  it.each([
    ["had just begun", "begun"],
    ["had staged layers", "staged"],
  ] as const)(
    "are left to the last session that fails, after one that %s",
    async (_, hold) => {
      const root = join(await newRoot(), "a/b");
      const store = await openStore(root);
      const failing = await store.beginWrite();
      const second = new ChildSession(root, image, { hold, fail: "staged" });
      await second.saying("held");
      const third = new ChildSession(root, image, {
        hold: "begun",
        fail: "staged",
      });
      await third.saying("held");
      await failing[Symbol.asyncDispose]();
      second.release();
      await second.end();
      expect(await listing(join(root, "../.."))).not.toEqual([]);
      third.release();
      await third.end();
      expect(await listing(join(root, "../.."))).toEqual([]);
    },
  );

  it("stay where a session succeeds after others failed", async () => {
    const root = await newRoot();
    const failing = await (await openStore(root)).beginWrite();
    const second = new ChildSession(root, image, { hold: "begun" });
    await second.saying("held");
    await failing[Symbol.asyncDispose]();
    second.release();
    expect((await second.end()).at(-1)).toEqual({ event: "done" });
    const reference = await newRoot();
    await runSession(reference, image);
    const paths = async (path: string): Promise<string[]> =>
      (await listing(path))
        .map((line) => line.replaceAll(/[0-9a-f]{64}|[A-Z2-7]{26}/g, "*"))
        .map((line) => line.split(" ")[0]!)
        .sort();
    await writing(root, async () => undefined);
    expect(await paths(root)).toEqual(await paths(reference));
  });

  it("are never taken for another store's, by those that look meanwhile", async () => {
    for (let round = 0; round < 20; round += 1) {
      const root = await newRoot();
      const makers = Array.from({ length: 4 }, () =>
        writing(root, async (writer) => {
          await (await writer.temporaryFile()).close();
        }),
      );
      const lookers = Array.from({ length: 4 }, async () => {
        for (let look = 0; look < 10; look += 1) {
          await (await openStore(root)).checkWritable();
        }
      });
      const all = await Promise.allSettled([...makers, ...lookers]);
      const failures = all.flatMap((one) =>
        one.status === "rejected" ? [String(one.reason)] : [],
      );
      expect(failures).toEqual([]);
    }
  });

  it("are left to a session that goes on", async () => {
    const root = await newRoot();
    const store = await openStore(root);
    const failing = await store.beginWrite();
    await stageAll(failing, image.layers.slice(0, 1));
    const other = new ChildSession(root, image, { hold: "begun" });
    await other.saying("held");
    await failing[Symbol.asyncDispose]();
    other.release();
    expect((await other.end()).at(-1)).toEqual({ event: "done" });
    expect(await store.layerChain(top)).toHaveLength(3);
  });
});
