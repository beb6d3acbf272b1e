// A lock in use: the bytes that it was written for, under the usual names, wherever the tags have moved.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatLock, lockImages, readImageLists } from "#src/index.js";
import { tpull, tpullOk } from "../helpers/tpull-cli.js";
import { written } from "../lists/reading.js";
import { serve } from "../pull/support/pulls.js";
import { newRoot } from "../store/support/roots.js";
import { AMD64, ARM64, publishIndex, publishOne } from "./published.js";

/** Locked images whose tags have moved since. */
async function scene(platform?: string) {
  const registry = await serve();
  const app = publishIndex(registry, "app:1", [
    [AMD64, "old"],
    [ARM64, "old"],
  ]);
  const tool = publishOne(registry, "tool:1", AMD64, "old");
  const names = platform === "linux/arm64" ? [app.name] : [app.name, tool.name];
  const { lock } = await lockImages(names, platform ? { platform } : {});
  publishIndex(registry, "app:1", [
    [AMD64, "new"],
    [ARM64, "new"],
  ]);
  publishOne(registry, "tool:1", AMD64, "new");
  const file = join(written({ "tpull.lock": formatLock(lock) }), "tpull.lock");
  return { app, tool, file };
}

describe("a lock in use", () => {
  it.each([["pull"], ["prefetch"]])("%s", async (command) => {
    const { app, tool, file } = await scene();
    const root = await newRoot();
    await tpullOk([
      command,
      "-f",
      file,
      "--root",
      root,
      "--platform",
      "linux/amd64",
    ]);
    const out = await tpullOk([
      "images",
      "--no-trunc",
      "--root",
      root,
      "--format",
      "{{.Repository}}:{{.Tag}} {{.ID}}",
    ]);
    expect(out.trim().split("\n").toSorted()).toEqual(
      [
        `${app.name} ${app.images[0]!.config.digest}`,
        `${tool.name} ${tool.image.config.digest}`,
      ].toSorted(),
    );
  });

  it("for one platform", async () => {
    const { app, file } = await scene("linux/arm64");
    const root = await newRoot();
    await tpullOk(["-f", file, "--root", root]);
    const out = await tpullOk([
      "images",
      "--no-trunc",
      "--root",
      root,
      "--format",
      "{{.Repository}}:{{.Tag}} {{.ID}}",
    ]);
    expect(out).toBe(`${app.name} ${app.images[1]!.config.digest}\n`);
  });

  it("for all platforms", async () => {
    const { file } = await scene("all");
    const { images } = await readImageLists([file]);
    expect(images.map(({ platform }) => platform)).toEqual(["all", "all"]);
    const root = await newRoot();
    const { code, stderr } = await tpull(["-f", file, "--root", root]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("bundle and plan", async () => {
    const { app, tool, file } = await scene();
    const bundle = join(written({}), "b.tar");
    const made = await tpullOk([
      "bundle",
      "--json",
      "--platform",
      "linux/amd64",
      "-o",
      bundle,
      "-f",
      file,
    ]);
    expect(JSON.parse(made).images).toMatchObject([
      { digest: app.index.digest },
      { digest: tool.image.manifest.digest },
    ]);
    const planned = await tpullOk([
      "plan",
      "--json",
      "--platform",
      "linux/amd64",
      "--root",
      await newRoot(),
      "-f",
      file,
    ]);
    expect(JSON.parse(planned).images).toMatchObject([
      { digest: app.index.digest },
      { digest: tool.image.manifest.digest },
    ]);
  });
});
