// A mirror that cannot be relied on: the image is right all the same, and the result says who was left out.
import { describe, expect, it } from "vitest";
import type { PullOptions } from "#src/index.js";
import type { Fault, FaultRegistry } from "../helpers/fault-registry.js";
import { imageOf } from "../helpers/image-builder.js";
import { mirrored } from "../registry/mirrors.js";
import { newRoot } from "../store/support/roots.js";
import { bigLayer, smallLayer } from "./support/layers.js";
import { IMPATIENT, publish, pulling, serve } from "./support/pulls.js";
import { expectImage, expectSound } from "./support/stored.js";

const BIG = bigLayer(400_000);
const IMAGE = imageOf([smallLayer("below"), BIG]);

/** Pulls from a registry by way of a mirror, which has the same unless it goes wrong. */
async function pullThrough(...faults: Fault[]) {
  const origin: FaultRegistry = await serve();
  const mirror = await serve();
  const name = publish(origin, "app:1", IMAGE);
  publish(mirror, "app:1", IMAGE);
  mirror.faults.push(...faults);
  const root = await newRoot();
  const registry: PullOptions["registry"] = {
    ...IMPATIENT,
    ...mirrored(origin, mirror),
  };
  const pulled = await pulling(name, { root, registry });
  expect(pulled.failures).toEqual([]);
  await expectSound(root);
  const repository = `${origin.host}/app`;
  await expectImage(root, IMAGE, repository, [
    name,
    `${repository}@${IMAGE.manifest.digest}`,
  ]);
  const [result] = pulled.results;
  if (result === undefined) throw new Error("no result");
  return { origin, mirror, result, events: pulled.events };
}

const all = (layers: readonly { size: number }[]): number =>
  layers.reduce((sum, { size }) => sum + size, 0);

describe("a pull through a mirror", () => {
  it("asks nobody else, and says so", async () => {
    const { origin, mirror, result } = await pullThrough();
    expect(origin.requests).toEqual([]);
    expect(Object.keys(result.bytesBySource)).toEqual([mirror.host]);
    expect(result.bytesBySource[mirror.host]).toBe(result.bytesFetched);
    expect(result.passedOver).toEqual([]);
  });

  it("gets a layer whose bytes are wrong there from the registry, and leaves the mirror out", async () => {
    const { origin, mirror, result, events } = await pullThrough({
      on: { path: new RegExp(BIG.digest) },
      do: "corrupt",
      at: 200_000,
    });
    expect(result.passedOver).toMatchObject([
      { host: mirror.host, code: "DIGEST_MISMATCH" },
    ]);
    expect(result.bytesBySource[origin.host]).toBeGreaterThanOrEqual(BIG.size);
    expect(result.bytesFetched).toBeLessThanOrEqual(
      2 * all(IMAGE.layers) + IMAGE.config.size + 10_000,
    );
    expect(events).toContainEqual({
      type: "warning",
      code: "MIRROR_PASSED_OVER",
      message: expect.stringContaining(mirror.host),
    });
  });

  it("goes on with a layer at the byte where the mirror left off", async () => {
    const { origin, mirror, result } = await pullThrough(
      { on: { path: new RegExp(BIG.digest) }, do: "truncate", after: 150_000 },
      {
        on: { path: new RegExp(BIG.digest) },
        do: "status",
        status: 500,
        times: 9,
      },
    );
    const [again] = origin.sent(new RegExp(BIG.digest));
    expect(again?.headers["range"]).toBe("bytes=150000-");
    expect(result.bytesBySource[mirror.host]).toBeGreaterThan(150_000);
    expect(result.passedOver).toMatchObject([
      { host: mirror.host, code: "REGISTRY_ERROR" },
    ]);
  });
});
