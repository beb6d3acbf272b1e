import { describe, expect, it, test } from "vitest";
import { checkLock, lockImages, type Lock } from "#src/index.js";
import { againstList } from "#src/lock/against-list.js";
import { indexOf } from "../helpers/image-builder.js";
import {
  IMPATIENT,
  publish,
  publishManifest,
  requestCounts,
  serve,
} from "../pull/support/pulls.js";
import {
  AMD64,
  ARM64,
  imageFor,
  publishIndex,
  publishOne,
  S390X,
} from "./published.js";

async function locked(...images: Parameters<typeof lockImages>[0]) {
  const { lock, failures } = await lockImages(images);
  expect(failures).toEqual([]);
  return lock;
}

describe("checkLock", () => {
  it("asks with one HEAD where nothing has moved", async () => {
    const registry = await serve();
    const { name, index } = publishIndex(registry, "app:1", [[AMD64, "a"]]);
    const lock = await locked(name);
    registry.requests.length = 0;
    expect(await checkLock(lock)).toEqual({
      images: [{ reference: name, status: "unchanged", digest: index.digest }],
    });
    expect(requestCounts(registry)).toEqual({ "HEAD manifests": 1 });
  });

  it("says what became of each platform", async () => {
    const registry = await serve();
    const old = publishIndex(registry, "app:1", [
      [AMD64, "a"],
      [ARM64, "a"],
      [S390X, "a"],
    ]);
    const lock = await locked(old.name);
    const now = publishIndex(registry, "app:1", [
      [{ os: "linux", architecture: "386" }, "a"],
      [ARM64, "b"],
      [AMD64, "a"],
    ]);
    const digest = (at: number, of = old) => of.images[at]!.manifest.digest;
    expect(await checkLock(lock)).toEqual({
      images: [
        {
          reference: old.name,
          status: "moved",
          digest: old.index.digest,
          now: now.index.digest,
          available: true,
          platforms: [
            { platform: "linux/amd64", status: "unchanged", digest: digest(0) },
            {
              platform: "linux/arm64",
              status: "moved",
              digest: digest(1),
              now: digest(1, now),
            },
            { platform: "linux/s390x", status: "gone", digest: digest(2) },
            { platform: "linux/386", status: "added", now: digest(0, now) },
          ],
        },
      ],
    });
  });

  it("looks only at the platforms that a lock is for", async () => {
    const registry = await serve();
    const old = publishIndex(registry, "app:1", [
      [AMD64, "a"],
      [ARM64, "a"],
      [S390X, "a"],
    ]);
    const lock = await locked(
      { reference: old.name, platform: "linux/arm64" },
      { reference: old.name, platform: "linux/s390x" },
    );
    publishIndex(registry, "app:1", [
      [AMD64, "b"],
      [ARM64, "a"],
    ]);
    expect((await checkLock(lock)).images).toMatchObject([
      {
        wanted: ["linux/arm64", "linux/s390x"],
        status: "moved",
        platforms: [
          { platform: "linux/arm64", status: "unchanged" },
          { platform: "linux/s390x", status: "gone" },
        ],
      },
    ]);
  });

  it("from an image to an index and back, and for all platforms", async () => {
    const registry = await serve();
    const one = publishOne(registry, "app:1", AMD64, "a");
    const lock = await locked({ reference: one.name, platform: "all" });
    const index = publishIndex(registry, "app:1", [
      [AMD64, "a"],
      [ARM64, "a"],
    ]);
    expect((await checkLock(lock)).images).toMatchObject([
      {
        status: "moved",
        platforms: [
          { platform: "linux/amd64", status: "unchanged" },
          { platform: "linux/arm64", status: "added" },
        ],
      },
    ]);
    const later = await locked(index.name);
    publishOne(registry, "app:1", AMD64, "b");
    expect((await checkLock(later)).images).toMatchObject([
      {
        platforms: [
          { platform: "linux/amd64", status: "moved" },
          { platform: "linux/arm64", status: "gone" },
        ],
      },
    ]);
  });

  test("several images of one platform, in another order, have not moved", async () => {
    const registry = await serve();
    const images = ["a", "b"].map((words) => {
      const image = imageFor(AMD64, words);
      publish(registry, "app", image);
      return { image, platform: AMD64 };
    });
    const name = publishManifest(registry, "app:1", indexOf(images));
    const lock = await locked(name);
    publishManifest(registry, "app:1", indexOf(images.toReversed()));
    expect((await checkLock(lock)).images).toMatchObject([
      {
        status: "moved",
        platforms: [{ status: "unchanged" }, { status: "unchanged" }],
      },
    ]);
  });

  it("tells gone from not to be asked, and whether the locked bytes are there", async () => {
    const registry = await serve();
    const images = ["gone", "lost", "moved", "shut"].map((name) =>
      publishOne(registry, `${name}:1`, AMD64, name),
    );
    const lock = await locked(...images.map(({ name }) => name));
    registry.removeManifest("gone", "1");
    for (const { reference, digest } of lock.images) {
      const [, name = ""] = /\/(lost|moved):/.exec(reference) ?? [];
      registry.removeManifest(name, digest);
    }
    registry.removeManifest("lost", "1");
    publishOne(registry, "moved:1", AMD64, "again");
    registry.faults.push({
      on: { path: /\/shut\// },
      do: "status",
      status: 403,
      times: 99,
    });
    const { images: checked } = await checkLock(lock, { registry: IMPATIENT });
    expect(
      checked.map(({ status, available, error }) => [
        status,
        available,
        error?.code,
      ]),
    ).toEqual([
      ["gone", true, undefined],
      ["gone", false, undefined],
      ["moved", false, undefined],
      ["failed", undefined, "DENIED"],
    ]);
  });

  test("a name with a digest of its own cannot move", async () => {
    const registry = await serve();
    const { name, image } = publishOne(registry, "app:1", AMD64, "a");
    const { digest } = image.manifest;
    const lock = await locked(`${name}@${digest}`);
    publishOne(registry, "app:1", AMD64, "b");
    expect((await checkLock(lock)).images).toMatchObject([
      { status: "unchanged" },
    ]);
    registry.removeManifest("app", digest);
    expect((await checkLock(lock)).images).toMatchObject([
      { status: "gone", available: false },
    ]);
  });
});

describe("beside a list", () => {
  const image = (reference: string, wanted?: string[]) => ({
    reference,
    digest: `sha256:${"a".repeat(64)}` as Lock["images"][number]["digest"],
    mediaType: "",
    size: 1,
    ...(wanted === undefined ? {} : { wanted }),
    platforms: [],
  });
  const lock: Lock = {
    images: [
      image("docker.io/library/a:1"),
      image("docker.io/library/b:latest", ["linux/arm64"]),
      image("docker.io/library/c:latest", ["all"]),
    ],
  };

  test.each([
    [
      [
        { reference: "a:1" },
        { reference: "b", platform: "arm64" },
        { reference: "c", platform: "all" },
      ],
      [],
      [],
      [],
    ],
    [
      [
        { reference: "a:2" },
        { reference: "b:latest", platform: "linux/arm64" },
      ],
      ["a:2"],
      ["docker.io/library/a:1", "docker.io/library/c:latest"],
      [],
    ],
    [
      [
        { reference: "a:1", platform: "linux/386" },
        { reference: "b", platform: "arm64" },
        { reference: "b", platform: "linux/386" },
        { reference: "c" },
      ],
      ["a:1", "b", "c"],
      [],
      [
        ["a:1", ["any"], ["linux/386"]],
        ["b:latest", ["linux/arm64"], ["linux/386", "linux/arm64"]],
        ["c:latest", ["all"], ["any"]],
      ],
    ],
    [
      [
        { reference: "a:1" },
        { reference: "a:1", platform: "s390x" },
        { reference: "b", platform: "s390x" },
        { reference: "c", platform: "all" },
      ],
      ["a:1", "b"],
      [],
      [
        ["a:1", ["any"], ["any", "linux/s390x"]],
        ["b:latest", ["linux/arm64"], ["linux/s390x"]],
      ],
    ],
  ] as const)("%j", (list, missing, extra, platforms) => {
    const difference = againstList(lock, list);
    expect(difference.missing.map(({ reference }) => reference)).toEqual(
      missing,
    );
    expect(difference.extra).toEqual(extra);
    expect(difference.platforms).toEqual(
      platforms.map(([name, locked, listed]) => ({
        reference: `docker.io/library/${name}`,
        locked,
        listed,
      })),
    );
  });

  it("takes the platforms that the lock was written with", () => {
    const both: Lock = {
      images: [image("docker.io/library/a:1", ["linux/amd64", "linux/arm64"])],
    };
    const list = [{ reference: "a:1", platform: "linux/s390x" }];
    const same = { missing: [], extra: [], platforms: [] };
    expect(againstList(both, list, ["arm64", "amd64"])).toEqual(same);
    expect(againstList(both, list, ["arm64"])).toMatchObject({
      missing: [],
      platforms: [{ listed: ["linux/arm64"] }],
    });
    // Fixed by what led to the reference: not for --platform to say.
    const fixed = [{ ...list[0]!, platformFixed: true as const }];
    expect(againstList(both, fixed, ["arm64"])).toMatchObject({
      missing: fixed,
      platforms: [{ listed: ["linux/s390x"] }],
    });
  });
});
