import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accepts } from "#src/serve/accept.js";
import { memoryContent } from "#src/serve/memory-content.js";
import type { Digest } from "#store/digest.js";
import { errorOf, serve, type TestRegistry } from "./registry.js";

const INDEX = "application/vnd.oci.image.index.v1+json";
const LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI = "application/vnd.oci.image.manifest.v1+json";
const DOCKER = "application/vnd.docker.distribution.manifest.v2+json";

describe("accepts", () => {
  it.each([
    [undefined, OCI, true],
    ["", OCI, true],
    ["*/*", OCI, true],
    ["application/*", OCI, true],
    [OCI, OCI, true],
    [OCI.toUpperCase(), OCI, true],
    [`${DOCKER}, ${OCI};q=0.5`, OCI, true],
    [`${DOCKER}, ${OCI} ; q=0.5, */*;q=0.1`, LIST, true],
    [DOCKER, OCI, false],
    ["text/*", OCI, false],
    [`${OCI};q=0`, OCI, false],
    [`${OCI};q=0.0, ${DOCKER}`, OCI, false],
    ["*", OCI, false],
  ])("%j for %s is %s", (header, type, expected) => {
    expect(accepts(header, type)).toBe(expected);
  });
});

describe("a manifest that a client does not take", () => {
  let registry: TestRegistry;
  let image: Digest;
  let index: Digest;
  beforeAll(async () => {
    const content = memoryContent();
    const add = (text: string, type: string): Digest =>
      content.addManifest("r", Buffer.from(text), type);
    const other = add('{"for":"arm64"}', DOCKER);
    image = add('{"for":"amd64"}', DOCKER);
    const platform = (architecture: string) => ({ os: "linux", architecture });
    index = add(
      JSON.stringify({
        manifests: [
          { mediaType: DOCKER, digest: other, platform: platform("arm64") },
          { mediaType: DOCKER, digest: image, platform: platform("amd64") },
        ],
      }),
      LIST,
    );
    content.addTag("r", "index", index);
    content.addTag("r", "image", image);
    content.addTag("r", "bare", add("[]", INDEX));
    registry = await serve(content);
  });
  afterAll(() => registry.close());

  const get = (reference: string, Accept: string) =>
    registry.send("GET", `/v2/r/manifests/${reference}`, { Accept });

  it("is the one for linux/amd64 where the tag is an index and the client takes none", async () => {
    const reply = await get("index", DOCKER);
    expect(reply.status).toBe(200);
    expect(reply.headers["docker-content-digest"]).toBe(image);
    expect(reply.headers["vary"]).toBe("Accept");
    const whole = await get("index", `${LIST}, ${DOCKER}`);
    expect(whole.headers["docker-content-digest"]).toBe(index);
  });

  it("is unknown to it otherwise, and it is told why", async () => {
    for (const [reference, accept] of [
      ["image", OCI],
      ["index", OCI],
      ["bare", DOCKER],
      [index, DOCKER],
    ] as const) {
      const reply = await get(reference, accept);
      expect(reply.status).toBe(404);
      expect(errorOf(reply).code).toBe("MANIFEST_UNKNOWN");
      expect(errorOf(reply).message).toContain("does not accept");
    }
  });
});
