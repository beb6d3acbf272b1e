// Several platforms of one image in one run: each is an image of its own.
import { describe, expect, it } from "vitest";
import {
  imageOf,
  indexOf,
  MACHINE,
  type Blob,
  type Image,
  type Platform,
} from "../helpers/image-builder.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { storedReferences } from "../helpers/store/data-root.js";
import { newRoot } from "../store/support/roots.js";
import { pull } from "#src/index.js";
import { expectEvents } from "./support/event-schema.js";
import { smallLayer } from "./support/layers.js";
import {
  failureOf,
  fetches,
  publish,
  publishManifest,
  pulling,
  requestCounts,
  serve,
} from "./support/pulls.js";
import { expectSound } from "./support/stored.js";

const S390X: Platform = { os: "linux", architecture: "s390x" };
const RISCV: Platform = { os: "linux", architecture: "riscv64" };
const WINDOWS: Platform = { os: "windows", architecture: "amd64" };
const UNKNOWN: Platform = { os: "unknown", architecture: "unknown" };
const ours = `linux/${MACHINE.architecture}`;

interface Published {
  name: string;
  repository: string;
  index: Blob;
  images: Map<string, Image>;
}

/** One tag for these platforms, whose images share their first layer. */
function publishIndex(
  registry: FaultRegistry,
  platforms: readonly Platform[],
): Published {
  const images = new Map<string, Image>();
  const entries = platforms.map((platform) => {
    const image = imageOf(
      [smallLayer("shared"), smallLayer(platform.architecture)],
      { platform },
    );
    publish(registry, "app", image);
    images.set(`${platform.os}/${platform.architecture}`, image);
    return { image, platform };
  });
  const index = indexOf(entries);
  const name = publishManifest(registry, "app:1", index);
  return { name, repository: `${registry.host}/app`, index, images };
}

function idOf({ images }: Published, platform: string): string {
  return images.get(platform)?.config.digest ?? "none";
}

function pinned({ images, repository }: Published, platform: string): string {
  return `${repository}@${images.get(platform)?.manifest.digest}`;
}

describe("--platform all", () => {
  it("pulls every platform; this machine's keeps the tag", async () => {
    const registry = await serve();
    const root = await newRoot();
    const app = publishIndex(registry, [S390X, MACHINE, RISCV, UNKNOWN]);
    const { results, failures, events } = await pulling(app.name, {
      root,
      platform: "all",
    });
    expect(failures).toEqual([]);
    expect(results).toMatchObject([
      {
        reference: app.name,
        target: "linux/s390x",
        platform: "linux/s390x",
        status: "downloaded",
        familiarName: pinned(app, "linux/s390x"),
      },
      {
        reference: app.name,
        target: ours,
        platform: ours,
        familiarName: app.name,
        digest: app.index.digest,
      },
      {
        reference: app.name,
        target: "linux/riscv64",
        familiarName: pinned(app, "linux/riscv64"),
      },
    ]);
    expect(await storedReferences(root)).toEqual(
      new Map([
        [app.name, idOf(app, ours)],
        [`${app.repository}@${app.index.digest}`, idOf(app, ours)],
        [pinned(app, "linux/s390x"), idOf(app, "linux/s390x")],
        [pinned(app, "linux/riscv64"), idOf(app, "linux/riscv64")],
      ]),
    );
    await expectSound(root);
    expectEvents(events);
    const [shared] = app.images.get(ours)?.layers ?? [];
    expect(fetches(registry, shared?.digest ?? "")).toBe(1);
    expect(registry.sent(/manifests\/1$/)).toHaveLength(1);
    const received = results.reduce((sum, one) => sum + one.bytesFetched, 0);
    const sent = [...app.images.entries()]
      .filter(([platform]) => platform !== "unknown/unknown")
      .flatMap(([, { config, manifest, layers }]) => [
        config,
        manifest,
        ...layers,
      ]);
    const unique = new Map(sent.map(({ digest, size }) => [digest, size]));
    const total = [...unique.values()].reduce((sum, size) => sum + size, 0);
    expect(received).toBe(total + app.index.size);
  });

  it("is up to date the next time for one request", async () => {
    const registry = await serve();
    const root = await newRoot();
    const app = publishIndex(registry, [MACHINE, S390X]);
    await pulling(app.name, { root, platform: "all" });
    registry.requests.length = 0;
    const { results } = await pulling(app.name, { root, platform: "all" });
    expect(results.map(({ status }) => status)).toEqual([
      "up-to-date",
      "up-to-date",
    ]);
    expect(requestCounts(registry)).toEqual({ "GET manifests": 1 });
  });

  it("leaves out what no Linux store holds, and says so", async () => {
    const registry = await serve();
    const root = await newRoot();
    const app = publishIndex(registry, [WINDOWS, MACHINE]);
    const { results, failures, events } = await pulling(app.name, {
      root,
      platform: "all",
    });
    expect(failures).toEqual([]);
    expect(results.map(({ target }) => target)).toEqual([ours]);
    expect(events).toContainEqual({
      type: "warning",
      image: app.name,
      code: "PLATFORM_SKIPPED",
      message: expect.stringContaining("windows/amd64"),
    });
  });

  it("takes an image without an index as it is", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = imageOf([smallLayer("a")], { platform: S390X });
    const name = publish(registry, "app:1", image);
    const { results, events } = await pulling(name, { root, platform: "all" });
    expect(results).toMatchObject([
      { platform: "linux/s390x", familiarName: name },
    ]);
    expect(events.filter(({ type }) => type === "warning")).toEqual([]);
  });
});

describe("a list of platforms", () => {
  it("gives the first one the tag where this machine's is not among them", async () => {
    const registry = await serve();
    const root = await newRoot();
    const app = publishIndex(registry, [MACHINE, S390X, RISCV]);
    const platform = ["linux/riscv64", "linux/s390x"];
    const { results } = await pulling(app.name, { root, platform });
    expect(results.map(({ target }) => target)).toEqual(platform);
    const names = await storedReferences(root);
    expect(names.get(app.name)).toBe(idOf(app, "linux/riscv64"));
    expect(names.get(pinned(app, "linux/s390x"))).toBe(
      idOf(app, "linux/s390x"),
    );
    expect(names.size).toBe(3);
  });

  it("goes on where one is missing or fails", async () => {
    const registry = await serve();
    const root = await newRoot();
    const app = publishIndex(registry, [MACHINE, S390X, RISCV]);
    const broken = app.images.get("linux/s390x")?.config.digest ?? "";
    registry.blobs.delete(broken);
    const { results, failures, events } = await pulling(app.name, {
      root,
      platform: [ours, "linux/s390x", "linux/ppc64le", "linux/riscv64"],
    });
    expect(results.map(({ target }) => target)).toEqual([
      ours,
      "linux/riscv64",
    ]);
    expect(failures).toMatchObject([
      {
        reference: app.name,
        target: "linux/s390x",
        error: { code: "BLOB_UNKNOWN" },
      },
      {
        reference: app.name,
        target: "linux/ppc64le",
        error: { code: "PLATFORM_NOT_FOUND" },
      },
    ]);
    expect(failures[1]?.error.message).toContain(
      `${ours}, linux/s390x, linux/riscv64`,
    );
    expectEvents(events);
    await expectSound(root);
  });

  it("looks into an index inside an index", async () => {
    const registry = await serve();
    const root = await newRoot();
    const app = publishIndex(registry, [S390X]);
    const machine = imageOf([smallLayer("m")], { platform: MACHINE });
    publish(registry, "app", machine);
    const outer = indexOf([
      { image: { ...machine, manifest: app.index }, platform: S390X },
      { image: machine, platform: MACHINE },
    ]);
    const name = publishManifest(registry, "app:2", outer);
    const { results, failures } = await pulling(name, {
      root,
      platform: "all",
    });
    expect(failures).toEqual([]);
    expect(
      results.map(({ target, familiarName }) => [target, familiarName]),
    ).toEqual([
      ["linux/s390x", pinned(app, "linux/s390x")],
      [ours, name],
    ]);
  });

  it("asks a single image's config which of them it is", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = imageOf([smallLayer("a")], { platform: S390X });
    const name = publish(registry, "app:1", image);
    const platform = [ours, "linux/s390x"];
    const { results, failures } = await pulling(name, { root, platform });
    expect(results).toMatchObject([
      { target: "linux/s390x", familiarName: name },
    ]);
    expect(failures).toMatchObject([
      { target: ours, error: { code: "PLATFORM_NOT_FOUND" } },
    ]);
    expect(registry.sent(/manifests/)).toHaveLength(1);
  });

  it("is refused by pull(), which gives one image", async () => {
    const root = await newRoot();
    for (const platform of ["all", [ours, "linux/s390x"]]) {
      const { code } = await failureOf(pull("x", { root, platform }));
      expect(code).toBe("OPTION_INVALID");
    }
    const wrong = pulling("x", { root, platform: ["all", ours] });
    expect((await failureOf(wrong)).code).toBe("OPTION_INVALID");
  });
});
