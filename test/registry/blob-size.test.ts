// How large a blob is, asked of registries with all kinds of answers.
import type { Digest } from "#store/digest.js";
import { describe, expect, test } from "vitest";
import { failureOf } from "../pull/support/pulls.js";
import { connect, noise, repo, serve } from "./client.js";

const SIZE = 40_000;

async function withBlob(options?: Parameters<typeof serve>[0]) {
  const registry = await serve(options);
  const digest = registry.addBlob(noise(SIZE)).digest as Digest;
  const client = connect();
  const ask = () => client.blobSize(repo(registry), digest);
  const asked = () =>
    registry.requests.map(({ method, headers }) =>
      headers["range"] === undefined ? method : `${method} ${headers["range"]}`,
    );
  return { registry, digest, client, ask, asked };
}

describe("a blob's size", () => {
  test("takes one HEAD", async () => {
    const { ask, asked } = await withBlob();
    expect(await ask()).toBe(SIZE);
    expect(asked()).toEqual(["HEAD"]);
  });

  test("takes one byte where nobody answers HEAD", async () => {
    const { registry, ask, asked } = await withBlob();
    registry.faults.push({ on: { method: "HEAD" }, do: "status", status: 405 });
    expect(await ask()).toBe(SIZE);
    expect(asked()).toEqual(["HEAD", "GET bytes=0-0"]);
  });

  test("is in the headers of the whole where there are no ranges either", async () => {
    const { registry, ask } = await withBlob();
    registry.ranges = "off";
    registry.faults.push({ on: { method: "HEAD" }, do: "status", status: 403 });
    expect(await ask()).toBe(SIZE);
  });

  test("comes from behind a redirect, and with a token", async () => {
    const storage = await serve();
    const { registry, digest, ask } = await withBlob({
      auth: {},
      redirectBlobsTo: storage,
    });
    storage.blobs.set(digest, registry.blobs.get(digest)!);
    expect(await ask()).toBe(SIZE);
    expect(storage.requests.map(({ method }) => method)).toEqual(["HEAD"]);
  });

  test("is asked for again after a reset", async () => {
    const { registry, ask, client } = await withBlob();
    registry.faults.push({ do: "reset" });
    expect(await ask()).toBe(SIZE);
    expect(client.retries).toHaveLength(1);
  });

  test("is no size where there is no blob, or nobody says it", async () => {
    const { registry, digest, client, ask } = await withBlob();
    registry.faults.push(
      { on: { method: "HEAD" }, do: "status", status: 500, times: 1 },
      {
        on: { method: "GET" },
        do: "headers",
        headers: { "content-range": undefined },
      },
    );
    const silent = await failureOf(ask());
    expect(silent.code).toBe("REGISTRY_ERROR");
    expect(silent.message).toContain(`how large blob ${digest} is`);
    registry.blobs.clear();
    const missing = await failureOf(client.blobSize(repo(registry), digest));
    expect(missing.code).toBe("BLOB_UNKNOWN");
    expect(missing.message).toContain(digest);
  });
});
