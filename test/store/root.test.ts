import { spawnSync } from "node:child_process";
import {
  chmod,
  chown,
  mkdir,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore, pruneLeftovers } from "#store/index.js";
import { privilege, privilegeOf } from "#store/privilege.js";
import { fakeImage, storeImage } from "./support/images.js";
import {
  listing,
  newRoot,
  rootWith,
  temporaryFolder,
  writing,
} from "./support/roots.js";

const image = fakeImage("app", "one", "two");
const SNAPSHOTS =
  "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots";

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

  it.each([
    "overlay2",
    "overlay2/l",
    "overlay2/.tpull-staging",
    "image/overlay2/layerdb/tmp",
    "image/overlay2/layerdb/mounts",
    "tpull",
    "tpull/staging",
    "tpull/partial",
    "tpull/unused",
  ])(
    "has a link to another place as %s, where nothing changes",
    async (path) => {
      const root = await rootWith(
        "overlay2/l/",
        "image/overlay2/layerdb/sha256/",
        "tpull/",
      );
      const outside = await rootWith(`${"b".repeat(64)}/keep`, ".tmp-keep");
      await rm(join(root, path), { recursive: true, force: true });
      await symlink(outside, join(root, path));
      const before = await listing(outside);
      const store = await openStore(root);
      await expect(store.beginWrite()).rejects.toMatchObject({
        code: "ROOT_LEADS_ELSEWHERE",
        details: { path },
      });
      await expect(
        pruneLeftovers(store, { before: Date.now() }),
      ).rejects.toMatchObject({ code: "ROOT_LEADS_ELSEWHERE" });
      expect(await listing(outside)).toEqual(before);
    },
  );

  it.each(["a pipe", "a directory", "a device", "gigabytes"])(
    "has %s for names, and keeps it",
    async (what) => {
      const root = await rootWith("overlay2/l/", "image/overlay2/");
      const path = join(root, "image/overlay2/repositories.json");
      if (what === "a pipe") spawnSync("mkfifo", [path]);
      else if (what === "a directory") await mkdir(path);
      else if (what === "a device") await symlink("/dev/zero", path);
      else {
        await writeFile(path, "{");
        await truncate(path, 5 * 1024 ** 3);
      }
      const store = await openStore(root);
      const refusal = { code: "REPOSITORIES_INVALID" };
      await expect(store.references()).rejects.toMatchObject(refusal);
      await expect(store.beginWrite()).rejects.toMatchObject(refusal);
    },
  );

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
