/** What only a dockerd writes: what its images were built from, its containers and their mounts. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ChainId, ImageId } from "#store/index.js";

const DRIVER = "image/overlay2";

/** Notes that one image was built from another. */
export async function noteParent(
  root: string,
  child: ImageId,
  parent: ImageId,
): Promise<void> {
  const folder = join(
    root,
    DRIVER,
    "imagedb/metadata/sha256",
    child.slice("sha256:".length),
  );
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, "parent"), parent, { mode: 0o600 });
}

export interface FakeContainer {
  /** 64 hex digits. */
  readonly id: string;
  /** What `config.v2.json` says; no such file without it. */
  readonly image?: ImageId;
  readonly running?: boolean;
  /** An image that it has as a volume. */
  readonly volume?: ImageId;
  /** The layer its mount is on top of; no mount without it. */
  readonly top?: ChainId;
}

/** Adds a container as dockerd leaves it when it stops. */
export async function addContainer(
  root: string,
  { id, image, running = false, volume, top }: FakeContainer,
): Promise<void> {
  if (image !== undefined) {
    const folder = join(root, "containers", id);
    await mkdir(folder, { recursive: true, mode: 0o710 });
    const config = {
      ID: id,
      Image: image,
      Driver: "overlay2",
      State: { Running: running, Paused: false },
      MountPoints:
        volume === undefined
          ? {}
          : { "/mnt": { Type: "image", Spec: { Source: volume } } },
    };
    await writeFile(join(folder, "config.v2.json"), JSON.stringify(config));
  }
  if (top === undefined) return;
  const mount = join(root, DRIVER, "layerdb/mounts", id);
  await mkdir(mount, { recursive: true });
  const mountId = id.replaceAll("c", "d");
  await writeFile(join(mount, "mount-id"), mountId);
  await writeFile(join(mount, "init-id"), `${mountId}-init`);
  await writeFile(join(mount, "parent"), top);
}
