import { MAX_MANIFEST_BYTES } from "#src/registry/manifest.js";
import type { Descriptor } from "#src/registry/manifest.js";
import { describe, expect, test } from "vitest";
import { connect, noise, repo, serve } from "./client.js";

const OCI = "application/vnd.oci.image.manifest.v1+json";
const NO_IMAGE = `sha256:${"0".repeat(64)}`;

async function withImage(options?: Parameters<typeof serve>[0]) {
  const registry = await serve(options);
  const image = registry.addImage("team/app", "1.0", [noise(1000)]);
  return { registry, image, expected: image.manifest as Descriptor };
}

describe("manifest", () => {
  test("by tag: bytes, digest, type, one request that accepts all kinds", async () => {
    const { registry, image } = await withImage();
    const got = await connect().manifest(repo(registry), "1.0");
    expect(got.digest).toBe(image.manifest.digest);
    expect(got.mediaType).toBe(OCI);
    expect(got.bytes).toHaveLength(image.manifest.size);
    expect(registry.requests).toHaveLength(1);
    const accept = registry.requests[0]?.headers["accept"];
    expect(accept).toMatch(
      /^application\/vnd\.oci\.image\.index\.v1\+json, application\/vnd\.oci\.image\.manifest/,
    );
    expect(accept).toMatch(/manifest\.list\.v2\+json, .*manifest\.v2\+json/);
  });

  test("by descriptor: its type is asked for", async () => {
    const { registry, image, expected } = await withImage();
    const got = await connect().manifest(repo(registry), expected.digest, {
      expected,
    });
    expect(got.digest).toBe(image.manifest.digest);
    expect(registry.requests[0]?.headers["accept"]).toBe(`${OCI}, */*`);
  });

  test("inlined in its descriptor: nothing is asked", async () => {
    const { registry, expected } = await withImage();
    const client = connect();
    const { bytes } = await client.manifest(repo(registry), expected.digest);
    const data = bytes.toString("base64");
    const before = registry.requests.length;
    const got = await client.manifest(repo(registry), expected.digest, {
      expected: { ...expected, data },
    });
    expect(got.bytes.equals(bytes)).toBe(true);
    await client.manifest(repo(registry), expected.digest, {
      expected: { ...expected, data: `${data.slice(0, -8)}AAAAAAAA` },
    });
    expect(registry.requests).toHaveLength(before + 1);
  });

  test("a content type with parameters, and none", async () => {
    const { registry } = await withImage();
    const client = connect();
    registry.faults.push(
      { do: "headers", headers: { "content-type": `${OCI}; charset=UTF-8` } },
      { do: "headers", headers: { "content-type": undefined } },
    );
    const first = await client.manifest(repo(registry), "1.0");
    const second = await client.manifest(repo(registry), "1.0");
    expect([first.mediaType, second.mediaType]).toEqual([OCI, ""]);
  });

  test("another manifest than the digest asked for", async () => {
    const { registry, expected } = await withImage();
    registry.faults.push({
      do: "corrupt",
      at: 20,
    });
    await expect(
      connect().manifest(repo(registry), expected.digest),
    ).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
      retryable: false,
      details: { expected: expected.digest },
    });
  });

  test("another manifest than the registry's own header names", async () => {
    const { registry } = await withImage();
    registry.faults.push(
      {
        do: "headers",
        headers: { "docker-content-digest": NO_IMAGE },
      },
      {
        do: "headers",
        headers: { "docker-content-digest": `sha512:${"0".repeat(128)}` },
      },
    );
    const client = connect();
    for (let times = 0; times < 2; times++) {
      await expect(
        client.manifest(repo(registry), "1.0"),
      ).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    }
  });

  test("a header that is no digest promises nothing", async () => {
    const { registry } = await withImage();
    registry.faults.push({
      do: "headers",
      headers: { "docker-content-digest": "sha256:../../etc/passwd" },
    });
    const got = await connect().manifest(repo(registry), "1.0");
    expect(got.bytes.length).toBeGreaterThan(0);
  });

  test.each([-1, 1])("a size that is off by %i", async (by) => {
    const { registry, expected } = await withImage();
    await expect(
      connect().manifest(repo(registry), expected.digest, {
        expected: { ...expected, size: expected.size + by },
      }),
    ).rejects.toMatchObject({ code: "SIZE_MISMATCH" });
  });

  test("a body beyond 4 MiB, announced and endless", async () => {
    const { registry } = await withImage();
    let sent = 0;
    const big = { "content-length": String(MAX_MANIFEST_BYTES + 1) };
    registry.faults.push(
      {
        do: "answer",
        answer: (_request, response) => {
          response.writeHead(200, big);
          response.flushHeaders();
        },
      },
      {
        do: "answer",
        answer: (_request, response) => {
          const more = () => {
            if (response.destroyed) return;
            sent += 65_536;
            response.write(Buffer.alloc(65_536, " "), more);
          };
          more();
        },
      },
    );
    const client = connect();
    for (let times = 0; times < 2; times++) {
      await expect(
        client.manifest(repo(registry), "1.0"),
      ).rejects.toMatchObject({ code: "MANIFEST_TOO_LARGE" });
    }
    expect(sent).toBeLessThan(4 * MAX_MANIFEST_BYTES);
    await expect(
      client.manifest(repo(registry), NO_IMAGE, {
        expected: {
          mediaType: OCI,
          digest: NO_IMAGE as Descriptor["digest"],
          size: MAX_MANIFEST_BYTES + 1,
        },
      }),
    ).rejects.toMatchObject({ code: "MANIFEST_TOO_LARGE" });
  });

  test("docker's schema 1 is named before its digest is looked at", async () => {
    const { registry } = await withImage();
    registry.faults.push({
      do: "headers",
      headers: {
        "content-type":
          "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "docker-content-digest": NO_IMAGE,
      },
    });
    await expect(
      connect().manifest(repo(registry), "1.0"),
    ).rejects.toMatchObject({
      code: "MANIFEST_UNSUPPORTED",
      message: expect.stringContaining("schema 1"),
    });
  });

  test("a sign-in page instead", async () => {
    const { registry } = await withImage();
    const page =
      "<!DOCTYPE html>\n<html><head><title>ACME guest Wi-Fi</title></head><body>Please sign in</body></html>";
    const headers = { "content-type": "text/html; charset=utf-8" };
    for (const status of [200, 403, 404]) {
      registry.faults.push({ do: "status", status, headers, body: page });
      await expect(
        connect().manifest(repo(registry), "1.0"),
      ).rejects.toMatchObject({
        code: "NOT_A_REGISTRY",
        message: expect.stringMatching(
          `does not answer like a registry .*: ${status} a web page \\(text/html\\): ACME guest Wi-Fi`,
        ),
      });
    }
  });

  test("breaks and stalls are tried again", async () => {
    const { registry, image } = await withImage();
    registry.faults.push(
      { do: "reset" },
      { do: "truncate", after: 10 },
      { do: "stall", after: 10 },
      { do: "status", status: 503 },
    );
    const client = connect();
    const got = await client.manifest(repo(registry), "1.0");
    expect(got.digest).toBe(image.manifest.digest);
    expect(client.retries).toHaveLength(4);
  });

  test("a registry that does not answer at all", async () => {
    const { registry } = await withImage();
    registry.faults.push({ do: "stall", times: 9 });
    const client = connect({ headersTimeoutMs: 50, retry: { retries: 2 } });
    await expect(client.manifest(repo(registry), "1.0")).rejects.toMatchObject({
      code: "NETWORK_TIMEOUT",
      message: expect.stringMatching(
        /^127\.0\.0\.1:\d+\/team\/app:1\.0: GET .*: connected, but no answer in time \(tried 3 times\)$/,
      ),
    });
  });

  test.each(["../../etc", "a b", "", "sha256:123", "-x"])(
    "%j is not sent",
    async (item) => {
      const { registry } = await withImage();
      const client = connect();
      await expect(client.manifest(repo(registry), item)).rejects.toMatchObject(
        { code: "REFERENCE_INVALID" },
      );
      await expect(
        client.manifest(repo(registry, "team/../other"), "1.0"),
      ).rejects.toMatchObject({ code: "REFERENCE_INVALID" });
      expect(registry.requests).toEqual([]);
    },
  );
});

describe("a tag that does not exist", () => {
  test("near ones are named", async () => {
    const { registry } = await withImage();
    const tags = ["1.2.3", "1.2.4", "1.2", "2.0", "latest", "nightly", "edge"];
    for (const tag of tags) registry.addManifest("team/app", tag, {});
    await expect(
      connect().manifest(repo(registry), "1.2.5"),
    ).rejects.toMatchObject({
      code: "MANIFEST_UNKNOWN",
      message: expect.stringContaining(
        `${registry.host}/team/app has no tag 1.2.5`,
      ),
      hint: "Tags close to it: 1.2, 1.2.3, 1.2.4.",
      details: { nearTags: ["1.2", "1.2.3", "1.2.4"] },
    });
    const missing = connect().manifest(repo(registry), "lates");
    await expect(missing).rejects.toMatchObject({
      hint: "Tags close to it: latest.",
    });
  });

  test("of a few tags all are named, and none that could harm a terminal", async () => {
    const { registry } = await withImage();
    registry.addManifest("team/app", "\u001b[31mred", {});
    await expect(
      connect().manifest(repo(registry), "zzzzzz"),
    ).rejects.toMatchObject({ hint: "Tags close to it: 1.0." });
  });

  test("a list that cannot be read changes nothing", async () => {
    const { registry } = await withImage();
    registry.faults.push({
      on: { path: /tags/ },
      do: "status",
      status: 500,
    });
    const error = connect().manifest(repo(registry), "2.0");
    await expect(error).rejects.toMatchObject({
      code: "MANIFEST_UNKNOWN",
      hint: undefined,
    });
  });

  test("a digest that does not exist has none near it", async () => {
    const { registry } = await withImage();
    await expect(
      connect().manifest(repo(registry), NO_IMAGE),
    ).rejects.toMatchObject({
      code: "MANIFEST_UNKNOWN",
      message: expect.stringContaining(`has no manifest ${NO_IMAGE}`),
    });
    expect(registry.sent(/tags/)).toEqual([]);
  });
});

describe("head", () => {
  test("digest, type and size without the manifest", async () => {
    const { registry, image } = await withImage();
    const head = await connect().head(repo(registry), "1.0");
    expect(head).toEqual(image.manifest);
    expect(registry.requests.map(({ method }) => method)).toEqual(["HEAD"]);
  });

  const useless: [string, Record<string, string | undefined>][] = [
    ["no digest", { "docker-content-digest": undefined }],
    ["a bad digest", { "docker-content-digest": "sha256:12" }],
    ["no length", { "content-length": undefined }],
  ];
  test.each(useless)("an answer with %s is none", async (_name, headers) => {
    const { registry } = await withImage();
    registry.faults.push({ do: "headers", headers });
    expect(await connect().head(repo(registry), "1.0")).toBeUndefined();
  });

  test("405 is no answer", async () => {
    const { registry } = await withImage();
    registry.faults.push({ do: "status", status: 405 });
    expect(await connect().head(repo(registry), "1.0")).toBeUndefined();
  });

  test("another digest than the one asked for is no answer", async () => {
    const { registry, image } = await withImage();
    registry.faults.push({
      do: "headers",
      headers: { "docker-content-digest": NO_IMAGE },
    });
    const head = connect().head(repo(registry), image.manifest.digest);
    expect(await head).toBeUndefined();
  });

  test("403 is asked again with GET for the words", async () => {
    const { registry } = await withImage();
    const body = JSON.stringify({
      errors: [{ code: "DENIED", message: "quota exceeded for team" }],
    });
    registry.faults.push({ do: "status", status: 403, body, times: 2 });
    await expect(connect().head(repo(registry), "1.0")).rejects.toMatchObject({
      code: "DENIED",
      message: expect.stringContaining("quota exceeded for team"),
    });
    expect(registry.requests.map(({ method }) => method)).toEqual([
      "HEAD",
      "GET",
    ]);
  });

  test("403 for HEAD alone is no answer", async () => {
    const { registry } = await withImage();
    registry.faults.push({ do: "status", status: 403 });
    expect(await connect().head(repo(registry), "1.0")).toBeUndefined();
  });

  test("a missing tag and a registry in trouble", async () => {
    const { registry, image } = await withImage();
    await expect(connect().head(repo(registry), "2.0")).rejects.toMatchObject({
      code: "MANIFEST_UNKNOWN",
    });
    registry.faults.push({ do: "status", status: 503, times: 2 });
    expect(await connect().head(repo(registry), "1.0")).toEqual(image.manifest);
  });
});

describe("bytes", () => {
  test("a config, verified", async () => {
    const { registry, image } = await withImage();
    const config = image.config as Descriptor;
    const bytes = await connect().bytes(repo(registry), config);
    expect(JSON.parse(bytes.toString())).toMatchObject({ os: "linux" });
  });

  test("inlined: nothing is asked", async () => {
    const registry = await serve();
    const config = registry.addBlob(Buffer.from("{}")) as Descriptor;
    const inlined = { ...config, data: "e30=" };
    const bytes = await connect().bytes(repo(registry), inlined);
    expect(bytes.toString()).toBe("{}");
    expect(registry.requests).toEqual([]);
    const wrong = { ...config, data: "W10=" };
    const fetched = await connect().bytes(repo(registry), wrong);
    expect(fetched.toString()).toBe("{}");
    expect(registry.requests).toHaveLength(1);
  });

  test("with a wrong byte: refused at once", async () => {
    const { registry, image } = await withImage();
    registry.faults.push({ do: "corrupt", at: 3, times: 9 });
    await expect(
      connect().bytes(repo(registry), image.config as Descriptor),
    ).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    expect(registry.requests).toHaveLength(1);
  });

  test("with a wrong byte after a resume: once more from the start", async () => {
    const { registry, image } = await withImage();
    registry.faults.push(
      { do: "truncate", after: 10 },
      { do: "corrupt", at: 3 },
    );
    const bytes = await connect().bytes(
      repo(registry),
      image.config as Descriptor,
    );
    expect(bytes).toHaveLength(image.config.size);
    expect(registry.requests).toHaveLength(3);
  });

  test("empty, and beyond 8 MiB", async () => {
    const { registry, image } = await withImage();
    const config = image.config as Descriptor;
    const client = connect();
    await expect(
      client.bytes(repo(registry), { ...config, size: 0 }),
    ).rejects.toMatchObject({ code: "SIZE_MISMATCH" });
    await expect(
      client.bytes(repo(registry), { ...config, size: 8 * 1024 * 1024 + 1 }),
    ).rejects.toMatchObject({ code: "BLOB_TOO_LARGE" });
    expect(registry.requests).toEqual([]);
  });
});

describe("warnings of the registry", () => {
  test("are shown once each, and nothing else in that header is", async () => {
    const { registry } = await withImage();
    const show = (warning: string) =>
      registry.faults.push({ do: "headers", headers: { warning } });
    show('299 - "team/app is \\"old\\""');
    show('299 - "team/app is \\"old\\""');
    show('199 - "not ours"');
    show('299 other "not ours"');
    show(`299 - "${"x".repeat(5000)}"`);
    show('299 - "second"');
    const client = connect();
    for (let times = 0; times < 6; times++) {
      await client.manifest(repo(registry), "1.0");
    }
    expect(client.warnings).toEqual([
      {
        code: "REGISTRY_WARNING",
        message: `${registry.host} says: team/app is "old"`,
      },
      {
        code: "REGISTRY_WARNING",
        message: `${registry.host} says: second`,
      },
    ]);
  });
});
