// What `tpull info` says that dockerd 20.10 would do with a root, beside what the real one does. Its reasons for the
// newer releases come from their sources, as the tests in store/daemons have them.
import { existsSync } from "node:fs";
import { mkdir, open, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, afterEach, expect, it } from "vitest";
import { type DaemonVerdict, daemonVerdicts, openStore } from "#store/index.js";
import { Containerd } from "../helpers/containerd.js";
import { startDockerd } from "../helpers/dockerd.js";
import {
  describeWithPeers,
  findPeer,
  missingFor,
  requirePeer,
} from "../helpers/peers.js";
import { layoutArchive } from "../helpers/image-archive.js";
import { imageOf, layerOf } from "../helpers/image-builder.js";
import { Cleanups, runOk } from "../helpers/run.js";
import { archive as makeArchive, file } from "../helpers/tar-writer.js";
import { fakeImage, storeImage } from "../store/support/images.js";
import { writing } from "../store/support/roots.js";

const LONG_MS = 120_000;
/** A kernel without loop devices cannot mount files; most containers have none. */
const LOOP = existsSync("/dev/loop-control");
const DISK_BYTES = 128 * 1024 * 1024;
const HEX = "a".repeat(64);

/** What both say, in the same words. */
interface Told {
  readonly starts: boolean;
  readonly driver: string | undefined;
  readonly images: number;
}

const REFUSED: Told = { starts: false, driver: undefined, images: 0 };

async function verdict(root: string): Promise<DaemonVerdict> {
  const [oldest] = await daemonVerdicts(await openStore(root));
  expect(oldest?.release).toBe("20.10");
  return oldest!;
}

function told({ outcome, driver, shown }: DaemonVerdict): Told {
  return outcome === "refused"
    ? REFUSED
    : { starts: true, driver, images: shown as number };
}

/** What a dockerd does that may choose its driver itself, and what it says when it does not start. */
async function done(root: string): Promise<Told & { log: string }> {
  let dockerd;
  try {
    dockerd = await startDockerd(root, { storageDriver: false });
  } catch (error) {
    return { ...REFUSED, log: (error as Error).message };
  }
  try {
    const format = "{{.Driver}} {{.Images}}";
    const info = await dockerd.docker(["info", "--format", format]);
    const [driver, images] = info.trim().split(" ");
    const log = await dockerd.log();
    return { starts: true, driver, images: Number(images), log };
  } finally {
    await dockerd.stop();
  }
}

async function fill(root: string): Promise<void> {
  for (const name of ["app", "other"]) {
    await writing(root, (writer) => storeImage(writer, fakeImage(name, name)));
  }
}

/** Makes files below a root, or directories where the name ends in a slash. */
async function add(root: string, ...paths: string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(root, `${path}x`)), { recursive: true });
    if (!path.endsWith("/")) await writeFile(join(root, path), "x");
  }
}

describeWithPeers(
  "dockerd 20.10 and what is said of it",
  ["dockerd", "docker"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    const afterOne = new Cleanups();
    afterEach(() => afterOne.close(), LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    const newRoot = async () => join(await cleanups.tempDir(), "root");

    /** Asks both, and compares. @returns what was said, and the daemon's log */
    async function agree(
      root: string,
    ): Promise<{ said: DaemonVerdict; log: string }> {
      const said = await verdict(root);
      const { log, ...did } = await done(root);
      expect(told(said), log).toEqual(did);
      return { said, log };
    }

    it.each<[string, string[], DaemonVerdict["outcome"]]>([
      ["a filled root", [], "usable"],
      ["an empty directory of vfs", ["vfs/", "image/vfs/"], "usable"],
      ["layers of vfs", [`vfs/dir/${HEX}/file`], "usable"],
      ["images of vfs", [`image/vfs/imagedb/content/sha256/${HEX}`], "hidden"],
      ["the directory of btrfs", ["btrfs/subvolumes/"], "refused"],
      ["the directory of overlay", ["overlay/x/"], "refused"],
      ["the directory of aufs", ["aufs/diff/"], "refused"],
      ["an empty directory of aufs", ["aufs/"], "usable"],
      ["volumes that are no database", ["volumes/metadata.db"], "refused"],
      [
        "a remapped root inside",
        [`165536.165536/image/overlay2/imagedb/content/sha256/${HEX}`],
        "hidden",
      ],
    ])(
      "agree: %s",
      async (_, paths, outcome) => {
        const root = await newRoot();
        await fill(root);
        await add(root, ...paths);
        expect((await agree(root)).said.outcome).toBe(outcome);
      },
      LONG_MS,
    );

    it.each<[string, string[], DaemonVerdict["outcome"]]>([
      ["nothing at all", [], "usable"],
      ["the deprecated overlay in use", ["overlay/x/"], "usable"],
      ["zfs in use", ["zfs/graph/"], "refused"],
      ["a file in the way", ["overlay2"], "refused"],
      [
        "an entry that is no layer, in overlay2",
        ["overlay2/notes.txt"],
        "usable",
      ],
    ])(
      "agree without images: %s",
      async (_, paths, outcome) => {
        const root = await newRoot();
        await mkdir(root);
        await add(root, ...paths);
        expect((await agree(root)).said.outcome).toBe(outcome);
      },
      LONG_MS,
    );

    it(
      "agree: malformed names",
      async () => {
        const root = await newRoot();
        await fill(root);
        await writeFile(join(root, "image/overlay2/repositories.json"), "{");
        const { said, log } = await agree(root);
        expect(said.remarks[0]?.code).toBe("REPOSITORIES_DAMAGED");
        expect(log).toContain("reference store");
      },
      LONG_MS,
    );

    it(
      "agree: an image whose layer is damaged is left out, and told of",
      async () => {
        const root = await newRoot();
        await fill(root);
        const bad = fakeImage("bad", "bad");
        await writing(root, (writer) => storeImage(writer, bad));
        const [layer] = bad.layers;
        const entry = layer!.chainId.slice("sha256:".length);
        await rm(join(root, "image/overlay2/layerdb/sha256", entry, "size"));
        const { said } = await agree(root);
        expect(said).toMatchObject({ outcome: "hidden", shown: 2 });
        expect(said.hidden).toEqual([
          { path: "image/overlay2", images: 1, why: "damaged" },
        ]);
      },
      LONG_MS,
    );

    it(
      "the hint about several drivers helps",
      async () => {
        const root = await newRoot();
        await fill(root);
        await add(root, "overlay/x/");
        const { said, log } = await agree(root);
        expect(log).toContain("several valid graphdrivers");
        const storageDriver = /"storage-driver": "(\w+)"/.exec(
          said.remarks[0]?.hint ?? "",
        )?.[1];
        const [named] = await daemonVerdicts(await openStore(root), {
          storageDriver,
        });
        const dockerd = await startDockerd(root, {
          storageDriver: storageDriver!,
        });
        try {
          const images = await dockerd.docker(["images", "-q"]);
          expect(images.trim().split("\n")).toHaveLength(
            named!.shown as number,
          );
        } finally {
          await dockerd.stop();
        }
      },
      LONG_MS,
    );

    for (const [what, prepared, outcome, drivers] of [
      ["with overlay2 in use", true, "refused", [undefined]],
      // Which driver is left depends on the machine's device mapper and FUSE.
      ["with nothing in use", false, "usable", ["vfs", "fuse-overlayfs"]],
    ] as const) {
      it(
        `agree: on overlayfs, ${what}`,
        async () => {
          const folder = await afterOne.tempDir();
          const at = (name: string) => join(folder, name);
          for (const name of ["lower", "upper", "work", "merged"]) {
            await mkdir(at(name));
          }
          const options = `lowerdir=${at("lower")},upperdir=${at("upper")},workdir=${at("work")}`;
          await runOk("mount", [
            "-t",
            "overlay",
            "overlay",
            "-o",
            options,
            at("merged"),
          ]);
          afterOne.defer(
            async () => void (await runOk("umount", [at("merged")])),
          );
          const root = join(at("merged"), "root");
          await mkdir(root);
          if (prepared) await add(root, "overlay2/l/");
          const said = await verdict(root);
          const did = await done(root);
          expect(said.outcome).toBe(outcome);
          expect(did.starts).toBe(outcome === "usable");
          expect(drivers).toContain(did.driver);
          if (said.driver !== undefined) expect(said.driver).toBe(did.driver);
        },
        LONG_MS,
      );
    }

    it
      .runIf(LOOP && findPeer("mkfs.ext4") !== undefined)
      .each<[string, string[], string[], DaemonVerdict["outcome"], string]>([
        [
          "overlay2 in use without d_type",
          ["-O", "^filetype"],
          ["overlay2/l/"],
          "usable",
          "NO_D_TYPE",
        ],
        ["a usual filesystem", [], ["overlay2/l/"], "usable", ""],
      ])(
      "agree: %s",
      async (_, format, paths, outcome, code) => {
        const folder = await afterOne.tempDir();
        const disk = join(folder, "disk.img");
        const empty = await open(disk, "wx");
        await empty.truncate(DISK_BYTES);
        await empty.close();
        await runOk(requirePeer("mkfs.ext4"), ["-q", ...format, disk]);
        const mounted = join(folder, "mnt");
        await mkdir(mounted);
        await runOk("mount", ["-o", "loop", disk, mounted]);
        afterOne.defer(async () => void (await runOk("umount", [mounted])));
        const root = join(mounted, "root");
        await add(root, ...paths);
        const { said } = await agree(root);
        expect(said.outcome).toBe(outcome);
        expect(said.remarks[0]?.code ?? "").toBe(code);
        await runOk("mount", ["-o", "remount,ro", mounted]);
        const readOnly = await agree(root);
        expect(readOnly.said.remarks[0]?.code).toBe("ROOT_READ_ONLY");
      },
      LONG_MS,
    );

    it.skipIf(missingFor(["containerd", "ctr"]).length > 0)(
      "images in containerd's store are counted, and not shown",
      async () => {
        const root = await newRoot();
        await fill(root);
        const archive = join(await afterOne.tempDir(), "image.tar");
        const image = imageOf([layerOf(makeArchive([file("etc/x", "x")]))]);
        await writeFile(archive, layoutArchive(image, "docker.io/library/x:1"));
        const containerd = await Containerd.start(
          join(root, "containerd/daemon"),
        );
        await containerd.ctr([
          "--namespace=moby",
          "images",
          "import",
          "--no-unpack",
          archive,
        ]);
        await containerd.stop();
        const { said } = await agree(root);
        expect(said.hidden).toEqual([
          { path: "containerd", images: 1, why: "containerd store" },
        ]);
      },
      LONG_MS,
    );
  },
);
