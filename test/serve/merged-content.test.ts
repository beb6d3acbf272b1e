import { describe, expect, it } from "vitest";
import { memoryContent } from "#src/serve/memory-content.js";
import { mergedContent } from "#src/serve/merged-content.js";
import type { NamedRepository, Source } from "#src/serve/source.js";
import { digestOf } from "#store/digest.js";

/** A source with a manifest of that text, under tag `t`, for each host and path. */
async function sourceOf(
  ...images: [host: string | undefined, path: string, text: string][]
): Promise<Source> {
  const repositories = new Map<string, NamedRepository[]>();
  for (const [host, path, text] of images) {
    const content = memoryContent();
    const digest = content.addManifest("r", Buffer.from(text), "a/b");
    content.addBlob("r", Buffer.from(`blob of ${text}`));
    content.addTag("r", "t", digest);
    content.addTag("r", `only-${text}`, digest);
    const repository = await content.repository("r");
    const named = repositories.get(path) ?? [];
    repositories.set(path, [...named, { host, repository: repository! }]);
  }
  return { repositories: async () => repositories, close: async () => {} };
}

const content = mergedContent([
  await sourceOf(
    ["docker.io", "library/nginx", "hub"],
    ["quay.io", "library/nginx", "quay"],
    [undefined, "app", "homeless"],
  ),
  await sourceOf(
    ["docker.io", "library/nginx", "hub-again"],
    ["ghcr.io", "app", "ghcr"],
  ),
]);

async function tagged(
  path: string,
  namespace?: string,
  tag = "t",
): Promise<string | undefined> {
  const repository = await content.repository(path, namespace);
  const manifest = await repository?.manifest({ tag });
  return manifest && Buffer.from(manifest.bytes).toString();
}

describe("several sources", () => {
  it("lets a namespace decide, and else the first host", async () => {
    expect(await tagged("library/nginx")).toBe("hub");
    expect(await tagged("library/nginx", "docker.io")).toBe("hub");
    expect(await tagged("library/nginx", "registry-1.docker.io")).toBe("hub");
    expect(await tagged("library/nginx", "index.docker.io")).toBe("hub");
    expect(await tagged("library/nginx", "quay.io")).toBe("quay");
    expect(await tagged("library/nginx", "QUAY.IO")).toBe("quay");
  });

  it("gives nobody's image for another registry's", async () => {
    expect(await content.repository("library/nginx", "ghcr.io")).toBe(
      undefined,
    );
    expect(await content.repository("nginx")).toBe(undefined);
  });

  it("has images without a host in every namespace, after those with it", async () => {
    expect(await tagged("app")).toBe("homeless");
    expect(await tagged("app", "ghcr.io")).toBe("ghcr");
    expect(await tagged("app", "quay.io")).toBe("homeless");
  });

  it("puts together what sources have of one registry", async () => {
    const hub = await content.repository("library/nginx", "docker.io");
    expect(await hub?.tags()).toEqual(["t", "only-hub", "only-hub-again"]);
    expect(await tagged("library/nginx", "docker.io", "only-hub-again")).toBe(
      "hub-again",
    );
    expect(await tagged("library/nginx", undefined, "only-quay")).toBe(
      undefined,
    );
  });

  it("finds what is asked for by digest wherever it is, within the namespace", async () => {
    const digest = digestOf("quay");
    const anywhere = await content.repository("library/nginx");
    expect(await anywhere?.manifest({ digest })).toBeDefined();
    expect(await anywhere?.blob(digestOf("blob of quay"))).toBeDefined();
    const hub = await content.repository("library/nginx", "docker.io");
    expect(await hub?.manifest({ digest })).toBe(undefined);
    expect(await hub?.blob(digestOf("blob of quay"))).toBe(undefined);
  });

  it("lists each path once", async () => {
    expect(await content.repositories()).toEqual(["library/nginx", "app"]);
    expect(await content.repositories("quay.io")).toEqual([
      "library/nginx",
      "app",
    ]);
    expect(await content.repositories("ghcr.io")).toEqual(["app"]);
  });
});
