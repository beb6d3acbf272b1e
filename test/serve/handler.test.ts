import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryContent } from "#src/serve/memory-content.js";
import { digestOf } from "#store/digest.js";
import { errorOf, serve, type Reply, type TestRegistry } from "./registry.js";

const NAME = "library/manifests/a_b__c-d";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const manifest = Buffer.from('{"schemaVersion":2}');
const blob = Buffer.from("bytes of a layer");
const manifestDigest = digestOf(manifest);
const blobDigest = digestOf(blob);
const absent = digestOf("absent");
const sha512 = `sha512:${"0".repeat(128)}`;

let registry: TestRegistry;

beforeAll(async () => {
  const content = memoryContent();
  content.addBlob(NAME, blob);
  content.addManifest(NAME, manifest, MANIFEST_TYPE);
  content.addTag(NAME, "v1.0_x-Y", manifestDigest);
  content.addBlob("other", Buffer.from("elsewhere"));
  registry = await serve(content);
});

afterAll(async () => {
  await registry.close();
});

const ok = { "docker-distribution-api-version": "registry/2.0" };
const json = { ...ok, "content-type": "application/json" };
const manifestHeaders = {
  ...ok,
  "content-type": MANIFEST_TYPE,
  "content-length": String(manifest.length),
  "docker-content-digest": manifestDigest,
  etag: `"${manifestDigest}"`,
};
const blobHeaders = {
  ...ok,
  "content-type": "application/octet-stream",
  "content-length": String(blob.length),
  "docker-content-digest": blobDigest,
  "accept-ranges": "bytes",
  etag: `"${blobDigest}"`,
};

/** Without the headers of the connection, where undici treats HEAD differently. */
function ofContent(headers: Reply["headers"]): Reply["headers"] {
  const ofConnection = ["connection", "date", "keep-alive"];
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !ofConnection.includes(name)),
  );
}

describe("what is there", () => {
  it.each([
    ["/v2/", json, Buffer.from("{}")],
    ["/v2", json, Buffer.from("{}")],
    ["/v2/?ns=docker.io", json, Buffer.from("{}")],
    [`/v2/${NAME}/manifests/v1.0_x-Y`, manifestHeaders, manifest],
    [`/v2/${NAME}/manifests/${manifestDigest}`, manifestHeaders, manifest],
    [
      `/v2/${NAME}/manifests/${encodeURIComponent(manifestDigest)}`,
      manifestHeaders,
      manifest,
    ],
    [`http://proxied/v2/${NAME}/manifests/v1.0_x-Y`, manifestHeaders, manifest],
    [`/v2/${NAME}/blobs/${blobDigest}`, blobHeaders, blob],
    [`/v2/${NAME}/blobs/${blobDigest}?ns=docker.io`, blobHeaders, blob],
    [
      `/v2/${NAME}/tags/list`,
      json,
      Buffer.from(`{"name":"${NAME}","tags":["v1.0_x-Y"]}`),
    ],
    ["/v2/other/tags/list", json, Buffer.from('{"name":"other","tags":[]}')],
    ["/v2/_catalog", json, Buffer.from(`{"repositories":["${NAME}","other"]}`)],
  ])("GET and HEAD %s", async (target, headers, body) => {
    const got = await registry.send("GET", target);
    expect(got.status).toBe(200);
    expect(got.headers).toMatchObject(headers);
    expect(got.body).toEqual(body);
    const head = await registry.send("HEAD", target);
    expect(head.status).toBe(200);
    expect(head.body.length).toBe(0);
    expect(ofContent(head.headers)).toEqual(ofContent(got.headers));
  });

  it("lets what a digest names be kept, and what a tag names not", async () => {
    const cacheControl = async (target: string) =>
      (await registry.send("GET", target)).headers["cache-control"];
    const immutable = "max-age=31536000, immutable";
    expect(await cacheControl(`/v2/${NAME}/blobs/${blobDigest}`)).toBe(
      immutable,
    );
    expect(await cacheControl(`/v2/${NAME}/manifests/${manifestDigest}`)).toBe(
      immutable,
    );
    expect(await cacheControl(`/v2/${NAME}/manifests/v1.0_x-Y`)).toBe(
      undefined,
    );
  });
});

describe("what is refused", () => {
  const long = `a/${"b".repeat(254)}`;
  it.each([
    ["/", 404, "UNSUPPORTED"],
    ["/v1/_ping", 404, "UNSUPPORTED"],
    ["/v2/%00", 404, "UNSUPPORTED"],
    ["//v2/", 404, "UNSUPPORTED"],
    ["/v2/other", 404, "UNSUPPORTED"],
    ["/v2/other/tags", 404, "UNSUPPORTED"],
    [`/v2/${NAME}/referrers/latest`, 400, "DIGEST_INVALID"],
    [`/v2/${NAME}/referrers/sha256:abc`, 400, "DIGEST_INVALID"],
    [`/v2/${NAME}/blobs/uploads/`, 404, "UNSUPPORTED"],
    ["/v2/%ff/tags/list", 400, "NAME_INVALID"],
    ["/v2//tags/list", 400, "NAME_INVALID"],
    ["/v2/Upper/tags/list", 400, "NAME_INVALID"],
    ["/v2/a//b/tags/list", 400, "NAME_INVALID"],
    ["/v2/a/../b/tags/list", 400, "NAME_INVALID"],
    ["/v2/a/..%2f..%2fb/tags/list", 400, "NAME_INVALID"],
    ["/v2/a___b/tags/list", 400, "NAME_INVALID"],
    ["/v2/-a/tags/list", 400, "NAME_INVALID"],
    [`/v2/${long}/tags/list`, 400, "NAME_INVALID"],
    [`/v2/${long.slice(1)}/manifests/latest`, 400, "NAME_INVALID"],
    [`/v2/${"a".repeat(255)}/tags/list`, 404, "NAME_UNKNOWN"],
    ["/v2/absent/tags/list", 404, "NAME_UNKNOWN"],
    ["/v2/absent/manifests/latest", 404, "NAME_UNKNOWN"],
    [`/v2/absent/blobs/${blobDigest}`, 404, "NAME_UNKNOWN"],
    [`/v2/${NAME}/manifests/latest`, 404, "MANIFEST_UNKNOWN"],
    [`/v2/${NAME}/manifests/${absent}`, 404, "MANIFEST_UNKNOWN"],
    [`/v2/${NAME}/manifests/${blobDigest}`, 404, "MANIFEST_UNKNOWN"],
    [`/v2/${NAME}/manifests/.INVALID`, 404, "MANIFEST_UNKNOWN"],
    [`/v2/${NAME}/manifests/${"t".repeat(129)}`, 404, "MANIFEST_UNKNOWN"],
    [`/v2/${NAME}/manifests/${sha512}`, 404, "MANIFEST_UNKNOWN"],
    [`/v2/${NAME}/manifests/sha256:abc`, 400, "DIGEST_INVALID"],
    [`/v2/${NAME}/blobs/${absent}`, 404, "BLOB_UNKNOWN"],
    [`/v2/other/blobs/${blobDigest}`, 404, "BLOB_UNKNOWN"],
    [`/v2/${NAME}/blobs/${sha512}`, 404, "BLOB_UNKNOWN"],
    [`/v2/${NAME}/blobs/latest`, 400, "DIGEST_INVALID"],
    [`/v2/${NAME}/blobs/${blobDigest.toUpperCase()}`, 400, "DIGEST_INVALID"],
    [`/v2/${NAME}/blobs/sha256:..%2F..%2Fx`, 404, "UNSUPPORTED"],
    [`/v2/${NAME}/tags/list?n=-1`, 400, "PAGINATION_NUMBER_INVALID"],
    ["/v2/_catalog?n=many", 400, "PAGINATION_NUMBER_INVALID"],
  ])("%s is %i %s", async (target, status, code) => {
    const reply = await registry.send("GET", target);
    expect(reply.status).toBe(status);
    expect(reply.headers).toMatchObject(json);
    expect(errorOf(reply)).toMatchObject({ code });
    expect(errorOf(reply).message).toMatch(/\w/);
    const head = await registry.send("HEAD", target);
    expect(head.status).toBe(status);
    expect(head.headers["content-length"]).toBe(String(reply.body.length));
    expect(head.body.length).toBe(0);
  });

  it.each([
    ["PUT", `/v2/${NAME}/manifests/latest`],
    ["DELETE", `/v2/${NAME}/manifests/${manifestDigest}`],
    ["DELETE", `/v2/${NAME}/blobs/${blobDigest}`],
    ["POST", `/v2/${NAME}/blobs/uploads/`],
    ["PATCH", `/v2/${NAME}/blobs/uploads/1-2-3`],
    ["PUT", `/v2/${NAME}/blobs/uploads/1-2-3?digest=${blobDigest}`],
    ["POST", "/v2/absent/blobs/uploads/"],
    ["OPTIONS", "/v2/"],
  ])("%s %s is 405 UNSUPPORTED", async (method, target) => {
    const reply = await registry.send(method, target);
    expect(reply.status).toBe(405);
    expect(reply.headers).toMatchObject({ ...json, allow: "GET, HEAD" });
    expect(errorOf(reply).code).toBe("UNSUPPORTED");
  });

  it("checks name and digest before the method", async () => {
    const reply = await registry.send("PUT", "/v2/Upper/manifests/latest");
    expect(errorOf(reply).code).toBe("NAME_INVALID");
    const wrong = await registry.send("PUT", "/v2/other/manifests/sha256:no");
    expect(wrong.status).toBe(400);
    expect(errorOf(wrong).code).toBe("DIGEST_INVALID");
  });
});

describe("If-None-Match", () => {
  const byTag = `/v2/${NAME}/manifests/v1.0_x-Y`;
  const byDigest = `/v2/${NAME}/blobs/${blobDigest}`;
  it.each([
    [byTag, `"${manifestDigest}"`, 304],
    [byTag, `W/"${manifestDigest}"`, 304],
    [byTag, manifestDigest, 304],
    [byTag, `"x", "${manifestDigest}"`, 304],
    [byTag, "*", 304],
    [byTag, `"${blobDigest}"`, 200],
    [byTag, "", 200],
    [byDigest, `"${blobDigest}"`, 304],
    [byDigest, `"${manifestDigest}"`, 200],
  ])("%s with %s is %i", async (target, condition, status) => {
    for (const method of ["GET", "HEAD"]) {
      const reply = await registry.send(method, target, {
        "If-None-Match": condition,
      });
      expect(reply.status).toBe(status);
      expect(reply.headers["docker-content-digest"]).toBe(
        target === byTag ? manifestDigest : blobDigest,
      );
      expect(reply.body.length > 0).toBe(status === 200 && method === "GET");
    }
  });
});
