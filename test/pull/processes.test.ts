// Several tpull processes on one root at the same time.
import { describe, expect, it } from "vitest";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { chainIdsOf, imageOf, type Image } from "../helpers/image-builder.js";
import { storedLayers } from "../helpers/store/data-root.js";
import { newRoot } from "../store/support/roots.js";
import { bigLayer, smallLayer } from "./support/layers.js";
import { fetches, publish, serve } from "./support/pulls.js";
import { RunningPull } from "./support/running.js";
import { expectAsBefore, expectImage, expectSound } from "./support/stored.js";

const SHARED = [1, 2, 3, 4].map((seed) => bigLayer(120_000, seed));
const BIG = bigLayer(400_000, 9);

/** Images that share more or less of their layers. */
function overlapping(count: number): Image[] {
  return Array.from({ length: count }, (_, index) =>
    imageOf([
      ...SHARED.slice(0, SHARED.length - (index % 3)),
      smallLayer(`own-${index}`),
    ]),
  );
}

/**
 * Requests go out for the first layers before it is known who else works on
 * them: each process may ask once for the few that it asks for early.
 */
function expectFewFetches(
  registry: FaultRegistry,
  images: readonly Image[],
  processes: number,
): void {
  const digests = new Set(
    images.flatMap(({ layers }) => layers.map(({ digest }) => digest)),
  );
  const EARLY = 4;
  let extra = 0;
  for (const digest of digests) {
    const count = fetches(registry, digest);
    expect(count).toBeLessThanOrEqual(processes);
    extra += count - 1;
  }
  expect(extra).toBeLessThanOrEqual(EARLY * (processes - 1));
}

describe.each([2, 4])("%i processes", (processes) => {
  it("pull the same image", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = imageOf([...SHARED, smallLayer("a"), smallLayer("b")]);
    const name = publish(registry, "app:1", image);
    const running = Array.from(
      { length: processes },
      () => new RunningPull(root, name),
    );
    for (const { ended } of running) {
      const { code, stderr, results } = await ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(results).toHaveLength(1);
    }
    expectFewFetches(registry, [image], processes);
    await expectSound(root);
    await expectImage(root, image, `${registry.host}/app`, [
      name,
      `${registry.host}/app@${image.manifest.digest}`,
    ]);
  });

  it("pull images that overlap", async () => {
    const registry = await serve();
    const root = await newRoot();
    const images = overlapping(processes);
    const running = images.map(
      (image, index) =>
        new RunningPull(root, publish(registry, `app-${index}:1`, image)),
    );
    for (const { ended } of running) {
      const { code, stderr } = await ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    }
    expectFewFetches(registry, images, processes);
    await expectSound(root);
    for (const [index, image] of images.entries()) {
      const repository = `${registry.host}/app-${index}`;
      await expectImage(root, image, repository, [
        `${repository}:1`,
        `${repository}@${image.manifest.digest}`,
      ]);
    }
  });
});

describe("when one process", () => {
  const image = imageOf([smallLayer("below"), BIG, smallLayer("above")]);

  /** Two pulls of the image: the first is stuck in a layer, the second waits for it. */
  async function stuckAndWaiting(registry: FaultRegistry, root: string) {
    const name = publish(registry, "app:1", image);
    registry.faults.push({
      do: "stall",
      after: 200_000,
      on: { path: new RegExp(BIG.digest) },
    });
    const stuck = new RunningPull(root, name);
    await stuck.event(
      (event) => event.type === "progress" && event.digest === BIG.digest,
    );
    const waiting = new RunningPull(root, name);
    await waiting.event(({ type }) => type === "wait");
    return { name, stuck, waiting };
  }

  it.each(["killed", "interrupted"])(
    "is %s, the one that waits takes over",
    async (end) => {
      const registry = await serve();
      const root = await newRoot();
      const { name, stuck, waiting } = await stuckAndWaiting(registry, root);
      if (end === "killed") await stuck.kill();
      else stuck.interrupt();
      expect((await stuck.ended).code).toBe(end === "killed" ? null : 130);
      const { code, stderr, results } = await waiting.ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(results).toHaveLength(1);
      expect(fetches(registry, BIG.digest)).toBeLessThanOrEqual(3);
      await expectSound(root);
      await expectImage(root, image, `${registry.host}/app`, [
        name,
        `${registry.host}/app@${image.manifest.digest}`,
      ]);
    },
  );

  it("is stopped while it waits, the other goes on", async () => {
    const registry = await serve();
    const root = await newRoot();
    const { stuck, waiting } = await stuckAndWaiting(registry, root);
    waiting.interrupt();
    expect((await waiting.ended).code).toBe(130);
    stuck.interrupt();
    expect((await stuck.ended).code).toBe(130);
    await expectAsBefore(root, []);
  });

  it("fails, the others keep the layers they share with it", async () => {
    const registry = await serve();
    const root = await newRoot();
    const lost = bigLayer(1000, 77);
    const bad = publish(registry, "bad:1", imageOf([...SHARED, lost]));
    const good = imageOf([...SHARED, smallLayer("good")]);
    const name = publish(registry, "good:1", good);
    registry.blobs.delete(lost.digest);
    const failing = [new RunningPull(root, bad), new RunningPull(root, bad)];
    const pulling = new RunningPull(root, name);
    for (const { ended } of failing) expect((await ended).code).toBe(1);
    expect(await pulling.ended).toMatchObject({ code: 0, stderr: "" });
    await expectSound(root);
    expect([...(await storedLayers(root)).keys()].sort()).toEqual(
      chainIdsOf(good)
        .map((chain) => chain.slice(7))
        .sort(),
    );
  });

  it("is killed alone, the next pull finishes its work", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", image);
    registry.faults.push({
      do: "stall",
      after: 200_000,
      on: { path: new RegExp(BIG.digest) },
    });
    const stuck = new RunningPull(root, name);
    await stuck.event(
      (event) => event.type === "layer" && event.state === "complete",
    );
    await stuck.kill();
    expect(await new RunningPull(root, name).ended).toMatchObject({
      code: 0,
      results: [{ layers: [{ source: "reused" }, {}, {}] }],
    });
    await expectSound(root);
  });
});
