// Requests that carry their own platforms and what their tag is to mean.
import { describe, expect, it } from "vitest";
import { plan, pull, type ImageRequest, type Requested } from "#src/index.js";
import { readRequests } from "#src/requests.js";
import { readSelection } from "#src/items.js";
import { formatPlatform } from "#src/platform.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  type Blob,
  type Image,
} from "../helpers/image-builder.js";
import { storedReferences } from "../helpers/store/data-root.js";
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
import { expectImage, expectSound } from "./support/stored.js";

const ARM = { os: "linux", architecture: "s390x" };
const OURS = `linux/${MACHINE.architecture}`;
const D1 = `sha256:${"1".repeat(64)}`;
const D2 = `sha256:${"2".repeat(64)}`;

/** What requests come to, in short. */
function read(requests: Requested[], platform?: string | string[]) {
  const run = readSelection(platform === undefined ? {} : { platform });
  return readRequests(requests, run).map(({ reference, selection, pin }) => {
    const { all, platforms, given } = selection;
    const shown = all ? ["all"] : given ? platforms.map(formatPlatform) : [];
    return [reference, ...shown, ...(pin === undefined ? [] : [pin])];
  });
}

describe("what requests come to", () => {
  it.each<[string, Requested[], string[][]]>([
    ["texts, each by itself", ["a", "a", "b"], [["a"], ["a"], ["b"]]],
    [
      "platforms of an image, before those of the run",
      ["a", { reference: "b", platforms: "linux/s390x" }],
      [["a"], ["b", "linux/s390x"]],
    ],
    [
      "one name with several platforms, in the order of their mention",
      [
        { reference: "a", platforms: ["linux/s390x", "linux/386"] },
        { reference: "b" },
        { reference: "docker.io/library/a:latest", platform: "linux/riscv64" },
        { reference: "a", platforms: "linux/386" },
      ],
      [["a", "linux/s390x", "linux/386", "linux/riscv64"], ["b"]],
    ],
    [
      "this machine's platform once, whether by its name or not",
      ["a", { reference: "a", platforms: OURS }],
      [["a", OURS]],
    ],
    [
      "all, whatever else is named",
      [
        { reference: "a", platforms: "linux/386" },
        { reference: "a", platforms: "all" },
      ],
      [["a", "all"]],
    ],
    [
      "a digest, for whoever names the image",
      ["a", { reference: "a:latest", digest: D1 }],
      [["a", D1]],
    ],
    [
      "a reference that has the digest itself",
      [{ reference: `a:1@${D1}`, digest: D1 }],
      [[`a:1@${D1}`]],
    ],
  ])("%s", (_, requests, expected) => {
    expect(read(requests)).toEqual(expected);
  });

  it("adds what the run is for to what a list wants", () => {
    const requests = ["a", { reference: "a", platforms: "linux/386" }];
    expect(read(requests, "linux/s390x")).toEqual([
      ["a", "linux/s390x", "linux/386"],
    ]);
  });

  it.each<[string, Requested[], string, RegExp]>([
    [
      "two digests",
      [
        { reference: "a", digest: D1 },
        { reference: "a:latest", digest: D2 },
      ],
      "OPTION_INVALID",
      /^a is asked for by two digests/,
    ],
    [
      "another digest than that of the reference",
      [{ reference: `a@${D1}`, digest: D2 }],
      "OPTION_INVALID",
      /two digests/,
    ],
    [
      "no digest",
      [{ reference: "a", digest: "sha256:../../etc" }],
      "DIGEST_INVALID",
      /the digest of a/,
    ],
    [
      "no platform",
      [{ reference: "a", platforms: "a/b/c/d/e" }],
      "PLATFORM_INVALID",
      /./,
    ],
    [
      "an empty list of platforms",
      [{ reference: "a", platforms: [] }],
      "OPTION_INVALID",
      /./,
    ],
  ])("refuses %s", async (_, requests, code, message) => {
    const error = await failureOf(
      (async () => readRequests(requests, readSelection({})))(),
    );
    expect(error).toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });
});

/** An index of this machine's platform and another one, by a tag. */
function publishBoth(
  registry: FaultRegistry,
  name: string,
): { reference: string; index: Blob; ours: Image; theirs: Image } {
  const ours = imageOf([smallLayer(`${name} ours`)], { platform: MACHINE });
  const theirs = imageOf([smallLayer(`${name} theirs`)], { platform: ARM });
  const [repository = ""] = name.split(":");
  for (const image of [ours, theirs]) publish(registry, repository, image);
  const index = indexOf([
    { image: ours, platform: MACHINE },
    { image: theirs, platform: ARM },
  ]);
  const reference = publishManifest(registry, name, index);
  return { reference, index, ours, theirs };
}

describe("platforms of single images", () => {
  it("are pulled and planned beside each other", async () => {
    const registry = await serve();
    const root = await newRoot();
    const one = publishBoth(registry, "one:1");
    const two = publishBoth(registry, "two:1");
    const three = publishBoth(registry, "three:1");
    const requests: Requested[] = [
      { reference: one.reference, platforms: "linux/s390x" },
      two.reference,
      { reference: three.reference, platform: "linux/s390x" },
      { reference: three.reference, platform: formatPlatform(MACHINE) },
    ];
    const made = await plan(requests, { root, registry: IMPATIENT });
    registry.requests.length = 0;
    const { results, failures } = await pulling(requests, { root });
    expect(failures).toEqual([]);
    const ids = [
      one.theirs.config.digest,
      two.ours.config.digest,
      three.theirs.config.digest,
      three.ours.config.digest,
    ];
    expect(results.map(({ imageId }) => imageId)).toEqual(ids);
    expect(made.images.map(({ imageId }) => imageId)).toEqual(ids);
    expect(made.requests).toBe(registry.requests.length);
    // The tag is this machine's wherever that is among those asked for.
    const named = await storedReferences(root);
    expect(named.get(one.reference)).toBe(ids[0]);
    expect(named.get(three.reference)).toBe(ids[3]);
    await expectSound(root);
  });

  it("fail by themselves", async () => {
    const registry = await serve();
    const root = await newRoot();
    const { reference, ours } = publishBoth(registry, "app:1");
    const other = publish(registry, "other:1", smallImage(["other"]));
    const { results, failures } = await pulling(
      [{ reference: other, platforms: "linux/386" }, reference],
      { root },
    );
    expect(results.map(({ imageId }) => imageId)).toEqual([ours.config.digest]);
    expect(failures).toMatchObject([
      { reference: other, error: { code: "PLATFORM_NOT_FOUND" } },
    ]);
  });
});

describe("a pinned digest", () => {
  it("gives what the tag was, and the tag's name", async () => {
    const registry = await serve();
    const root = await newRoot();
    const old = smallImage(["old"]);
    const reference = publish(registry, "app:1", old);
    publish(registry, "app:1", smallImage(["new"]));
    const request: ImageRequest = { reference, digest: old.manifest.digest };
    const { results } = await pulling([request], { root });
    expect(results).toMatchObject([
      { reference, canonicalName: reference, digest: old.manifest.digest },
    ]);
    const repository = `${registry.host}/app`;
    await expectImage(root, old, repository, [
      reference,
      `${repository}@${old.manifest.digest}`,
    ]);
    await expectSound(root);
    // The tag is never asked for, and once the image is here nothing is.
    expect(registry.sent(/manifests\/1$/)).toEqual([]);
    registry.requests.length = 0;
    const again = await pull(request, { root, registry: IMPATIENT });
    expect(again.status).toBe("up-to-date");
    expect(registry.requests).toEqual([]);
  });

  it("takes the tag from what has it", async () => {
    const registry = await serve();
    const root = await newRoot();
    const old = smallImage(["old"]);
    const reference = publish(registry, "app:1", old);
    const now = smallImage(["new"]);
    publish(registry, "app:1", now);
    await pulling(reference, { root });
    expect((await storedReferences(root)).get(reference)).toBe(
      now.config.digest,
    );
    await pulling([{ reference, digest: old.manifest.digest }], { root });
    expect((await storedReferences(root)).get(reference)).toBe(
      old.config.digest,
    );
  });

  it("pins an index, for each of its platforms", async () => {
    const registry = await serve();
    const root = await newRoot();
    const was = publishBoth(registry, "app:1");
    const digest = was.index.digest;
    publish(registry, "app:1", smallImage(["moved"]));
    const { results } = await pulling(
      [
        {
          reference: was.reference,
          digest,
          platforms: ["linux/s390x", formatPlatform(MACHINE)],
        },
      ],
      { root },
    );
    expect(results.map(({ imageId }) => imageId)).toEqual([
      was.theirs.config.digest,
      was.ours.config.digest,
    ]);
    expect((await storedReferences(root)).get(was.reference)).toBe(
      was.ours.config.digest,
    );
    await expectSound(root);
  });

  it("that the registry has no more is told with the image", async () => {
    const registry = await serve();
    const root = await newRoot();
    const reference = publish(registry, "app:1", smallImage(["a"]));
    const { failures } = await pulling([{ reference, digest: D1 }], { root });
    expect(failures).toMatchObject([
      {
        reference,
        error: {
          code: "MANIFEST_UNKNOWN",
          message: expect.stringContaining(D1),
        },
      },
    ]);
    expect(failures[0]?.error.message.startsWith(reference)).toBe(true);
    expect(await storedReferences(root)).toEqual(new Map());
  });

  it("that does not fit what comes is refused", async () => {
    const registry = await serve();
    const root = await newRoot();
    const image = smallImage(["a"]);
    const reference = publish(registry, "app:1", image);
    registry.faults.push({
      on: { path: /manifests/ },
      times: 9,
      do: "corrupt",
      at: 5,
    });
    const { failures } = await pulling(
      [{ reference, digest: image.manifest.digest }],
      { root },
    );
    expect(failures[0]?.error.code).toBe("DIGEST_MISMATCH");
    expect(requestCounts(registry)["GET blobs"]).toBeUndefined();
  });
});
