import type { PullEvent } from "#src/index.js";
// Which image of several a pull takes, and what it says when there is no choice.
import { describe, expect, it } from "vitest";
import { formatPlatform, hostPlatform, pull } from "#src/index.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  type Blob,
  type Image,
  type Platform,
} from "../helpers/image-builder.js";
import { storedReferences } from "../helpers/store/data-root.js";
import { newRoot } from "../store/support/roots.js";
import { smallImage, smallLayer } from "./support/layers.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import {
  publish,
  publishManifest,
  pulling,
  requestCounts,
  serve,
} from "./support/pulls.js";
import { expectImage, expectSound } from "./support/stored.js";

/** An ordinary user is warned once; that is not what these tests are about. */
const isWarning = (event: PullEvent): boolean =>
  event.type === "warning" && event.code !== "UNPRIVILEGED";

const OTHER: Platform =
  MACHINE.architecture === "arm64"
    ? { os: "linux", architecture: "amd64" }
    : { os: "linux", architecture: "arm64", variant: "v8" };
const other = OTHER.architecture;

/** One tag for both platforms, which share their first layer. */
function publishBoth(registry: FaultRegistry): {
  name: string;
  index: Blob;
  ours: Image;
  theirs: Image;
} {
  const image = (platform: Platform): Image =>
    imageOf([smallLayer("shared"), smallLayer(platform.architecture)], {
      platform,
    });
  const ours = image(MACHINE);
  const theirs = image(OTHER);
  publish(registry, "app", ours);
  publish(registry, "app", theirs);
  const index = indexOf([
    { image: theirs, platform: OTHER },
    { image: ours, platform: MACHINE },
  ]);
  return {
    name: publishManifest(registry, "app:1", index),
    index,
    ours,
    theirs,
  };
}

describe("of an index", () => {
  it("this machine's image is the default", async () => {
    const registry = await serve();
    const root = await newRoot();
    const { name, ours } = publishBoth(registry);
    const { imageId, platform } = await pull(name, { root });
    expect(imageId).toBe(ours.config.digest);
    expect(platform).toBe(`linux/${MACHINE.architecture}`);
  });

  it("another one can be asked for, and both in turn", async () => {
    const registry = await serve();
    const root = await newRoot();
    const { name, index, ours, theirs } = publishBoth(registry);
    const repository = `${registry.host}/app`;
    const names = [name, `${repository}@${index.digest}`];

    const first = await pull(name, { root, platform: `linux/${other}` });
    expect(first).toMatchObject({
      imageId: theirs.config.digest,
      digest: index.digest,
      manifestDigest: theirs.manifest.digest,
      status: "downloaded",
    });
    registry.requests.length = 0;
    const again = await pull(name, { root, platform: `linux/${other}` });
    expect(again.status).toBe("up-to-date");
    expect(requestCounts(registry)).toEqual({ "HEAD manifests": 1 });

    // The tag is one and moves; what is shared is not fetched again.
    const second = await pull(name, { root });
    expect(second).toMatchObject({
      imageId: ours.config.digest,
      status: "downloaded",
      layers: [{ source: "reused" }, { source: "fetched" }],
    });
    await expectSound(root);
    await expectImage(root, ours, repository, names);
    const third = await pull(name, { root, platform: `linux/${other}` });
    expect(third.status).toBe("downloaded");
    await expectSound(root);
    await expectImage(root, theirs, repository, names);
  });

  it("a pinned digest is no answer for another platform", async () => {
    const registry = await serve();
    const root = await newRoot();
    const { index, ours, theirs } = publishBoth(registry);
    const name = `${registry.host}/app@${index.digest}`;
    expect((await pull(name, { root })).imageId).toBe(ours.config.digest);
    const platform = `linux/${other}`;
    expect((await pull(name, { root, platform })).imageId).toBe(
      theirs.config.digest,
    );
    expect([...(await storedReferences(root))]).toEqual([
      [name, theirs.config.digest],
    ]);
  });
});

describe("a single image for another platform", () => {
  it("is pulled with a warning where nobody asked for one", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a"], { platform: OTHER });
    const name = publish(registry, "app:1", image);
    const { results, events } = await pulling(name, { root });
    expect(results[0]?.platform).toBe(
      [OTHER.os, OTHER.architecture, OTHER.variant].filter(Boolean).join("/"),
    );
    const warnings = events.filter(isWarning);
    expect(warnings).toMatchObject([{ image: name, code: "PLATFORM_DIFFERS" }]);
    const [warning] = warnings;
    if (warning?.type !== "warning") throw new Error("no warning");
    expect(warning.message).toContain(`linux/${other}`);
    expect(warning.message).toContain(formatPlatform(hostPlatform()));
    await expectSound(root);
  });

  it("is refused where the platform was asked for", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a"], { platform: OTHER });
    const name = publish(registry, "app:1", image);
    const platform = `linux/${MACHINE.architecture}`;
    const { failures } = await pulling(name, { root, platform });
    expect(failures).toMatchObject([
      { reference: name, error: { code: "PLATFORM_NOT_FOUND" } },
    ]);
    expect(failures[0]?.error.message).toContain(platform);
    expect(failures[0]?.error.message).toContain(`linux/${other}`);
  });

  it("is no news the second time", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a"], { platform: OTHER });
    const name = publish(registry, "app:1", image);
    await pull(name, { root });
    expect((await pull(name, { root })).status).toBe("up-to-date");
  });
});

it("a config may spell the platform as it likes", async () => {
  const registry = await serve();
  const root = await newRoot();
  const spelled = { os: "Linux", architecture: "x86_64" };
  const image = smallImage(["a"], { platform: spelled });
  const name = publish(registry, "app:1", image);
  const platform = "linux/amd64";
  const { failures, events } = await pulling(name, { root, platform });
  expect(failures).toEqual([]);
  expect(events.filter(isWarning)).toEqual([]);
  registry.requests.length = 0;
  expect((await pull(name, { root, platform })).status).toBe("up-to-date");
  expect(requestCounts(registry)).toEqual({ "HEAD manifests": 1 });
});
