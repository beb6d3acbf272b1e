// A pull that did not come to its end, and the pull after it, which fetches
// only what is not here.
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PullEvent, PullOptions } from "#src/index.js";
import { listPartials } from "#store/index.js";
import type { Fault, FaultRegistry } from "../helpers/fault-registry.js";
import {
  imageOf,
  type Image,
  type LayerBlob,
} from "../helpers/image-builder.js";
import { newRoot } from "../store/support/roots.js";
import { expectEvents } from "./support/event-schema.js";
import { bigLayer, smallLayer } from "./support/layers.js";
import {
  failureOf,
  fetches,
  IMPATIENT,
  publish,
  pulling,
  serve,
  type Pulled,
} from "./support/pulls.js";
import { RunningPull } from "./support/running.js";
import { expectImage, expectSound } from "./support/stored.js";

const BIG = bigLayer(600_000);
const OTHER = bigLayer(500_000, 2);
const IMAGE = imageOf([smallLayer("below"), BIG, smallLayer("above")]);
const HERE = 400_000;

const on = (layer: LayerBlob) => ({ path: new RegExp(layer.digest) });
const stall = (layer: LayerBlob, after = HERE): Fault => ({
  do: "stall",
  after,
  on: on(layer),
});

/** Pulls until that many bytes of a layer are kept and so many others are done, then stops. */
async function stopped(
  references: string | string[],
  root: string,
  bytes = HERE,
  others = 2,
): Promise<void> {
  const controller = new AbortController();
  const done = new Set<string>();
  const watch = setInterval(() => {
    const kept = listPartials(root).some((partial) => partial.bytes === bytes);
    if (kept && done.size >= others) controller.abort();
  }, 10);
  const error = await failureOf(
    pulling(references, {
      root,
      signal: controller.signal,
      registry: { ...IMPATIENT, stallMs: 60_000 },
      onEvent: (event) => {
        if (event.type !== "layer") return;
        if (/staged|complete|exists/.test(event.state)) done.add(event.digest);
      },
    }),
  ).finally(() => clearInterval(watch));
  expect(error.code).toBe("ABORTED");
}

/** Pulls to the end: the image is there, and nothing is left over. */
async function completed(
  registry: FaultRegistry,
  root: string,
  image: Image = IMAGE,
  name = "app",
  options: PullOptions = {},
): Promise<Pulled> {
  registry.requests.length = 0;
  const reference = `${registry.host}/${name}:1`;
  const pulled = await pulling(reference, { ...options, root });
  expect(pulled.failures).toEqual([]);
  expectEvents(pulled.events);
  await expectSound(root);
  await expectImage(root, image, `${registry.host}/${name}`, [
    reference,
    `${registry.host}/${name}@${image.manifest.digest}`,
  ]);
  return pulled;
}

/** The first bytes asked for in the requests for a blob. */
function starts(registry: FaultRegistry, { digest }: LayerBlob): number[] {
  return registry
    .sent(new RegExp(digest))
    .map(({ headers }) =>
      Number(/^bytes=(\d+)-/.exec(String(headers["range"]))?.[1] ?? 0),
    );
}

const layerOfResult = ({ results }: Pulled, { digest }: LayerBlob) =>
  results[0]!.layers.find((layer) => layer.digest === digest)!;

function progressOf(events: readonly PullEvent[], { digest }: LayerBlob) {
  return events.flatMap((event) =>
    event.type === "progress" && event.digest === digest ? event.current : [],
  );
}

/** The file that holds the beginning of a blob. */
const segment = (root: string, { digest }: LayerBlob, start = 0): string =>
  join(root, "tpull/partial", digest.slice(7), String(start));

/** A root in which the first bytes of the big layer are, and its registry. */
async function interrupted() {
  const registry = await serve();
  const root = await newRoot();
  const name = publish(registry, "app:1", IMAGE);
  registry.faults.push(stall(BIG));
  await stopped(name, root);
  expect(listPartials(root)).toMatchObject([
    { digest: BIG.digest, bytes: HERE },
  ]);
  return { registry, root, name };
}

describe("after a pull that was stopped", () => {
  it("only the rest is fetched", async () => {
    const { registry, root } = await interrupted();
    const pulled = await completed(registry, root);
    expect(starts(registry, BIG)).toEqual([HERE]);
    const { compressedSize, resumedBytes, source } = layerOfResult(pulled, BIG);
    expect({ source, resumedBytes }).toEqual({
      source: "fetched",
      resumedBytes: HERE,
    });
    // Of the other layers nothing: they were done. The config is fetched anew.
    expect(registry.sent(/blobs/)).toHaveLength(2);
    expect(pulled.results[0]!.bytesFetched).toBe(
      compressedSize! - HERE + IMAGE.config.size + IMAGE.manifest.size,
    );
    const [first] = progressOf(pulled.events, BIG);
    expect(first).toBe(HERE);
  });

  it("often, each goes on where the last one ended", async () => {
    const { registry, root, name } = await interrupted();
    for (const here of [450_000, 500_000, 550_000]) {
      registry.faults.push(stall(BIG, 50_000));
      await stopped(name, root, here);
      expect(listPartials(root)[0]?.bytes).toBe(here);
    }
    expect(await readdir(join(segment(root, BIG), ".."))).toEqual(["0"]);
    await completed(registry, root);
    expect(starts(registry, BIG)).toEqual([550_000]);
  });

  it("a blob that is all here is not asked for", async () => {
    const { registry, root } = await interrupted();
    await appendFile(segment(root, BIG), (BIG.data as Buffer).subarray(HERE));
    const pulled = await completed(registry, root);
    expect(fetches(registry, BIG.digest)).toBe(0);
    expect(layerOfResult(pulled, BIG).resumedBytes).toBe(BIG.size);
    expect(progressOf(pulled.events, BIG)).toEqual([BIG.size]);
  });

  it("only the holes are fetched", async () => {
    const { registry, root } = await interrupted();
    const bytes = BIG.data as Buffer;
    await writeFile(segment(root, BIG), bytes.subarray(0, 100_000));
    await writeFile(
      segment(root, BIG, 250_000),
      bytes.subarray(250_000, 300_000),
    );
    await writeFile(
      segment(root, BIG, 290_000),
      bytes.subarray(290_000, 500_000),
    );
    const pulled = await completed(registry, root);
    expect(starts(registry, BIG)).toEqual([100_000, 500_000]);
    expect(layerOfResult(pulled, BIG).resumedBytes).toBe(350_000);
  });

  it("a part that the disk has spoilt costs one more try", async () => {
    const { registry, root } = await interrupted();
    const path = segment(root, BIG);
    const bytes = await readFile(path);
    await writeFile(path, bytes.fill(0, 100_000, 104_096));
    const pulled = await completed(registry, root);
    expect(starts(registry, BIG)).toEqual([HERE, 0]);
    expect(layerOfResult(pulled, BIG).resumedBytes).toBeUndefined();
    expect(pulled.events.map(({ type }) => type)).toContain("retry");
  });

  it("and a spoilt part, wrong bytes are wrong bytes", async () => {
    const { registry, root, name } = await interrupted();
    const path = segment(root, BIG);
    const bytes = await readFile(path);
    await writeFile(path, bytes.fill(0, 0, 10));
    registry.faults.push({ do: "corrupt", at: 5, times: 9, on: on(BIG) });
    const { failures } = await pulling(name, { root });
    expect(failures).toMatchObject([{ error: { code: "DIGEST_MISMATCH" } }]);
    expect(listPartials(root)).toEqual([]);
  });

  it("a registry without ranges is no obstacle", async () => {
    const { registry, root } = await interrupted();
    registry.ranges = "off";
    const pulled = await completed(registry, root);
    expect(layerOfResult(pulled, BIG).resumedBytes).toBe(HERE);
  });

  it("of another image, what is here serves this one, too", async () => {
    const { registry, root } = await interrupted();
    const image = imageOf([smallLayer("another"), BIG]);
    publish(registry, "other:1", image);
    await pulling(`${registry.host}/other:1`, { root });
    expect(starts(registry, BIG)).toEqual([0, HERE]);
    expect(listPartials(root)).toEqual([]);
  });

  it("two at a time share what is here", async () => {
    const { registry, root, name } = await interrupted();
    registry.requests.length = 0;
    const running = [new RunningPull(root, name), new RunningPull(root, name)];
    for (const { ended } of running) {
      expect(await ended).toMatchObject({ code: 0, stderr: "" });
    }
    expect(starts(registry, BIG)).toEqual([HERE]);
    await expectSound(root);
  });
});

describe("after a pull that failed", () => {
  it("because the network gave up, only the rest is fetched", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", IMAGE);
    registry.faults.push(
      { do: "truncate", after: HERE, on: { ...on(BIG), range: false } },
      { do: "reset", on: { ...on(BIG), range: true }, times: 100 },
    );
    const { failures } = await pulling(name, {
      root,
      registry: { ...IMPATIENT, retry: { retries: 2, baseMs: 1, maxMs: 2 } },
    });
    expect(failures).toMatchObject([{ error: { code: "NETWORK_RESET" } }]);
    registry.faults.length = 0;
    await completed(registry, root);
    expect(starts(registry, BIG)).toEqual([HERE]);
  });

  it.each([0, 1, 2])(
    "because of layer %i, the others are not fetched again",
    async (failing) => {
      const registry = await serve();
      const root = await newRoot();
      const layers = [smallLayer("a"), BIG, OTHER];
      const image = imageOf(layers);
      const name = publish(registry, "app:1", image);
      const broken = layers[failing]!;
      const others = layers.filter((layer) => layer !== broken);
      // It fails once the others are done.
      const done = new Set<string>();
      let giveUp = (): void => undefined;
      const answered = new Promise<void>((resolve) => (giveUp = resolve));
      registry.faults.push({
        do: "answer",
        times: 100,
        on: on(broken),
        answer: (_, response) => {
          void answered.then(() => response.writeHead(503).end());
        },
      });
      const { failures } = await pulling(name, {
        root,
        concurrency: 3,
        registry: {
          ...IMPATIENT,
          headersTimeoutMs: 20_000,
          retry: { retries: 1, baseMs: 1, maxMs: 1 },
        },
        onEvent: (event) => {
          if (event.type !== "layer") return;
          if (!/staged|complete/.test(event.state)) return;
          done.add(event.digest);
          if (done.size === others.length) giveUp();
        },
      });
      expect(failures).toMatchObject([{ error: { code: "REGISTRY_ERROR" } }]);
      registry.faults.length = 0;
      const pulled = await completed(registry, root, image);
      expect(fetches(registry, broken.digest)).toBe(1);
      for (const layer of others) {
        expect(fetches(registry, layer.digest)).toBe(0);
        expect(layerOfResult(pulled, layer).source).toBe("reused");
      }
    },
  );

  it("because the image is refused, nothing stays of it", async () => {
    const registry = await serve();
    const root = await newRoot();
    const bad = smallLayer("bad");
    const name = publish(registry, "app:1", imageOf([BIG, bad]));
    registry.faults.push(stall(BIG), {
      do: "answer",
      on: on(bad),
      times: 9,
      answer: (_, response) => {
        const wrong = Buffer.from(bad.data as Buffer);
        wrong.writeUInt8(wrong.readUInt8(40) ^ 1, 40);
        setTimeout(() => response.writeHead(200).end(wrong), 300);
      },
    });
    const { failures } = await pulling(name, {
      root,
      registry: { ...IMPATIENT, stallMs: 60_000 },
    });
    expect(failures).toMatchObject([{ error: { code: "DIGEST_MISMATCH" } }]);
    expect(listPartials(root)).toEqual([]);
    await expect(readdir(root)).rejects.toThrow("ENOENT");
  });

  it("and of one that was refused, what they share stays", async () => {
    const registry = await serve();
    const root = await newRoot();
    const bad = smallLayer("bad");
    const names = [
      publish(registry, "bad:1", imageOf([BIG, bad])),
      publish(registry, "app:1", IMAGE),
    ];
    registry.faults.push({ do: "corrupt", at: 40, on: on(bad), times: 9 });
    registry.faults.push(stall(BIG));
    await stopped(names, root);
    registry.faults.length = 0;
    await completed(registry, root);
    expect(starts(registry, BIG)).toEqual([HERE]);
  });
});

describe("a root that somebody meddled with", () => {
  it("does not stop a pull where parts are kept", async () => {
    const registry = await serve();
    const root = await newRoot();
    publish(registry, "one:1", imageOf([smallLayer("one")]));
    await pulling(`${registry.host}/one:1`, { root });
    // A file where the directory of the parts has to be.
    await writeFile(join(root, "tpull/partial", BIG.digest.slice(7)), "");
    publish(registry, "app:1", IMAGE);
    const { failures } = await pulling(`${registry.host}/app:1`, { root });
    expect(failures).toEqual([]);
    await mkdir(join(root, "tpull/partial/not-a-blob"));
    publish(registry, "two:1", imageOf([OTHER]));
    const more = await pulling(`${registry.host}/two:1`, { root });
    expect(more.failures).toEqual([]);
  });
});
