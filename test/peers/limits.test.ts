// Images that dockerd cannot pull, or cannot give back once it has pulled
// them: tpull does better, or says clearly that it will not.
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd } from "../helpers/dockerd.js";
import { deepImage, onBusybox } from "../helpers/images/odd-images.js";
import type { LayerMembers } from "../helpers/images/odd-layers.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups } from "../helpers/run.js";
import { saveFindings } from "../helpers/store/acceptance.js";
import { checkStore } from "../helpers/store/check.js";
import { storedImages, storedLayers } from "../helpers/store/data-root.js";
import { file, hardlink, type Member } from "../helpers/tar-writer.js";
import { tpull } from "../helpers/tpull-cli.js";
import { SUITE_PEERS } from "./suite.js";

const MINUTE = 60_000;
const peers = [...SUITE_PEERS, "busybox"] as const;

/** A file of 1024 bytes with a hole in front, as GNU tar's PAX format 1.0 has it. */
const sparse: Member = {
  name: "GNUSparseFile.0/sparse",
  data: `1\n512\n512\n`.padEnd(512, "\0") + "d".repeat(512),
  pax: {
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": "sparse",
    "GNU.sparse.realsize": "1024",
  },
};

const HARD_TO_SAVE: readonly (readonly [string, LayerMembers])[] = [
  [
    "a hard link with a size",
    [file("a", "four"), hardlink("b", "a", { size: 4 })],
  ],
  ["a name twice", [file("a", "one"), file("a", "two")]],
  ["a name in two spellings", [file("a", "one"), file("./a", "two")]],
  ["a sparse file", [sparse]],
  ["a whiteout with content", [file(".wh.gone", "some content")]],
];

describeWithPeers("at the limits", peers, { root: true }, () => {
  const cleanups = new Cleanups();
  let host = "";

  beforeAll(async () => {
    ({ host } = cleanups.use(await startDockerRegistry()));
  });
  afterAll(() => cleanups.close(), MINUTE);

  async function expectNothingStored(root: string): Promise<void> {
    expect((await storedImages(root)).size).toBe(0);
    expect((await storedLayers(root)).size).toBe(0);
    expect(await checkStore(root)).toEqual([]);
  }

  it(
    "refuses an image of more layers than a mount can take",
    async () => {
      const root = join(await cleanups.tempDir(), "root");
      const image = deepImage(126);
      const { reference } = await pushImage(host, "deep", "126", image);
      const { code, stderr } = await tpull(["pull", "--root", root, reference]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/126 layers/);
      await expectNothingStored(root);
    },
    MINUTE,
  );

  it.each(HARD_TO_SAVE)(
    "stores %s so that docker can save it, or refuses it",
    async (what, members) => {
      const root = join(await cleanups.tempDir(), "root");
      const image = onBusybox([members]);
      const name = what.replaceAll(" ", "-");
      const { reference } = await pushImage(host, name, "tag", image);
      const { code, stderr } = await tpull(["pull", "--root", root, reference]);
      if (code === 0) {
        const dockerd = await startDockerd(root);
        try {
          expect(await saveFindings(dockerd, image, reference)).toEqual([]);
        } finally {
          await dockerd.stop();
        }
      } else {
        expect(code).toBe(1);
        expect(stderr).toContain(reference);
        expect(stderr).toContain(image.layers[1]!.digest.slice(7, 19));
        await expectNothingStored(root);
      }
    },
    MINUTE,
  );
});
