import { chmod, chown, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "#store/index.js";
import { privilege, privilegeOf } from "#store/privilege.js";
import { fakeImage, storeImage } from "./support/images.js";
import {
  listing,
  litter,
  newRoot,
  temporaryFolder,
  writing,
} from "./support/roots.js";
import { type JobOptions, runSession } from "./support/sessions.js";

const image = fakeImage("app", "one", "two");
const SNAPSHOTS =
  "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots";

/** A root with these directories (ending in /) and files. */
async function rootWith(...paths: string[]): Promise<string> {
  const root = await newRoot();
  await mkdir(root);
  for (const path of paths) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    if (path.endsWith("/")) await mkdir(join(root, path), { recursive: true });
    else await writeFile(join(root, path), "");
  }
  return root;
}

describe("a root that is not ours", () => {
  const cases: [string, string, string[]][] = [
    [
      "of a fresh dockerd 29",
      "ROOT_IS_CONTAINERD_STORE",
      ["engine-id", "volumes/metadata.db", "image/"],
    ],
    [
      "of a dockerd 29 with images",
      "ROOT_IS_CONTAINERD_STORE",
      [`${SNAPSHOTS}/1/`],
    ],
    [
      "of a dockerd 29 with an empty overlay2",
      "ROOT_IS_CONTAINERD_STORE",
      [`${SNAPSHOTS}/1/`, "overlay2/"],
    ],
    [
      "with image metadata and no overlay2",
      "ROOT_IS_CONTAINERD_STORE",
      ["image/overlayfs/"],
    ],
    [
      "with its overlay2 removed",
      "ROOT_IS_CONTAINERD_STORE",
      ["image/overlay2/layerdb/"],
    ],
    ["of the driver vfs", "ROOT_OF_OTHER_DRIVER", ["image/vfs/", "vfs/dir/"]],
    [
      "of the driver btrfs and a newer dockerd",
      "ROOT_OF_OTHER_DRIVER",
      ["image/btrfs/", "btrfs/", "engine-id"],
    ],
    [
      "of a dockerd with remapped users",
      "ROOT_IS_USERNS_REMAPPED",
      ["100000.100000/image/overlay2/"],
    ],
  ];

  it.each(cases)("%s is refused untouched", async (_, code, paths) => {
    const root = await rootWith(...paths);
    const before = await listing(root);
    const store = await openStore(root);
    await expect(store.beginWrite()).rejects.toMatchObject({
      code,
      hint: expect.stringContaining("--root") as string,
    });
    expect(await listing(root)).toEqual(before);
  });

  it.runIf(privilege() === "native")(
    "that is the remapped part itself is refused",
    async () => {
      const root = join(await temporaryFolder(), "165536.165536");
      await mkdir(root);
      await chown(root, 0, 165536);
      const store = await openStore(root);
      await expect(store.beginWrite()).rejects.toMatchObject({
        code: "ROOT_IS_USERNS_REMAPPED",
      });
    },
  );
});

describe("a root that is ours", () => {
  const cases: [string, string[], string[]][] = [
    ["that is empty", [], []],
    ["of a fresh dockerd 20", ["image/overlay2/", "overlay2/l/"], []],
    [
      "of a dockerd 28",
      ["engine-id", "image/overlay2/", "overlay2/l/", `${SNAPSHOTS}/`],
      [],
    ],
    [
      "that has seen other drivers",
      ["image/overlay2/", "image/vfs/", "overlay2/l/"],
      [],
    ],
    [
      "that holds a containerd store as well",
      ["image/overlay2/", "overlay2/l/", `${SNAPSHOTS}/1/`],
      ["ROOT_HAS_CONTAINERD_STORE"],
    ],
    [
      "that was used with remapped users as well",
      ["image/overlay2/", "overlay2/l/", "1000.1000/image/"],
      ["ROOT_HAS_USERNS_REMAP"],
    ],
  ];

  it.each(cases)("%s is accepted", async (_, paths, codes) => {
    const root = await rootWith(...paths);
    const warnings: string[] = [];
    await writing(root, (writer) => storeImage(writer, image), {
      onWarning: ({ code }) => warnings.push(code),
    });
    expect(warnings).toEqual(codes);
  });

  it("keeps its own mode", async () => {
    const root = await rootWith();
    await chmod(root, 0o751);
    await writing(root, (writer) => storeImage(writer, image));
    expect((await listing(root))[0]).toBe("/ 0751 directory");
  });

  it("may be reached through a symbolic link", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "real"));
    await symlink("real", join(folder, "root"));
    await writing(join(folder, "root"), (writer) => storeImage(writer, image));
    const store = await openStore(join(folder, "real"));
    expect(await store.reference("app:latest")).toBe(image.image.imageId);
  });
});

describe("a root that cannot be one", () => {
  it("is a file", async () => {
    const root = await newRoot();
    await writeFile(root, "");
    for (const path of [root, join(root, "below")]) {
      const store = await openStore(path);
      await expect(store.beginWrite()).rejects.toMatchObject({
        code: "ROOT_NOT_A_DIRECTORY",
      });
    }
  });

  it("has its lock file replaced by a dangling link", async () => {
    const root = await rootWith("volumes/");
    await symlink("nowhere", join(root, "volumes/metadata.db"));
    const store = await openStore(root);
    await expect(store.beginWrite()).rejects.toMatchObject({
      code: "STORE_IO_FAILED",
    });
  });

  it.each(["", "{", '{"Repositories":', "[]", '{"Repositories":{"a":1}}'])(
    "has names like %j, and keeps them",
    async (text) => {
      const root = await rootWith("overlay2/l/", "image/overlay2/");
      const path = join(root, "image/overlay2/repositories.json");
      await writeFile(path, text);
      const before = await listing(root);
      const store = await openStore(root);
      const refusal = { code: "REPOSITORIES_INVALID" };
      await expect(store.beginWrite()).rejects.toMatchObject(refusal);
      await expect(store.references()).rejects.toMatchObject(refusal);
      expect(await listing(root)).toEqual(before);
    },
  );
});

describe("an absent root", () => {
  it("reads as an empty store and is not made", async () => {
    const root = await newRoot();
    const store = await openStore(root);
    const [layer] = image.layers;
    expect(await store.layer(layer!.chainId)).toBeUndefined();
    expect(await store.chainsOf(layer!.diffId)).toEqual([]);
    expect(await store.diffIdOf(image.origins[0]!.digest)).toBeUndefined();
    expect(await store.imageConfig(image.image.imageId)).toBeUndefined();
    expect(await store.reference("app:latest")).toBeUndefined();
    expect(await store.references()).toEqual(new Map());
    expect(await listing(root)).toEqual([]);
  });
});

describe("privilege", () => {
  const status = (bits: string) => `Name:\tnode\nCapEff:\t${bits}\n`;
  const initial = "         0          0 4294967295\n";

  it("takes all of root's capabilities in the first user namespace", () => {
    expect(privilegeOf(status("000001ffffffffff"), initial)).toBe("native");
    // docker's default set for containers: without SYS_ADMIN.
    expect(privilegeOf(status("00000000a80425fb"), initial)).toBe(
      "unprivileged",
    );
    expect(privilegeOf(status("0000000000000000"), initial)).toBe(
      "unprivileged",
    );
    const mapped = "         0       1000          1\n";
    expect(privilegeOf(status("000001ffffffffff"), mapped)).toBe(
      "unprivileged",
    );
    expect(privilegeOf("", "")).toBe("unprivileged");
  });
});

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
