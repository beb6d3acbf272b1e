// A lock that is written again and again by processes that are killed.
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { formatLock, lockImages, readLock } from "#src/index.js";
import { spawnTpull, tpullOk } from "../helpers/tpull-cli.js";
import { written } from "../lists/reading.js";
import { serve } from "../pull/support/pulls.js";
import { AMD64, publishOne } from "./published.js";

const KILLS = 12;

it("is the old one or the new one, whole, whenever that is", async () => {
  const registry = await serve();
  const { name } = publishOne(registry, "app:1", AMD64, "0");
  const path = join(written({}), "tpull.lock");
  const started = performance.now();
  await tpullOk(["lock", "-o", path, name]);
  const whole = performance.now() - started;
  for (let kill = 1; kill <= KILLS; kill++) {
    const before = readFileSync(path, "utf8");
    publishOne(registry, "app:1", AMD64, `${kill}`);
    const after = formatLock((await lockImages([name])).lock);
    const child = spawnTpull(["lock", "-o", path, name]);
    // The last part of its life is where it writes.
    await setTimeout(whole * (0.6 + (0.5 * kill) / KILLS));
    const ended = child.exitCode === null ? once(child, "exit") : undefined;
    child.kill("SIGKILL");
    await ended;
    expect([before, after]).toContain(readFileSync(path, "utf8"));
  }
  await tpullOk(["lock", "-o", path, name]);
  expect((await readLock(path)).images).toHaveLength(1);
  publishOne(registry, "app:1", AMD64, "last");
  await tpullOk(["lock", "-o", path, name]);
  expect(readdirSync(join(path, ".."))).toEqual(["tpull.lock"]);
});
