// Sessions in several processes on one root.
import { lstatSync } from "node:fs";
import { mkdir, open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "#store/index.js";
import * as libc from "#store/native/libc.js";
import { fakeImage, stageAll, storeImage } from "./support/images.js";
import {
  layersIn,
  listing,
  litter,
  newRoot,
  SWEEPING,
  writing,
} from "./support/roots.js";
import { ChildSession, runSession } from "./support/sessions.js";

const image = fakeImage("app", "one", "two", "three");
const top = image.layers[2]!.chainId;

describe("two sessions that want the same image", () => {
  it("wait for each other, and the second reuses what the first stored", async () => {
    const root = await newRoot();
    const first = new ChildSession(root, image, { hold: "staged" });
    await first.saying("held");
    const second = new ChildSession(root, image);
    await second.saying("wait");
    first.release();
    expect((await first.end()).at(-1)).toEqual({ event: "done" });
    const said = await second.end();
    expect(said.filter(({ event }) => event === "claimed")).toEqual([]);
    expect(said.filter(({ event }) => event === "present")).toHaveLength(3);
    expect(said.at(-1)).toEqual({ event: "done" });
    expect(await litter(root)).toEqual([]);
  });

  it("the second takes over when the first gives up", async () => {
    const root = await newRoot();
    const first = new ChildSession(root, image, {
      hold: "staged",
      fail: "staged",
    });
    await first.saying("held");
    const second = new ChildSession(root, image);
    await second.saying("wait");
    first.release();
    const said = await second.end();
    expect(said.filter(({ event }) => event === "claimed")).toHaveLength(3);
    expect(said.at(-1)).toEqual({ event: "done" });
    expect(await litter(root)).toEqual([]);
  });

  it("the second takes over when the first is killed", async () => {
    const root = await newRoot();
    const first = new ChildSession(root, image, { hold: "staged" });
    await first.saying("held");
    const second = new ChildSession(root, image);
    await second.saying("wait");
    await first.kill();
    const said = await second.end();
    expect(said.at(-1)).toEqual({ event: "done" });
    expect(await litter(root)).toEqual([]);
  });

  it("a wait can be interrupted", async () => {
    const root = await newRoot();
    const first = new ChildSession(root, image, { hold: "staged" });
    await first.saying("held");
    const stop = new AbortController();
    await expect(
      writing(root, (writer) =>
        writer.claimLayer(image.layers[0]!.chainId, {
          signal: stop.signal,
          onWait: () => stop.abort(),
        }),
      ),
    ).rejects.toMatchObject({ code: "ABORTED" });
    first.release();
    await first.end();
    expect(await litter(root)).toEqual([]);
  });
});

describe("a session beside another", () => {
  it("keeps the layers that the other fails to make an image of", async () => {
    const root = await newRoot();
    const first = new ChildSession(root, image, {
      hold: "committed",
      fail: "committed",
    });
    await first.saying("held");
    const store = await openStore(root);
    const writer = await store.beginWrite();
    expect(await stageAll(writer, image.layers)).toEqual([]);
    first.release();
    await first.end();
    expect(await store.layerChain(top)).toHaveLength(3);
    await storeImage(writer, image);
    await writer[Symbol.asyncDispose]();
    expect(await litter(root)).toEqual([]);
  });

  it("removes the layers that both fail to make an image of", async () => {
    const root = await newRoot();
    const first = new ChildSession(root, image, {
      hold: "committed",
      fail: "committed",
    });
    await first.saying("held");
    await writing(root, async (writer) => {
      expect(await stageAll(writer, image.layers)).toEqual([]);
      first.release();
      await first.end();
      expect(await layersIn(root)).toHaveLength(3);
    });
    expect(await layersIn(root)).toEqual([]);
    expect(await litter(root)).toEqual([]);
  });

  it("does not take back what the other has published", async () => {
    const root = await newRoot();
    const other = fakeImage("other", "one", "and more");
    const first = new ChildSession(root, image, { hold: "committed" });
    await first.saying("held");
    await writing(root, (writer) => storeImage(writer, other));
    expect(await layersIn(root)).toHaveLength(4);
    first.release();
    expect((await first.end()).at(-1)).toEqual({ event: "done" });
    expect(await (await openStore(root)).layerChain(top)).toHaveLength(3);
    expect(await litter(root)).toEqual([]);
  });

  it("does not take back what the other uses of a killed one", async () => {
    const root = await newRoot();
    const killed = new ChildSession(root, image, { hold: "committed" });
    await killed.saying("held");
    await killed.kill();
    const other = fakeImage("other", "one", "and more");
    await writing(root, async (writer) => {
      expect(await stageAll(writer, image.layers.slice(0, 2))).toEqual([]);
      await runSession(root, other, { leftovers: SWEEPING.leftovers });
      // The third is nobody's.
      expect(await layersIn(root)).toHaveLength(3);
      await storeImage(writer, image);
    });
    expect(await (await openStore(root)).layerChain(top)).toHaveLength(3);
    expect(await litter(root)).toEqual([]);
  });

  it("loses no name when many are given at once", async () => {
    const root = await newRoot();
    const names = ["a", "b", "c", "d", "e", "f"];
    const said = await Promise.all(
      names.map((name) => runSession(root, fakeImage(name, "base", name))),
    );
    for (const lines of said) expect(lines.at(-1)).toEqual({ event: "done" });
    const references = await (await openStore(root)).references();
    expect([...references.keys()].sort()).toEqual(names);
    expect(await readdir(join(root, "overlay2/l"))).toHaveLength(7);
    expect(await litter(root)).toEqual([]);
  });

  it("does not sweep what the other is writing", async () => {
    const root = await newRoot();
    const first = new ChildSession(root, image, { hold: "staged" });
    await first.saying("held");
    await writing(root, async () => undefined);
    first.release();
    expect((await first.end()).at(-1)).toEqual({ event: "done" });
    expect(await (await openStore(root)).layerChain(top)).toHaveLength(3);
  });
});

describe("a dockerd on the root", () => {
  /** Locks the file as a running dockerd does. */
  async function asDockerd(root: string) {
    await mkdir(join(root, "volumes"), { recursive: true });
    const file = await open(join(root, "volumes/metadata.db"), "a");
    await file.write("bolt");
    const result = libc.flock(file.fd, libc.LOCK_EX | libc.LOCK_NB);
    return { file, result };
  }

  it("is recognised, and nothing is written", async () => {
    const root = await newRoot();
    const { file, result } = await asDockerd(root);
    expect(result).toBe(0);
    const before = await listing(root);
    const [said] = await runSession(root, image);
    expect(said).toMatchObject({
      event: "error",
      code: "ROOT_IN_USE_BY_DOCKERD",
    });
    expect(said!.message).toContain(`process ${process.pid}`);
    expect(await listing(root)).toEqual(before);
    await file.close();
    expect((await runSession(root, image)).at(-1)).toEqual({ event: "done" });
    const lock = await readFile(join(root, "volumes/metadata.db"), "utf8");
    expect(lock).toBe("bolt");
  });

  it("cannot start while tpull writes", async () => {
    const root = await newRoot();
    await writing(root, async () => {
      const { file, result } = await asDockerd(root);
      expect(libc.errnoName(result)).toBe("EAGAIN");
      await file.close();
    });
  });

  it("finds no file of tpull's when nothing was written", async () => {
    const root = await newRoot();
    await mkdir(root);
    await writing(root, async () => {
      const { file } = await asDockerd(root);
      await file.close();
    });
    // The content shows that somebody uses the file now: it stays.
    expect(lstatSync(join(root, "volumes/metadata.db")).size).toBe(4);
  });
});

describe("the umask", () => {
  it.each([0, 0o777])("%o does not matter", async (umask) => {
    const root = await newRoot();
    const said = await runSession(root, image, { umask });
    expect(said.at(-1)).toEqual({ event: "done" });
    const reference = await newRoot();
    await runSession(reference, image);
    const modes = async (path: string): Promise<string[]> =>
      (await listing(path))
        .filter((line) => !line.includes("/diff/file "))
        .map((line) => line.replaceAll(/[0-9a-f]{64}|[A-Z2-7]{26}/g, "*"))
        .map((line) => line.split(" ").slice(0, 2).join(" "))
        .sort();
    expect(await modes(root)).toEqual(await modes(reference));
  });
});
