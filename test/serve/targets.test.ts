// Whatever a request's target is, nothing outside of what is served is read,
// and nothing breaks.
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { layoutContent } from "#src/serve/layout/source.js";
import { imageOf, layerOf } from "../helpers/image-builder.js";
import { named, writeLayout } from "../helpers/layout-writer.js";
import { archive, file } from "../helpers/tar-writer.js";
import { serve, type TestRegistry } from "./registry.js";

const SECRET = "what nobody should see";
const image = imageOf([layerOf(archive([file("a", "a")]))], { family: "oci" });
const blob = image.config.digest;

let folder: string;
let registry: TestRegistry;
const errors: unknown[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tpull-targets-"));
  const layout = await writeLayout(join(folder, "layout"), [
    named(image, "v1"),
  ]);
  await writeFile(join(folder, "secret"), SECRET);
  await writeFile(join(layout, "secret"), SECRET);
  await mkdir(join(layout, "blobs/sha512"));
  await symlink(folder, join(layout, "blobs/sha256/up"));
  registry = await serve(await layoutContent(layout, "r"), {
    onError: (error) => errors.push(error),
  });
});

afterAll(async () => {
  await registry.close();
  await rm(folder, { recursive: true });
});

/** Sends a target as it is. */
async function send(target: string): Promise<string> {
  const { hostname, port } = new URL(registry.url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.write(
    `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    "latin1",
  );
  return await text(socket);
}

function expectHarmless(reply: string, target: string): void {
  expect(reply, target).toMatch(/^HTTP\/1\.1 (?:200|400|404) /);
  expect(reply, target).not.toContain(SECRET);
  expect(errors, target).toEqual([]);
}

it.each([
  "/v2/r/blobs/../../../secret",
  "/v2/r/blobs/..%2f..%2f..%2fsecret",
  "/v2/r/blobs/%2e%2e/%2e%2e/secret",
  "/v2/r/blobs/sha256:..%2f..%2fsecret",
  "/v2/r/blobs/sha256%3a..%2f..%2fsecret",
  "/v2/r/blobs/sha256:up%2fsecret",
  "/v2/r/manifests/..%2f..%2fsecret",
  "/v2/r/manifests/%00",
  `/v2/r/blobs/${blob}%00`,
  `/v2/r/blobs/${blob}/`,
  `/v2/r/blobs/${blob}%2f..%2f..%2fsecret`,
  `/v2/r%2fblobs/${blob}`,
  `/v2/../v2/r/blobs/${blob}`,
  `/v2/r/../r/blobs/${blob}`,
  `/v2/r/./blobs/${blob}`,
  `/v2/%72%2e/blobs/${blob}`,
  `/v2/__proto__/blobs/${blob}`,
  "/v2/constructor/tags/list",
  "/v2/r/referrers/..%2f..%2fsecret",
  "/v2/r/tags/list?last=../../secret&n=1",
  "/v2/_catalog?ns=../../secret",
  "*",
  "http://elsewhere/v2/../secret",
])("%s", async (target) => {
  const reply = await send(target);
  expectHarmless(reply, target);
});

const PARTS = [
  ["..", ".", "%2e%2e", "%2f", "%5c", "\\", "/", "//", "%00", "%0d%0a"],
  ["v2", "r", "blobs", "manifests", "tags", "list", "referrers", "sha256"],
  [":", "secret", "v1", blob, "up", "?", "ns=", "&", "%", "%c0%ae", "\xff"],
].flat();

it("holds for anything that is put together of such parts", async () => {
  const part = fc.constantFrom(...PARTS);
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 12 }), async (parts) => {
      const target = `/v2/${parts.join("")}`;
      expectHarmless(await send(target), target);
    }),
    { numRuns: 300 },
  );
});
