// Places that send wrong bytes: each is believed once, and the pull ends.
import { expect, it } from "vitest";
import type { HostConfig } from "#src/registry/endpoint.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { imageOf } from "../helpers/image-builder.js";
import { newRoot } from "../store/support/roots.js";
import { bigLayer, smallLayer } from "./support/layers.js";
import {
  fetches,
  IMPATIENT,
  publish,
  pulling,
  serve,
  type Pulled,
} from "./support/pulls.js";

const IMAGE = imageOf([smallLayer("below"), bigLayer(400_000)]);
const BLOBS = { config: IMAGE.config, layer: IMAGE.layers[1]! };

/** A place that is no registry's own. */
const mirror = (url: string): HostConfig => ({
  url,
  origin: false,
  capabilities: ["pull", "resolve"],
  overridePath: false,
  headers: {},
  connection: { verify: true },
  plainHttpFallback: false,
});

/** A server with the image, one blob of which always comes with a wrong byte. */
async function liar(digest: string): Promise<FaultRegistry> {
  const server = await serve();
  publish(server, "app:1", IMAGE);
  server.faults.push({
    do: "corrupt",
    at: 100,
    times: Number.POSITIVE_INFINITY,
    on: { path: new RegExp(digest) },
  });
  return server;
}

async function pullFrom(places: HostConfig[]): Promise<Pulled> {
  return pulling("registry.example/app:1", {
    root: await newRoot(),
    registry: { ...IMPATIENT, hosts: async () => places },
    signal: AbortSignal.timeout(10_000),
  });
}

it.each(["config", "layer"] as const)(
  "the only place, which sends a wrong %s, is asked once",
  async (kind) => {
    const { digest } = BLOBS[kind];
    const server = await liar(digest);
    const { failures } = await pullFrom([mirror(server.url)]);
    expect(failures.map(({ error }) => error.code)).toEqual([
      "DIGEST_MISMATCH",
    ]);
    expect(fetches(server, `${digest}.*`)).toBe(1);
  },
);

it.each(["config", "layer"] as const)(
  "of two places with a wrong %s each is asked once",
  async (kind) => {
    const { digest } = BLOBS[kind];
    const first = await liar(digest);
    const last = await liar(digest);
    const { failures } = await pullFrom([mirror(first.url), mirror(last.url)]);
    expect(failures.map(({ error }) => error.code)).toEqual([
      "DIGEST_MISMATCH",
    ]);
    expect(fetches(first, `${digest}.*`)).toBe(1);
    expect(fetches(last, `${digest}.*`)).toBe(1);
  },
);

it.each(["config", "layer"] as const)(
  "two mirrors on one host with a wrong %s lead to the last place",
  async (kind) => {
    const { digest } = BLOBS[kind];
    const wrong = await liar(digest);
    const right = await serve();
    publish(wrong, "x/app:1", IMAGE);
    publish(right, "app:1", IMAGE);
    const under = { ...mirror(`${wrong.url}/v2/x`), overridePath: true };
    const { results, failures } = await pullFrom([
      mirror(wrong.url),
      under,
      mirror(right.url),
    ]);
    expect(failures).toEqual([]);
    expect(results[0]?.passedOver).toMatchObject([
      { host: wrong.host, code: "DIGEST_MISMATCH" },
      { host: wrong.host },
    ]);
  },
);
