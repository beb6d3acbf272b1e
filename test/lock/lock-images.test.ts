import { setTimeout } from "node:timers/promises";
import { describe, expect, it, test } from "vitest";
import { formatLock, lockImages } from "#src/index.js";
import type { Blob } from "../helpers/image-builder.js";
import {
  failureOf,
  IMPATIENT,
  requestCounts,
  serve,
} from "../pull/support/pulls.js";
import { AMD64, ARM64, publishIndex, publishOne, S390X } from "./published.js";

const fields = ({ digest, mediaType, size }: Blob) => ({
  digest,
  mediaType,
  size,
});

describe("lockImages", () => {
  it("records the index and each of its images, by one request a name", async () => {
    const registry = await serve();
    const app = publishIndex(registry, "app:1", [
      [S390X, "a"],
      [AMD64, "a"],
    ]);
    const { lock, failures } = await lockImages([app.name, app.name]);
    expect(failures).toEqual([]);
    expect(lock).toEqual({
      images: [
        {
          reference: app.name,
          ...fields(app.index),
          platforms: [
            { platform: "linux/s390x", ...fields(app.images[0]!.manifest) },
            { platform: "linux/amd64", ...fields(app.images[1]!.manifest) },
          ],
        },
      ],
    });
    expect(requestCounts(registry)).toEqual({ "GET manifests": 1 });
    // In the file they are sorted.
    const { images } = JSON.parse(formatLock(lock));
    expect(
      images[0].platforms.map(({ platform }: { platform: string }) => platform),
    ).toEqual(["linux/amd64", "linux/s390x"]);
  });

  it("records an image without an index, and then its ID", async () => {
    const registry = await serve();
    const { name, image } = publishOne(registry, "one:1", ARM64, "a");
    const { lock } = await lockImages([name]);
    expect(lock.images).toEqual([
      {
        reference: name,
        ...fields(image.manifest),
        imageId: image.config.digest,
        platforms: [{ platform: "linux/arm64", ...fields(image.manifest) }],
      },
    ]);
  });

  it("is the same whatever the order and the spelling, and once a name", async () => {
    const registry = await serve();
    const a = publishIndex(registry, "a:latest", [[AMD64, "a"]]);
    const b = publishOne(registry, "b:1", AMD64, "b");
    const one = await lockImages([a.name, b.name]);
    const other = await lockImages([
      b.name,
      { reference: a.name.replace(":latest", "") },
      { reference: b.name, digest: one.lock.images[0]!.digest },
    ]);
    expect(formatLock(other.lock)).toBe(formatLock(one.lock));
  });

  test("the platforms that a list names are those of the lock", async () => {
    const registry = await serve();
    const { name, images } = publishIndex(registry, "app:1", [
      [AMD64, "a"],
      [ARM64, "a"],
      [S390X, "a"],
    ]);
    const named = [
      { reference: name, platform: "linux/s390x" },
      { reference: name, platform: "arm64" },
      { reference: name, platform: "linux/arm64/v8" },
    ];
    const { lock } = await lockImages(named);
    expect(lock.images).toMatchObject([
      { wanted: ["linux/arm64", "linux/s390x"] },
    ]);
    expect(lock.images[0]!.platforms.map(({ digest }) => digest)).toEqual(
      [images[1], images[2]].map((image) => image!.manifest.digest),
    );
    // Beside it the name may be for whoever comes.
    const both = await lockImages([...named, name]);
    expect(both.lock.images.map(({ wanted }) => wanted)).toEqual([
      undefined,
      ["linux/arm64", "linux/s390x"],
    ]);
    const asked = await lockImages([...named, name], { platform: "amd64" });
    expect(asked.lock.images.map(({ wanted }) => wanted)).toEqual([
      ["linux/amd64"],
    ]);
    const all = await lockImages(named, { platform: "all" });
    expect(all.lock.images).toMatchObject([
      { wanted: ["all"], platforms: [{}, {}, {}] },
    ]);
  });

  it("names each image that fails", async () => {
    const registry = await serve();
    const { name } = publishIndex(registry, "app:1", [[AMD64, "a"]]);
    const none = `${registry.host}/none:1`;
    const { lock, failures } = await lockImages(
      [none, name, "Not A Reference", { reference: name, platform: "arm64" }],
      { registry: IMPATIENT },
    );
    expect(lock.images).toEqual([]);
    expect(failures).toMatchObject([
      { reference: "Not A Reference", error: { code: "REFERENCE_INVALID" } },
      { reference: name, error: { code: "PLATFORM_NOT_FOUND" } },
      { reference: none, error: { code: "MANIFEST_UNKNOWN" } },
    ]);
  });

  it("takes a name that is a digest already", async () => {
    const registry = await serve();
    const { name, image } = publishOne(registry, "app:1", AMD64, "a");
    const pinned = `${name}@${image.manifest.digest}`;
    const { lock } = await lockImages([pinned]);
    expect(lock.images).toMatchObject([
      { reference: pinned, digest: image.manifest.digest },
    ]);
  });

  it("asks in parallel, and not all at once", async () => {
    const registry = await serve();
    const names = Array.from(
      { length: 20 },
      (_, at) => publishIndex(registry, `app${at}:1`, [[AMD64, `${at}`]]).name,
    );
    registry.faults.push({ do: "stall", times: 8 });
    const end = new AbortController();
    const stalled = failureOf(lockImages(names, { signal: end.signal }));
    await expect.poll(() => registry.requests.length).toBe(8);
    await setTimeout(50);
    expect(registry.requests).toHaveLength(8);
    end.abort();
    expect((await stalled).code).toBe("ABORTED");
    const { lock } = await lockImages(names);
    expect(lock.images.map(({ reference }) => reference)).toEqual(
      names.toSorted(),
    );
  });

  it("ends with the caller, and with the time", async () => {
    const registry = await serve();
    const { name } = publishIndex(registry, "app:1", [[AMD64, "a"]]);
    registry.faults.push({ do: "stall", times: 99 });
    const error = await failureOf(
      lockImages([name], { signal: AbortSignal.timeout(50) }),
    );
    expect(error.code).toBe("ABORTED");
    const { failures } = await lockImages([name], { timeoutMs: 50 });
    expect(failures).toMatchObject([{ error: { code: "TIMEOUT" } }]);
  });

  it("refuses a platform that is none", async () => {
    const error = await failureOf(lockImages(["a"], { platform: "a/b/c/d" }));
    expect(error.code).toBe("PLATFORM_INVALID");
  });
});
