// Stopping a pull: soon and whole, whatever it was doing. What it leaves is in resume.test.ts.
import { EventEmitter, once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PullEvent, PullOptions } from "#src/index.js";
import { openStore, type ChainId } from "#store/index.js";
import { lockSection } from "#store/lock.js";
import { chainIdsOf, imageOf, type Image } from "../helpers/image-builder.js";
import { removeTree, run } from "../helpers/run.js";
import { listing, newRoot, SWEEPING, writing } from "../store/support/roots.js";
import { expectEvents } from "./support/event-schema.js";
import { bigLayer, smallImage, smallLayer } from "./support/layers.js";
import { failureOf, publish, pulling, serve } from "./support/pulls.js";
import { seedRoot } from "./support/refused.js";
import { expectAsBefore, expectImage, expectSound } from "./support/stored.js";

/** How long a pull may go on after it was stopped. Milliseconds. */
const SOON = 1000;
const CHILD = join(import.meta.dirname, "support/child.mjs");

const BIG = bigLayer(400_000);
const IMAGE = imageOf([smallLayer("a"), BIG, smallLayer("b")]);
const ON_BIG = { path: new RegExp(BIG.digest) };

/**
 * Stops a pull when `isTime`; it must end soon, and leave nothing but what is of use to the next.
 * @param afterwards what has to happen for the rest of the pull to come to its end
 */
async function expectStopped(
  reference: string | string[],
  root: string,
  isTime: (event: PullEvent) => boolean,
  options: PullOptions = {},
  afterwards: () => void = () => undefined,
): Promise<void> {
  const before = await listing(root);
  const controller = new AbortController();
  let stoppedAt = Number.NaN;
  const error = await failureOf(
    pulling(reference, {
      ...options,
      root,
      signal: controller.signal,
      onEvent: (event) => {
        if (controller.signal.aborted || !isTime(event)) return;
        stoppedAt = performance.now();
        controller.abort();
        afterwards();
      },
    }),
  );
  expect(error.code).toBe("ABORTED");
  expect(performance.now() - stoppedAt).toBeLessThan(SOON);
  await expectAsBefore(root, before);
}

const isLayer =
  (index: number, state: string) =>
  (event: PullEvent): boolean =>
    event.type === "layer" && event.index === index && event.state === state;

describe("a pull that is stopped", () => {
  let folder = "";
  let seed = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tpull-seed-"));
    seed = await seedRoot(folder);
  });
  afterAll(() => removeTree(folder));

  it("before it begins asks nobody", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", IMAGE);
    const error = await failureOf(
      pulling(name, { root, signal: AbortSignal.abort() }),
    );
    expect(error.code).toBe("ABORTED");
    expect(registry.requests).toEqual([]);
    expect(await listing(root)).toEqual([]);
  });

  it("during the request for the manifest", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    registry.faults.push({ do: "stall", on: { path: /manifests/ } });
    const asked = arrivalOf(registry, /manifests/);
    const controller = new AbortController();
    const root = await newRoot();
    const pulled = pulling(name, { root, signal: controller.signal });
    await asked;
    const stoppedAt = performance.now();
    controller.abort();
    expect((await failureOf(pulled)).code).toBe("ABORTED");
    expect(performance.now() - stoppedAt).toBeLessThan(SOON);
    expect(await listing(root)).toEqual([]);
  });

  it("during the request for the config, with layers on their way", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    registry.faults.push({
      do: "stall",
      on: { path: new RegExp(IMAGE.config.digest) },
    });
    const asked = arrivalOf(registry, new RegExp(IMAGE.config.digest));
    const controller = new AbortController();
    const root = await newRoot();
    const pulled = pulling(name, { root, signal: controller.signal });
    await asked;
    const stoppedAt = performance.now();
    controller.abort();
    expect((await failureOf(pulled)).code).toBe("ABORTED");
    expect(performance.now() - stoppedAt).toBeLessThan(SOON);
    expect(await listing(root)).toEqual([]);
  });

  it("while one layer stalls and others are done", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    const patient = { registry: { stallMs: 60_000 } };
    for (const root of [await newRoot(), seed]) {
      registry.faults.push({ do: "stall", after: 200_000, on: ON_BIG });
      await expectStopped(name, root, isLayer(2, "staged"), patient);
    }
  });

  it("when its first layers are visible", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    const patient = { registry: { stallMs: 60_000 } };
    for (const root of [await newRoot(), seed]) {
      registry.faults.push({ do: "stall", after: 200_000, on: ON_BIG });
      await expectStopped(name, root, isLayer(0, "complete"), patient);
    }
  });

  it("while it waits for another's retry", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    registry.faults.push({
      do: "status",
      status: 429,
      headers: { "retry-after": "30" },
      times: 100,
    });
    const isRetry = ({ type }: PullEvent): boolean => type === "retry";
    await expectStopped(name, await newRoot(), isRetry);
  });

  it("while another process fetches the layer", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    const store = await openStore(seed);
    await using writer = await store.beginWrite();
    const chain = chainIdsOf(IMAGE)[1] as ChainId;
    const claimed = await writer.claimLayer(chain);
    expect(claimed).toHaveProperty("claim");
    await expectStopped(name, seed, ({ type }) => type === "wait");
  });

  it("while another process keeps the store busy", async () => {
    const registry = await serve();
    const name = publish(registry, "app:1", IMAGE);
    const { layout } = await openStore(seed);
    // Taken when the pull is about to commit, given back when it is stopped.
    let lock: ReturnType<typeof lockSection> | undefined;
    const isTime = (event: PullEvent): boolean => {
      if (isLayer(1, "extracting")(event)) lock = lockSection(layout.tpull);
      return isLayer(2, "staged")(event) || isLayer(1, "staged")(event);
    };
    await expectStopped(name, seed, isTime, {}, () => {
      void lock?.then((file) => file.close());
    });
  });

  it("with other images of the call", async () => {
    const registry = await serve();
    const names = ["one", "two", "three"].map((above) =>
      publish(
        registry,
        `${above}:1`,
        imageOf([smallLayer("a"), BIG, smallLayer(above)]),
      ),
    );
    registry.faults.push({ do: "stall", after: 200_000, on: ON_BIG });
    await expectStopped(names, await newRoot(), isLayer(2, "staged"), {
      registry: { stallMs: 60_000 },
    });
  });

  it("at any of its events either is done or leaves nothing", async () => {
    const registry = await serve();
    const image = smallImage(["a", "b"]);
    const name = publish(registry, "app:1", image);
    const repository = `${registry.host}/app`;
    let outcome = "";
    for (let moment = 1; outcome !== "pulled"; moment++) {
      const root = await newRoot();
      const controller = new AbortController();
      let seen = 0;
      outcome = await pulling(name, {
        root,
        signal: controller.signal,
        onEvent: () => {
          seen += 1;
          if (seen === moment) controller.abort();
        },
      }).then(
        ({ events }) => {
          expectEvents(events);
          return "pulled";
        },
        (error: { code: string }) => error.code,
      );
      if (outcome === "pulled") {
        await expectSound(root);
        await expectImage(root, image, repository, [
          name,
          `${repository}@${image.manifest.digest}`,
        ]);
      } else {
        expect(outcome).toBe("ABORTED");
        await expectAsBefore(root, []);
      }
    }
  });

  it("does not touch an image of the same call that is done", async () => {
    const registry = await serve();
    const root = await newRoot();
    const done = smallImage(["x", "y"]);
    const names = [
      publish(registry, "done:1", done),
      publish(registry, "app:1", IMAGE),
    ];
    registry.faults.push({ do: "stall", after: 200_000, on: ON_BIG });
    const controller = new AbortController();
    const events = new EventEmitter();
    const stalled = once(events, "stalled");
    const result = once(events, "result");
    const pulled = pulling(names, {
      root,
      signal: controller.signal,
      registry: { stallMs: 60_000 },
      onEvent: (event) => {
        if (event.type === "result") events.emit("result");
        if (event.type === "progress" && event.digest === BIG.digest) {
          events.emit("stalled");
        }
      },
    });
    await Promise.all([stalled, result]);
    controller.abort();
    expect((await failureOf(pulled)).code).toBe("ABORTED");
    await writing(root, async () => undefined, SWEEPING);
    await expectSound(root);
    await expectImage(root, done, `${registry.host}/done`, [
      names[0]!,
      `${registry.host}/done@${done.manifest.digest}`,
    ]);
  });
});

/** Resolves when a request has arrived. */
async function arrivalOf(
  registry: { requests: { url: string }[] },
  path: RegExp,
): Promise<void> {
  while (!registry.requests.some(({ url }) => path.test(url))) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

describe("a program that pulls ends by itself", () => {
  async function program(job: object): Promise<unknown> {
    const args = ["--unhandled-rejections=strict", CHILD, JSON.stringify(job)];
    const { code, signal, stdout, stderr } = await run(process.execPath, args, {
      timeoutMs: 20_000,
    });
    expect({ code, signal, stderr }).toEqual({
      code: 0,
      signal: null,
      stderr: "",
    });
    return JSON.parse(stdout) as unknown;
  }

  it("when all went well", async () => {
    const registry = await serve();
    const references = [publish(registry, "app:1", IMAGE)];
    const root = await newRoot();
    expect(await program({ references, root })).toEqual({
      pulled: 1,
      codes: [],
    });
  });

  it("when it stopped the pull", async () => {
    const registry = await serve();
    const references = [publish(registry, "app:1", IMAGE)];
    registry.faults.push({ do: "stall", after: 200_000, on: ON_BIG });
    const root = await newRoot();
    for (const abortOn of ["resolve", "layers", "progress"]) {
      expect(await program({ references, root, abortOn })).toEqual({
        code: "ABORTED",
      });
      await expectAsBefore(root, []);
    }
  });

  it("when an image failed", async () => {
    const registry = await serve();
    const lost = smallLayer("lost");
    const references = [
      publish(registry, "app:1", imageOf([BIG, lost])),
      `${registry.host}/none:1`,
    ];
    registry.blobs.delete(lost.digest);
    registry.faults.push({ do: "stall", after: 200_000, on: ON_BIG });
    const root = await newRoot();
    expect(await program({ references, root })).toEqual({
      pulled: 0,
      codes: ["BLOB_UNKNOWN", "MANIFEST_UNKNOWN"],
    });
  });

  it("with nothing to warn of after many layers and images", async () => {
    const registry = await serve();
    const tall = imageOf(
      Array.from({ length: 80 }, (_, index) => smallLayer(`layer-${index}`)),
    );
    const shared = ["a", "b", "c"].map((name) => smallLayer(name));
    const many = Array.from({ length: 100 }, (_, index): Image => {
      return imageOf([...shared, smallLayer(`top-${index}`)]);
    });
    const references = [tall, ...many].map((image, index) =>
      publish(registry, `app-${index}:1`, image),
    );
    const root = await newRoot();
    expect(await program({ references, root })).toEqual({
      pulled: references.length,
      codes: [],
    });
  });
});
