// A data root baked into a disk image: an ext4 file system in a file, filled, taken away, and given to a dockerd.
import { existsSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd } from "../helpers/dockerd.js";
import type { Image } from "../helpers/image-builder.js";
import { onBusybox } from "../helpers/images/odd-images.js";
import { HARDLINKS, PLAIN } from "../helpers/images/odd-layers.js";
import { describeWithPeers, requirePeer } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups, runOk } from "../helpers/run.js";
import { describeFindings, runFindings } from "../helpers/store/acceptance.js";
import { checkStore } from "../helpers/store/check.js";
import { tpullOk } from "../helpers/tpull-cli.js";
import { SUITE_PEERS } from "./suite.js";

const LONG_MS = 300_000;
/** A kernel without loop devices cannot mount files; most containers have none. */
const LOOP = existsSync("/dev/loop-control");
const DISK_BYTES = 64 * 1024 * 1024;

describeWithPeers(
  "a disk image",
  [...SUITE_PEERS, "busybox", "mkfs.ext4"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    const image: Image = onBusybox([PLAIN, HARDLINKS[0]!]);
    let folder = "";
    let name = "";
    const disk = () => join(folder, "disk.img");
    const mounted = () => join(folder, "mnt");
    const root = () => join(mounted(), "var/lib/docker");

    /** Has the disk mounted while `work` goes on. */
    async function withDisk(work: () => Promise<void>): Promise<void> {
      await runOk("mount", ["-o", "loop", disk(), mounted()]);
      try {
        await work();
      } finally {
        await runOk("umount", [mounted()]);
      }
    }

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      const { host } = cleanups.use(await startDockerRegistry());
      name = (await pushImage(host, "team/app", "1.0", image)).reference;
      await mkdir(mounted());
      const file = await open(disk(), "wx");
      await file.truncate(DISK_BYTES);
      await file.close();
      await runOk(requirePeer("mkfs.ext4"), ["-q", disk()]);
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    describe.runIf(LOOP)("filled by tpull, taken out, and put in again", () => {
      it(
        "holds a sound root that a real dockerd runs from",
        async () => {
          await withDisk(async () => {
            await tpullOk(["-q", "--root", root(), name]);
          });
          // As on the other machine: nothing of the first mount is left.
          await withDisk(async () => {
            await tpullOk(["verify", "--root", root()]);
            expect(await tpullOk(["info", "--root", root()])).toContain(
              "Dockerd:\n 20.10 to 29: usable; overlay2, because ",
            );
            expect(await checkStore(root())).toEqual([]);
            const dockerd = await startDockerd(root());
            try {
              expect(await dockerd.dropped()).toEqual([]);
              expect(await describeFindings(dockerd, image, name)).toEqual([]);
              expect(await runFindings(dockerd, name, ["/bin/true"])).toEqual(
                [],
              );
            } finally {
              await dockerd.stop();
            }
          });
        },
        LONG_MS,
      );
    });
  },
);
