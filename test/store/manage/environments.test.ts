// Removals where it is tight, and where a root is made of several mounts.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { privilege } from "#store/index.js";
import { fakeImage, storeImage } from "../support/images.js";
import {
  layersIn,
  litter,
  newRoot,
  temporaryFolder,
  writing,
} from "../support/roots.js";
import { runSession } from "../support/sessions.js";

const app = fakeImage("app", "one", "two");
const kept = fakeImage("kept", "one", "three");
const manage = { call: "removeImages", args: [["app"]] } as const;

/** Removes one of two images in a root that is copied into these mounts, and copies it out again. */
async function removeInside(script: string) {
  const template = await newRoot();
  await writing(template, async (writer) => {
    await storeImage(writer, app);
    await storeImage(writer, kept);
  });
  const folder = await temporaryFolder();
  const out = await newRoot();
  const whole = `set -e; cd "$0"; cp() { command cp -a "$@"; }; TEMPLATE=${template}; ROOT=$PWD/m/root; mkdir m; ${script}; "$@"; rm -f m/filler*; cp m/root ${out}`;
  const wrapper = ["unshare", "-m", "sh", "-c", whole, folder];
  const said = await runSession(join(folder, "m/root"), app, {
    manage,
    wrapper,
  });
  return { said, out };
}

const keptLayers = kept.layers.map(({ chainId }) => chainId.slice(7)).sort();

describe.runIf(privilege() === "native")("a removal", () => {
  it.each([
    [
      "in memory",
      "mount -t tmpfs -o size=1m none m; cp $TEMPLATE m/root; dd if=/dev/zero of=m/filler bs=4k 2>&- || true; ! sh -c 'echo x >m/filler2' 2>&-",
    ],
    [
      "without an inode left",
      "mount -t tmpfs -o nr_inodes=$(($(find $TEMPLATE | wc -l) + 1)) none m; cp $TEMPLATE m/root; ! touch m/filler2 2>&-",
    ],
  ])("on a full disk %s frees it", async (_, script) => {
    const { said, out } = await removeInside(script);
    expect(said.at(-1)).toEqual({ event: "done" });
    expect(await layersIn(out)).toEqual(keptLayers);
    expect(await litter(out)).toEqual([]);
    const names = await readFile(
      join(out, "image/overlay2/repositories.json"),
      "utf8",
    );
    expect(names).toMatch(/^\{"Repositories":\{"kept":\{[^}]*\}\}\}$/);
  });

  it.each([
    [
      "overlay2",
      "mount -t tmpfs none $ROOT/overlay2; cp $TEMPLATE/overlay2/. $ROOT/overlay2",
    ],
    [
      "image",
      "mount -t tmpfs none $ROOT/image; cp $TEMPLATE/image/. $ROOT/image",
    ],
    [
      "both",
      "mount -t tmpfs none $ROOT/image; cp $TEMPLATE/image/. $ROOT/image; mount -t tmpfs none $ROOT/overlay2; cp $TEMPLATE/overlay2/. $ROOT/overlay2",
    ],
  ])("with %s on another filesystem", async (_, mounts) => {
    const { said, out } = await removeInside(`cp $TEMPLATE m/root; ${mounts}`);
    expect(said.at(-1)).toEqual({ event: "done" });
    expect(await layersIn(out)).toEqual(keptLayers);
    expect(await litter(out)).toEqual([]);
  });
});
