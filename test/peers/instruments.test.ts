// The instruments of the other tests here: each kind of damage to a data root
// has to be seen, and a root without damage has to be clean.
import {
  appendFile,
  chmod,
  copyFile,
  link,
  lutimes,
  mkdir,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { chainIdsOf, imageOf, layerOf } from "../helpers/image-builder.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups, runOk } from "../helpers/run.js";
import { checkStore } from "../helpers/store/check.js";
import { imageStore, storedLayers } from "../helpers/store/data-root.js";
import { diffLayers, diffMetadata } from "../helpers/store/diff.js";
import { archive, directory, file, hardlink } from "../helpers/tar-writer.js";
import { copyRoot, dockerdPuller, SUITE_PEERS } from "./suite.js";

const image = imageOf([
  layerOf(archive([file("below", "x")])),
  layerOf(
    archive([
      directory("d/"),
      file("d/file", "content"),
      file("d/other", "x"),
      hardlink("d/linked", "d/file"),
      file(".wh.below", ""),
    ]),
  ),
]);

/** Where the upper layer is in a copy of the root. */
interface Place {
  readonly root: string;
  /** The layer's record in layerdb. */
  readonly record: string;
  /** The layer's directory below overlay2. */
  readonly folder: string;
}

type Damage = readonly [
  what: string,
  spoil: (place: Place) => Promise<unknown>,
  seen: RegExp,
];

const inFiles: readonly Damage[] = [
  ["a mode", ({ folder }) => chmod(`${folder}/diff/d/file`, 0o600), /mode/],
  ["a time", ({ folder }) => lutimes(`${folder}/diff/d`, 1, 2), /d: mtime/],
  [
    "an attribute",
    ({ folder }) =>
      runOk("setfattr", ["-n", "user.x", "-v", "y", `${folder}/diff/d`]),
    /d: xattrs/,
  ],
  [
    "a hard link that is a copy",
    async ({ folder }) => {
      await rm(`${folder}/diff/d/linked`);
      await copyFile(`${folder}/diff/d/file`, `${folder}/diff/d/linked`);
    },
    /d\/linked: inode/,
  ],
  [
    "two files that became one",
    async ({ folder }) => {
      await rm(`${folder}/diff/d/other`);
      await link(`${folder}/diff/d/file`, `${folder}/diff/d/other`);
    },
    /d\/other: inode/,
  ],
  [
    "a lost whiteout",
    ({ folder }) => rm(`${folder}/diff/below`),
    /below: only in dockerd's own/,
  ],
  [
    "a file too many",
    ({ folder }) => writeFile(`${folder}/diff/more`, ""),
    /more: only in the copy/,
  ],
  [
    "content",
    ({ folder }) => writeFile(`${folder}/diff/d/other`, "y"),
    /d\/other: sha256/,
  ],
];

const inMetadata: readonly Damage[] = [
  ["a newline", ({ record }) => appendFile(`${record}/size`, "\n"), /size/],
  ["a mode", ({ record }) => chmod(`${record}/diff`, 0o600), /mode/],
  [
    "a missing map",
    ({ root }) =>
      rm(`${imageStore(root)}/distribution/diffid-by-digest`, {
        recursive: true,
      }),
    /only in dockerd's own/,
  ],
  [
    "other white space",
    ({ root }) => appendFile(`${imageStore(root)}/repositories.json`, " "),
    /repositories\.json: sha256/,
  ],
];

const inStructure: readonly Damage[] = [
  ["a gone layer", ({ record }) => rm(record, { recursive: true }), /missing/],
  [
    "a cache-id of nothing",
    ({ folder }) => rename(folder, `${folder}x`),
    /link/,
  ],
  ["a gone lower", ({ folder }) => rm(`${folder}/lower`), /lower undefined/],
  ["a wrong size", ({ record }) => writeFile(`${record}/size`, "x"), /size/],
  [
    "content that is not the diff ID's",
    ({ folder }) => writeFile(`${folder}/diff/d/other`, "y"),
    /its files make up sha256/,
  ],
  [
    "a layer under a wrong name",
    ({ record }) => rename(record, record.replace(/.$/, "_")),
    /its chain ID is/,
  ],
  [
    "a directory left over",
    ({ root }) => mkdir(`${root}/overlay2/${"0".repeat(64)}`),
    /left over/,
  ],
  [
    "a reference to nothing",
    ({ root }) =>
      writeFile(
        `${imageStore(root)}/repositories.json`,
        `{"Repositories":{"a":{"a:b":"sha256:${"0".repeat(64)}"}}}`,
      ),
    /a:b points to/,
  ],
];

const peers = [...SUITE_PEERS, "setfattr"] as const;

describeWithPeers("the instruments", peers, { root: true }, () => {
  const cleanups = new Cleanups();
  const chains = chainIdsOf(image);
  const sides = ["the copy", "dockerd's own"] as const;
  let sound = "";

  beforeAll(async () => {
    sound = join(await cleanups.tempDir(), "sound");
    const registry = cleanups.use(await startDockerRegistry());
    const pushed = await pushImage(registry.host, "damaged", "tag", image);
    const dockerd = await dockerdPuller(sound);
    try {
      await dockerd.pull(pushed.reference);
    } finally {
      await dockerd.stop();
    }
  });
  afterAll(() => cleanups.close());

  async function spoiledCopy(spoil: Damage[1]): Promise<string> {
    const root = join(await cleanups.tempDir(), "copy");
    await copyRoot(sound, root);
    const layer = (await storedLayers(root)).get(chains[1]!.slice(7))!;
    await spoil({ root, record: layer.record, folder: layer.folder });
    return root;
  }

  it("find nothing in a sound copy", async () => {
    const root = await spoiledCopy(async () => {});
    expect([
      ...(await checkStore(root)),
      ...(await diffLayers(root, sound, chains, sides)),
      ...(await diffMetadata(root, sound, sides)),
    ]).toEqual([]);
  });

  it.each(inFiles)("compare files: %s", async (_what, spoil, seen) => {
    const root = await spoiledCopy(spoil);
    const found = await diffLayers(root, sound, chains, sides);
    expect(found).toContainEqual(expect.stringMatching(seen));
  });

  it.each(inMetadata)("compare metadata: %s", async (_what, spoil, seen) => {
    const root = await spoiledCopy(spoil);
    const found = await diffMetadata(root, sound, sides);
    expect(found).toContainEqual(expect.stringMatching(seen));
  });

  it.each(inStructure)("check a store: %s", async (_what, spoil, seen) => {
    const root = await spoiledCopy(spoil);
    const found = await checkStore(root);
    expect(found).toContainEqual(expect.stringMatching(seen));
  });
});
