// What `tpull verify --repair` has mended, a dockerd takes for its own: roots
// that tpull filled, and roots that a dockerd filled, with containers on them.
import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd } from "../helpers/dockerd.js";
import { chainIdsOf, type Image } from "../helpers/image-builder.js";
import { onBusybox } from "../helpers/images/odd-images.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups } from "../helpers/run.js";
import {
  describeFindings,
  removalFindings,
  runFindings,
  saveFindings,
  upToDateFindings,
} from "../helpers/store/acceptance.js";
import { checkStore } from "../helpers/store/check.js";
import {
  imageStore,
  storedLayers,
  type StoredLayer,
} from "../helpers/store/data-root.js";
import { file } from "../helpers/tar-writer.js";
import { tpullOk } from "../helpers/tpull-cli.js";
import { copyRoot, dockerdPuller, SUITE_PEERS, tpullPuller } from "./suite.js";

const LONG_MS = 300_000;

interface Damaged {
  readonly root: string;
  /** The image's layers, base first. */
  readonly layers: readonly StoredLayer[];
  readonly image: Image;
}

const gone = (path: string): void => rmSync(path, { recursive: true });

const DAMAGE: readonly [string, (damaged: Damaged) => void][] = [
  ["a layer's entry", ({ layers }) => gone(layers[1]!.record)],
  ["a layer's files", ({ layers }) => gone(layers[1]!.folder)],
  [
    "the base's archive record",
    ({ layers }) => gone(`${layers[0]!.record}/tar-split.json.gz`),
  ],
  [
    "the content of a file",
    ({ layers }) => writeFileSync(`${layers[0]!.folder}/diff/bin/busybox`, "x"),
  ],
  ["all short links", ({ root }) => gone(join(root, "overlay2/l"))],
  [
    "the config",
    ({ root, image }) => {
      const id = image.config.digest.slice(7);
      gone(join(imageStore(root), "imagedb/content/sha256", id));
    },
  ],
  [
    "all small files",
    ({ layers }) => {
      for (const { record, folder } of layers) {
        for (const name of ["diff", "size", "cache-id", "tar-split.json.gz"]) {
          truncateSync(join(record, name));
        }
        truncateSync(join(folder, "link"));
      }
    },
  ],
];

describeWithPeers(
  "a repaired root",
  [...SUITE_PEERS, "busybox"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    let folder = "";
    let image: Image;
    let reference = "";

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      const { host } = cleanups.use(await startDockerRegistry());
      image = onBusybox([
        [file("second", "of three\n")],
        [file("third", "of three\n")],
      ]);
      ({ reference } = await pushImage(host, "repair", "tag", image));
      for (const [name, start] of [
        ["tpull", tpullPuller],
        ["dockerd", dockerdPuller],
      ] as const) {
        const puller = await start(join(folder, name));
        await puller.pull(reference);
        await puller.stop();
      }
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    async function damagedCopy(
      from: string,
      name: string,
      damage: (damaged: Damaged) => void,
    ): Promise<string> {
      const root = join(folder, `${from}-${name.replaceAll(/\W/g, "-")}`);
      await copyRoot(join(folder, from), root);
      const stored = await storedLayers(root);
      const layers = chainIdsOf(image).map((id) => stored.get(id.slice(7))!);
      damage({ root, layers, image });
      return root;
    }

    const mend = (root: string): Promise<string> =>
      tpullOk(["verify", "--repair", "--yes", "--root", root]);

    describe.each(["tpull", "dockerd"])("that %s filled", (from) => {
      it.each(DAMAGE)(
        "and that had lost %s",
        async (name, damage) => {
          const root = await damagedCopy(from, name, damage);
          expect(await mend(root)).toContain("nothing is wrong any more");
          expect(await checkStore(root, { mounted: true })).toEqual([]);
          const dockerd = await startDockerd(root);
          try {
            expect([
              ...(await dockerd.dropped()),
              ...(await describeFindings(dockerd, image, reference)),
              ...(await runFindings(dockerd, reference, [
                "/bin/busybox",
                "grep",
                "three",
                "/second",
                "/third",
              ])),
              ...(await saveFindings(dockerd, image, reference)),
              ...(await upToDateFindings(dockerd, reference)),
              ...(await removalFindings(dockerd)),
            ]).toEqual([]);
          } finally {
            await dockerd.stop();
          }
        },
        LONG_MS,
      );
    });

    it(
      "still has its containers, and they start",
      async () => {
        const root = join(folder, "with-container");
        await copyRoot(join(folder, "dockerd"), root);
        const script = "cat /second /own || echo mine >/own";
        const run = `run --name=kept --network=none --entrypoint=/bin/busybox ${reference} sh -c`;
        const before = await startDockerd(root);
        try {
          await before.tryDocker([...run.split(" "), script]);
        } finally {
          await before.stop();
        }
        const stored = await storedLayers(root);
        const layers = chainIdsOf(image).map((id) => stored.get(id.slice(7))!);
        gone(layers[1]!.record);
        gone(layers[0]!.folder);
        gone(join(root, "overlay2/l"));
        await mend(root);
        const after = await startDockerd(root);
        try {
          const { stdout } = await after.tryDocker(["start", "-a", "kept"]);
          expect(stdout).toBe("of three\nmine\n");
        } finally {
          await after.stop();
        }
      },
      LONG_MS,
    );
  },
);
