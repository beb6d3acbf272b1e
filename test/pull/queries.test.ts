// Questions that store nothing: manifest, resolve, tags; and the time limit of all of them.
import { describe, expect, it } from "vitest";
import {
  fetchManifest,
  pullAll,
  resolve,
  resolveDigest,
  tags,
} from "#src/index.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  type Blob,
  type Image,
} from "../helpers/image-builder.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { newRoot } from "../store/support/roots.js";
import { smallImage, smallLayer } from "./support/layers.js";
import {
  failureOf,
  IMPATIENT,
  publish,
  publishManifest,
  pulling,
  requestCounts,
  serve,
} from "./support/pulls.js";

const S390X = { os: "linux", architecture: "s390x" };
const ours = `linux/${MACHINE.architecture}`;

function publishIndex(registry: FaultRegistry): {
  name: string;
  index: Blob;
  images: Image[];
} {
  const platforms = [
    MACHINE,
    S390X,
    { os: "unknown", architecture: "unknown" },
  ];
  const images = platforms.map((platform) => {
    const image = imageOf([smallLayer(platform.architecture)], { platform });
    publish(registry, "app", image);
    return image;
  });
  const index = indexOf(
    images.map((image, at) => ({ image, platform: platforms[at] ?? MACHINE })),
  );
  return { name: publishManifest(registry, "app:1", index), index, images };
}

describe("fetchManifest", () => {
  it("gives the index byte for byte, or goes down to a platform", async () => {
    const registry = await serve();
    const { name, index, images } = publishIndex(registry);
    const top = await fetchManifest(name);
    expect(top).toMatchObject({
      reference: name,
      digest: index.digest,
      mediaType: index.mediaType,
    });
    expect(top.bytes).toEqual(index.data);
    const own = await fetchManifest(name, { platform: "linux/s390x" });
    expect(own.digest).toBe(images[1]?.manifest.digest);
    expect(own.bytes).toEqual(images[1]?.manifest.data);
  });

  it("gives what is no image, too", async () => {
    const registry = await serve();
    const bytes = Buffer.from('{"schemaVersion":2,\n "artifactType":"a/b"}\n');
    registry.addManifest(
      "app",
      "chart",
      bytes,
      "application/vnd.oci.image.manifest.v1+json",
    );
    const found = await fetchManifest(`${registry.host}/app:chart`);
    expect(found.bytes).toEqual(bytes);
  });

  it("checks the platform of an image without an index", async () => {
    const registry = await serve();
    const name = publish(
      registry,
      "app:1",
      imageOf([smallLayer("a")], { platform: S390X }),
    );
    const { digest } = await fetchManifest(name, { platform: "s390x" });
    expect(digest).toBe((await fetchManifest(name)).digest);
    const error = await failureOf(fetchManifest(name, { platform: ours }));
    expect(error).toMatchObject({ code: "PLATFORM_NOT_FOUND" });
    expect(error.message).toContain("linux/s390x");
  });

  it("says which tags are near and which platforms there are", async () => {
    const registry = await serve();
    const { name } = publishIndex(registry);
    const wrong = await failureOf(fetchManifest(`${registry.host}/app:2`));
    expect(wrong).toMatchObject({
      code: "MANIFEST_UNKNOWN",
      hint: expect.stringContaining("1"),
    });
    expect(wrong.message).toMatch(new RegExp(`^${registry.host}/app:2: `));
    const none = await failureOf(resolve(name, { platform: "linux/ppc64le" }));
    expect(none).toMatchObject({ code: "PLATFORM_NOT_FOUND" });
    expect(none.message).toContain(`${ours}, linux/s390x`);
  });
});

describe("resolve", () => {
  it("gives the digest of the name and of each platform", async () => {
    const registry = await serve();
    const { name, index, images } = publishIndex(registry);
    expect(await resolve(name)).toEqual({
      reference: name,
      canonicalName: name,
      digest: index.digest,
      mediaType: index.mediaType,
      isIndex: true,
      images: [ours, "linux/s390x"].map((platform, at) => ({
        platform,
        digest: images[at]?.manifest.digest,
        mediaType: images[at]?.manifest.mediaType,
        size: images[at]?.manifest.size,
      })),
    });
    const some = await resolve(name, { platform: ["s390x"] });
    expect(some.images.map(({ platform }) => platform)).toEqual([
      "linux/s390x",
    ]);
  });

  it("reads the platform of a single image from its config, of whatever system", async () => {
    const registry = await serve();
    const image = imageOf([], {
      platform: { os: "windows", architecture: "amd64" },
    });
    const name = publish(registry, "app:1", image);
    expect(await resolve(name)).toMatchObject({
      digest: image.manifest.digest,
      isIndex: false,
      images: [{ platform: "windows/amd64", digest: image.manifest.digest }],
    });
  });

  it("costs one HEAD when only the digest is asked for", async () => {
    const registry = await serve();
    const { name, index } = publishIndex(registry);
    expect(await resolveDigest(name)).toBe(index.digest);
    expect(requestCounts(registry)).toEqual({ "HEAD manifests": 1 });
  });
});

describe("tags", () => {
  it("gives the registry's order", async () => {
    const registry = await serve();
    for (const tag of ["2", "10", "1"])
      publish(registry, `app:${tag}`, smallImage(["a"]));
    const found: string[] = [];
    for await (const tag of tags(`${registry.host}/app`)) found.push(tag);
    expect(found).toEqual(["2", "10", "1"]);
  });

  it("takes a repository and nothing else", async () => {
    const error = await failureOf(tags("app:1").next());
    expect(error).toMatchObject({ code: "OPTION_INVALID" });
    expect(error.message).toContain("app:1 has a tag");
  });
});

describe("a time limit", () => {
  it("ends a question with its name", async () => {
    const registry = await serve();
    registry.faults.push({ do: "stall", times: 9 });
    const name = `${registry.host}/app:1`;
    const error = await failureOf(fetchManifest(name, { timeoutMs: 50 }));
    expect(error).toMatchObject({
      code: "TIMEOUT",
      message: `${name}: not done after 0.05 s`,
    });
    const list = tags(`${registry.host}/app`, { timeoutMs: 50 });
    expect((await failureOf(list.next())).code).toBe("TIMEOUT");
  });

  it("ends what is not done of a pull, and says how far it was", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = imageOf([smallLayer("a"), smallLayer("b")]);
    const slow = publish(registry, "slow:1", image);
    const done = publish(registry, "done:1", smallImage(["c"]));
    const [, last] = image.layers;
    registry.faults.push({
      on: { path: new RegExp(last?.digest ?? "none") },
      do: "stall",
      after: 10,
      times: 99,
    });
    const { results, failures } = await pulling([slow, done], {
      root,
      timeoutMs: 1500,
      registry: { ...IMPATIENT, stallMs: 30_000 },
    });
    expect(results.map(({ reference }) => reference)).toEqual([done]);
    expect(failures).toMatchObject([
      { reference: slow, error: { code: "TIMEOUT" } },
    ]);
    expect(failures[0]?.error.message).toMatch(
      new RegExp(
        `^${slow}: not done after 1.5 s: 1 of 2 layers are there, 0.1 MB of 0.1 MB have come$`,
      ),
    );
  });

  it("is no more than a caller's own signal where that comes first", async () => {
    const registry = await serve();
    registry.faults.push({ do: "stall", times: 9 });
    const signal = AbortSignal.timeout(20);
    const name = `${registry.host}/app:1`;
    const work = pullAll([name], {
      root: await newRoot(),
      signal,
      timeoutMs: 60_000,
    });
    expect((await failureOf(work)).code).toBe("ABORTED");
  });

  it("is a number that a timer can wait", async () => {
    for (const timeoutMs of [0, -1, Number.NaN, 2 ** 31]) {
      const error = await failureOf(resolve("x", { timeoutMs }));
      expect(error.code).toBe("OPTION_INVALID");
    }
  });
});
