import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryContent } from "#src/serve/memory-content.js";
import { digestOf } from "#store/digest.js";
import { errorOf, serve, type TestRegistry } from "./registry.js";

const ten = Buffer.from("0123456789");
const etag = `"${digestOf(ten)}"`;
const TEN = `/v2/r/blobs/${digestOf(ten)}`;
const EMPTY = `/v2/r/blobs/${digestOf("")}`;

let registry: TestRegistry;

beforeAll(async () => {
  const content = memoryContent();
  content.addBlob("r", ten);
  content.addBlob("r", Buffer.alloc(0));
  content.addManifest("r", ten, "application/json");
  registry = await serve(content);
});

afterAll(async () => {
  await registry.close();
});

describe("one range of a blob", () => {
  it.each([
    ["bytes=0-", "bytes 0-9/10", "0123456789"],
    ["bytes=0-0", "bytes 0-0/10", "0"],
    ["bytes=2-5", "bytes 2-5/10", "2345"],
    ["bytes=2-", "bytes 2-9/10", "23456789"],
    ["bytes=9-", "bytes 9-9/10", "9"],
    ["bytes=2-9", "bytes 2-9/10", "23456789"],
    ["bytes=2-99999999999999999999", "bytes 2-9/10", "23456789"],
    ["bytes=-1", "bytes 9-9/10", "9"],
    ["bytes=-10", "bytes 0-9/10", "0123456789"],
    ["bytes=-11", "bytes 0-9/10", "0123456789"],
    ["Bytes= 2-5 ", "bytes 2-5/10", "2345"],
  ])("%s gives %s", async (range, contentRange, text) => {
    const reply = await registry.send("GET", TEN, { Range: range });
    expect(reply.status).toBe(206);
    expect(reply.headers).toMatchObject({
      "content-range": contentRange,
      "content-length": String(text.length),
      "accept-ranges": "bytes",
      "docker-content-digest": digestOf(ten),
      etag,
    });
    expect(reply.body.toString()).toBe(text);
  });

  it.each([
    ["bytes=10-", TEN],
    ["bytes=10-20", TEN],
    ["bytes=99999999999999999999-", TEN],
    ["bytes=-0", TEN],
    ["bytes=0-", EMPTY],
    ["bytes=0-0", EMPTY],
  ])("%s lies behind the end", async (range, target) => {
    const reply = await registry.send("GET", target, { Range: range });
    const size = target === TEN ? 10 : 0;
    expect(reply.status).toBe(416);
    expect(reply.headers["content-range"]).toBe(`bytes */${size}`);
    expect(errorOf(reply).code).toBe("RANGE_INVALID");
    expect(reply.headers["content-length"]).toBe(String(reply.body.length));
    expect(reply.headers["cache-control"]).toBe(undefined);
  });

  it.each([
    ["bytes=-", TEN],
    ["bytes=", TEN],
    ["bytes=5-2", TEN],
    ["bytes=a-b", TEN],
    ["bytes=1.5-2", TEN],
    ["bytes=0-1,4-5", TEN],
    ["lines=0-1", TEN],
    ["bytes=-5", EMPTY],
  ])("%s is ignored", async (range, target) => {
    const reply = await registry.send("GET", target, { Range: range });
    expect(reply.status).toBe(200);
    expect(reply.headers["content-range"]).toBe(undefined);
    expect(reply.body).toEqual(target === TEN ? ten : Buffer.alloc(0));
  });
});

describe("conditions", () => {
  it("gives a range when If-Range is what would be sent", async () => {
    const reply = await registry.send("GET", TEN, {
      Range: "bytes=5-",
      "If-Range": etag,
    });
    expect(reply.status).toBe(206);
  });

  it.each(['"sha256:other"', "Wed, 01 Jan 2025 00:00:00 GMT"])(
    "gives everything when If-Range is %s",
    async (condition) => {
      const reply = await registry.send("GET", TEN, {
        Range: "bytes=5-",
        "If-Range": condition,
      });
      expect(reply.status).toBe(200);
      expect(reply.body).toEqual(ten);
    },
  );

  it("has no ranges for HEAD", async () => {
    const reply = await registry.send("HEAD", TEN, { Range: "bytes=20-" });
    expect(reply.status).toBe(200);
    expect(reply.headers["content-length"]).toBe("10");
  });

  it("has no ranges for manifests", async () => {
    const reply = await registry.send(
      "GET",
      TEN.replace("/blobs/", "/manifests/"),
      { Range: "bytes=5-" },
    );
    expect(reply.status).toBe(200);
    expect(reply.headers["accept-ranges"]).toBe(undefined);
    expect(reply.body).toEqual(ten);
  });
});
