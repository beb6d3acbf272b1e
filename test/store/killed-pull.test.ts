// The command line killed between two layers: what the next pull makes of the first.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import {
  type FaultRegistry,
  startFaultRegistry,
} from "../helpers/fault-registry.js";
import { MACHINE, sha256 } from "../helpers/image-builder.js";
import { archive, file } from "../helpers/tar-writer.js";
import { spawnTpull, tpullOk } from "../helpers/tpull-cli.js";
import {
  layersIn,
  litter,
  newRoot,
  SWEEPING,
  writing,
} from "./support/roots.js";

const layer = (name: string): Buffer => archive([file(name, name)]);
const layers = [layer("first"), layer("second")];
const others = [layer("third"), layer("fourth")];

let registry: FaultRegistry;
afterEach(() => registry.close());

/** A root in which the first layer is, and the registry. */
async function killedPull(): Promise<{ root: string; cacheId: string }> {
  const root = await newRoot();
  registry = await startFaultRegistry();
  registry.addImage("app", "1", layers, MACHINE);
  registry.addImage("other", "1", others, MACHINE);
  registry.faults.push({
    on: { path: new RegExp(sha256(layers[1]!)) },
    do: "stall",
    after: 100,
  });
  const child = spawnTpull(["pull", "--root", root, `${registry.host}/app:1`]);
  const exited = once(child, "exit");
  const name = sha256(layers[0]!).slice(7);
  await vi.waitFor(async () => expect(await layersIn(root)).toEqual([name]), {
    timeout: 20_000,
    interval: 5,
  });
  child.kill("SIGKILL");
  await exited;
  expect(child.signalCode).toBe("SIGKILL");
  return { root, cacheId: await cacheIdOf(root, name) };
}

async function cacheIdOf(root: string, name: string): Promise<string> {
  const entry = join(root, "image/overlay2/layerdb/sha256", name, "cache-id");
  return await readFile(entry, "utf8");
}

it("the same image uses it", async () => {
  const { root, cacheId } = await killedPull();
  const args = ["pull", "--root", root, `${registry.host}/app:1`];
  const name = sha256(layers[0]!).slice(7);
  expect(await tpullOk(args)).toContain(`${name.slice(0, 12)}: Already exists`);
  expect(await layersIn(root)).toHaveLength(2);
  expect(await cacheIdOf(root, name)).toBe(cacheId);
  expect(await litter(root)).toEqual([]);
});

it("another image leaves it for the time being", async () => {
  const { root } = await killedPull();
  await tpullOk(["pull", "--root", root, `${registry.host}/other:1`]);
  const [base, top] = others.map(sha256);
  const expected = [base!.slice(7), sha256(`${base} ${top}`).slice(7)];
  const left = sha256(layers[0]!).slice(7);
  expect(await layersIn(root)).toEqual([...expected, left].sort());
  await writing(root, async () => undefined, SWEEPING);
  expect(await layersIn(root)).toEqual(expected.sort());
  expect(await litter(root)).toEqual([]);
});
