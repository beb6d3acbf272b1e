// `tpull serve` as a person runs it.
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { imageOf, layerOf } from "../helpers/image-builder.js";
import { layoutArchive, named } from "../helpers/layout-writer.js";
import { Cleanups } from "../helpers/run.js";
import { Serving } from "../helpers/serving.js";
import { archive, file } from "../helpers/tar-writer.js";
import { tpull } from "../helpers/tpull-cli.js";

const layer = layerOf(archive([file("a", Buffer.alloc(30_000_000))]), {
  compression: "none",
  family: "oci",
});
const image = imageOf([layer], { family: "oci" });

const cleanups = new Cleanups();
let bundle: string;

beforeAll(async () => {
  bundle = join(await cleanups.tempDir(), "bundle.tar");
  await writeFile(
    bundle,
    await layoutArchive([named(image, "docker.io/library/app:1")]),
  );
});
afterAll(() => cleanups.close());

const get = async (url: string): Promise<number> => {
  const reply = await fetch(url);
  await reply.arrayBuffer();
  return reply.status;
};

describe("tpull serve", () => {
  it("says where it is, what it has, and what was asked", async () => {
    const serving = cleanups.use(
      await Serving.start(["--metrics", "127.0.0.1:0", bundle]),
    );
    expect(serving.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(serving.metricsUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    const url = `${serving.url}/v2/library/app/manifests/1`;
    expect(await get(url)).toBe(200);
    expect(await get(`${serving.url}/v2/a%0Ab/tags/list`)).toBe(400);
    await serving.stop();
    expect(serving.child.exitCode).toBe(0);
    const lines = serving.log.trimEnd().split("\n");
    expect(lines).toEqual([
      "tpull: library/app from docker.io: 1",
      expect.stringMatching(
        /^\d{4}-\d\d-\d\dT[\d:.]+Z 127\.0\.0\.1 - GET \/v2\/library\/app\/manifests\/1 200 \d+ B \d+ ms "node"$/,
      ),
      expect.stringMatching(/ GET \/v2\/a%0Ab\/tags\/list 400 /),
    ]);
  });

  it("logs JSON, or nothing", async () => {
    const json = cleanups.use(
      await Serving.start(["--log", "json", `renamed=${bundle}`]),
    );
    expect(await get(`${json.url}/v2/renamed/manifests/1`)).toBe(200);
    await json.stop("SIGINT");
    expect(json.child.exitCode).toBe(0);
    const [event, ...more] = json.log
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(more).toEqual([]);
    expect(event).toMatchObject({
      event: "request",
      time: expect.stringMatching(/^\d{4}-/) as string,
      remote: "127.0.0.1",
      method: "GET",
      target: "/v2/renamed/manifests/1",
      route: "manifest",
      repository: "renamed",
      status: 200,
      bytes: image.manifest.size,
      durationMs: expect.any(Number) as number,
      aborted: false,
    });
    const quiet = cleanups.use(await Serving.start(["-q", bundle]));
    expect(await get(`${quiet.url}/v2/`)).toBe(200);
    await quiet.stop();
    expect(quiet.log).toBe("");
  });

  it("lets a transfer end when it is stopped, and takes nobody new", async () => {
    const serving = cleanups.use(
      await Serving.start(["--grace", "10m", bundle]),
    );
    const { hostname, port } = new URL(serving.url);
    const client = connect(Number(port), hostname);
    await once(client, "connect");
    client.pause();
    client.write(
      `GET /v2/library/app/blobs/${layer.digest} HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    await once(client, "readable");
    serving.child.kill("SIGTERM");
    await expect
      .poll(() => get(serving.url).catch(() => "refused"), { timeout: 10_000 })
      .toBe("refused");
    let length = 0;
    for await (const chunk of client) length += (chunk as Buffer).length;
    expect(length).toBeGreaterThan(layer.size);
    if (serving.child.exitCode === null) await once(serving.child, "exit");
    expect(serving.child.exitCode).toBe(0);
    expect(serving.log).not.toContain("aborted");
  });

  it("cuts a transfer that outlasts the grace", async () => {
    const serving = cleanups.use(
      await Serving.start(["--grace", "1s", bundle]),
    );
    const { hostname, port } = new URL(serving.url);
    const client = connect(Number(port), hostname);
    client.on("error", () => {});
    await once(client, "connect");
    client.pause();
    client.write(
      `GET /v2/library/app/blobs/${layer.digest} HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    await once(client, "readable");
    await serving.stop();
    expect(serving.child.exitCode).toBe(0);
    expect(serving.log).toContain("200 (aborted)");
    client.destroy();
  });

  it.each([
    [["--tls-cert", "x.pem", "."], 2, /--tls-cert and --tls-key go together/],
    [["--listen", "5000", "."], 2, /--listen is host:port, :port or unix:PATH/],
    [["--log", "xml", "."], 2, /--log is one of plain, json/],
    [["--grace", "soon", "."], 2, /--grace is a time/],
    [["/nonexistent"], 1, /LAYOUT_INVALID/],
    [["UPPER=/nonexistent"], 1, /REPOSITORY_INVALID/],
    [["--listen", "203.0.113.1:1", "."], 1, /LAYOUT_INVALID/],
  ])("%j is refused with %i", async (args, status, message) => {
    const { code, stderr, stdout } = await tpull(["serve", ...args]);
    expect(code).toBe(status);
    expect(stderr).toMatch(message);
    expect(stdout).toBe("");
  });

  it("explains itself", async () => {
    const { stdout } = await tpull(["serve", "--help"]);
    expect(stdout).toContain("tpull serve [options] [[NAME=]PATH...]");
    for (const line of stdout.split("\n")) {
      expect(line.length).toBeLessThanOrEqual(80);
    }
  });
});
