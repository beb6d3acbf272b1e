// Other users and other mounts: what only root can set up.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "#store/index.js";
import { privilege } from "#store/privilege.js";
import { fakeImage, storeImage } from "./support/images.js";
import {
  layersIn,
  listing,
  litter,
  newRoot,
  rootWith,
  SWEEPING,
  temporaryFolder,
  writing,
} from "./support/roots.js";
import { type JobOptions, runSession } from "./support/sessions.js";

const image = fakeImage("app", "one", "two");

describe.runIf(privilege() === "native")("an ordinary user", () => {
  const NOBODY = 65534;

  it("stores an image in a root of their own", async () => {
    const root = await newRoot();
    const said = await runSession(root, image, { user: NOBODY });
    expect(said.at(-1)).toEqual({ event: "done" });
    const store = await openStore(root);
    expect(await store.layerChain(image.layers[1]!.chainId)).toHaveLength(2);
    const native = await newRoot();
    await runSession(native, image);
    const shape = async (path: string): Promise<string[]> =>
      (await listing(path))
        .map((line) => line.split(" ").slice(0, 2).join(" "))
        .map((line) => line.replaceAll(/[0-9a-f]{64}|[A-Z2-7]{26}/g, "*"))
        .filter((line) => !line.includes("/diff/file"))
        .sort();
    expect(await shape(root)).toEqual(await shape(native));
  });

  it("is told which root they cannot write or read", async () => {
    const root = await newRoot();
    await writing(root, (writer) => storeImage(writer, image));
    const before = await listing(root);
    const [said] = await runSession(root, image, { user: NOBODY });
    expect(said).toMatchObject({ event: "error", code: "ROOT_NOT_WRITABLE" });
    expect(said!.message).toContain(root);
    expect(await listing(root)).toEqual(before);
  });

  it("leaves nothing when the session fails", async () => {
    const root = await newRoot();
    const options = { user: NOBODY, fail: "committed" } as const;
    await runSession(root, image, options);
    expect(await listing(root)).toEqual([]);
  });
});

describe.runIf(privilege() === "native")("a root of several mounts", () => {
  const mounts: [string, string][] = [
    ["overlay2 on another filesystem", "mount -t tmpfs none $ROOT/overlay2"],
    ["overlay2 bound to itself", "mount --bind $ROOT/overlay2 $ROOT/overlay2"],
    ["image on another filesystem", "mount -t tmpfs none $ROOT/image"],
    [
      "a mount for each",
      "mount -t tmpfs none $ROOT/overlay2 && mount -t tmpfs none $ROOT/image",
    ],
  ];

  /** Runs a session inside the mounts. What it leaves can be seen only there, so it is copied out. */
  async function runInside(
    mount: string,
    options: JobOptions = {},
  ): Promise<{ last: unknown; copy: string }> {
    const root = await rootWith("overlay2/l/", "image/overlay2/");
    const copy = await newRoot();
    const script = `set -e; ROOT="$0"; ${mount}; mkdir -p $ROOT/overlay2/l; "$@"; cp -a "$ROOT" "${copy}"`;
    const wrapper = ["unshare", "-m", "sh", "-c", script, root];
    const said = await runSession(root, image, { ...options, wrapper });
    return { last: said.at(-1), copy };
  }

  it.each(mounts)("with %s is written all the same", async (_, mount) => {
    const { last, copy } = await runInside(mount);
    expect(last).toEqual({ event: "done" });
    expect(await litter(copy)).toEqual([]);
    const store = await openStore(copy);
    expect(await store.layerChain(image.layers[1]!.chainId)).toHaveLength(2);
    await writing(copy, async (writer) => {
      for (const { chainId } of image.layers) {
        expect(await writer.claimLayer(chainId)).toHaveProperty("present");
      }
    });
  });

  it.each(mounts)("with %s is cleaned up as well", async (_, mount) => {
    const { last, copy } = await runInside(mount, { fail: "committed" });
    expect(last).toEqual({ event: "done" });
    expect(await litter(copy)).toEqual([]);
    const store = await openStore(copy);
    const [base] = image.layers;
    expect(await store.layer(base!.chainId)).toBeUndefined();
  });

  it("on overlayfs is refused", async () => {
    const folder = await temporaryFolder();
    const script = `set -e; cd "$0"; mkdir l u w m; mount -t overlay none -o lowerdir=l,upperdir=u,workdir=w m; "$@"; test -z "$(ls m)"`;
    const wrapper = ["unshare", "-m", "sh", "-c", script, folder];
    const root = join(folder, "m/root");
    const said = await runSession(root, image, { wrapper });
    expect(said).toEqual([
      expect.objectContaining({
        event: "error",
        code: "ROOT_FILESYSTEM_UNFIT",
      }) as unknown,
    ]);
  });
});

describe.runIf(privilege() === "native")("a full disk", () => {
  it("at any point is an error that leaves nothing half done", async () => {
    const codes = new Set<unknown>();
    for (let inodes = 4; ; inodes += 2) {
      const folder = await temporaryFolder();
      const copy = await newRoot();
      const script = `set -e; cd "$0"; mkdir m; mount -t tmpfs -o nr_inodes=${inodes} none m; "$@"; cp -a m "${copy}"`;
      const wrapper = ["unshare", "-m", "sh", "-c", script, folder];
      const said = await runSession(join(folder, "m/a/root"), image, {
        wrapper,
      });
      const root = join(copy, "a/root");
      // To take a layer back takes a directory; where there is none to be had, the notes stay.
      const left = await litter(root);
      expect(left.filter((path) => !path.startsWith("tpull/unused/"))).toEqual(
        [],
      );
      if (left.length > 0) {
        await writing(root, async () => undefined, SWEEPING);
        expect(await litter(root)).toEqual([]);
        expect(await layersIn(root)).toEqual([]);
      }
      if (said.at(-1)?.event === "done") break;
      const { code, message } = said.at(-1)!;
      codes.add(code ?? message);
      const store = await openStore(root);
      expect(await store.references()).toEqual(new Map());
      if (!said.some(({ event }) => event === "committed")) {
        expect(await listing(copy)).toHaveLength(1);
      }
    }
    // The second is what the child got when it filled a layer by itself.
    expect([...codes].sort()).toEqual(["DISK_FULL", "ENOSPC"]);
  });
});
