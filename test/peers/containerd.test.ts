// containerd beside tpull: its archives loaded by tpull, tpull's imported by it, and what tpull serves pulled by it, with
// the digests kept on every way.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Containerd } from "../helpers/containerd.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd } from "../helpers/dockerd.js";
import {
  imageOf,
  indexOf,
  layerMediaType,
  layerOf,
  MACHINE,
  type Image,
} from "../helpers/image-builder.js";
import { busyboxLayer, onBusybox } from "../helpers/images/odd-images.js";
import { HARDLINKS, PAX, PLAIN } from "../helpers/images/odd-layers.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage, pushIndex } from "../helpers/push.js";
import { Cleanups, runOk } from "../helpers/run.js";
import { Serving } from "../helpers/serving.js";
import {
  describeFindings,
  runFindings,
  saveFindings,
} from "../helpers/store/acceptance.js";
import { checkStore } from "../helpers/store/check.js";
import { storedReferences } from "../helpers/store/data-root.js";
import { archive } from "../helpers/tar-writer.js";
import { tpullOk } from "../helpers/tpull-cli.js";
import { SUITE_PEERS } from "./suite.js";

const LONG_MS = 300_000;
/** Unpacks by copying: works on every filesystem. */
const NATIVE = ["--snapshotter", "native"];
const FOREIGN = { os: "linux", architecture: "s390x" };

describeWithPeers(
  "containerd",
  [...SUITE_PEERS, "busybox", "containerd", "ctr"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    const docker: Image = onBusybox([PLAIN, HARDLINKS[0]!]);
    const oci: Image = imageOf(
      [
        { ...busyboxLayer(), mediaType: layerMediaType("oci", "gzip") },
        layerOf(archive(PAX), { family: "oci" }),
      ],
      { family: "oci" },
    );
    const foreign: Image = imageOf(
      [layerOf(archive(PLAIN), { family: "oci" })],
      { family: "oci", platform: FOREIGN },
    );
    const index = indexOf(
      [
        { image: foreign, platform: FOREIGN },
        { image: oci, platform: MACHINE },
      ],
      "oci",
    );
    let folder = "";
    let names: { docker: string; oci: string; both: string };
    const at = (name: string) => join(folder, name);
    /** Where an archive is loaded into. */
    const rootOf = (path: string) => `${path}-root`;

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      const { host } = cleanups.use(await startDockerRegistry());
      const both = [foreign, oci];
      names = {
        docker: (await pushImage(host, "team/one", "1.0", docker)).reference,
        oci: (await pushImage(host, "oci", "3", oci)).reference,
        both: (await pushIndex(host, "both", "2", index, both)).reference,
      };
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    /** A containerd for one test. */
    async function containerdFor(
      work: (containerd: Containerd) => Promise<void>,
    ): Promise<void> {
      const containerd = await Containerd.start();
      try {
        await work(containerd);
      } finally {
        await containerd.stop();
      }
    }

    /** The digest that each name stands for. */
    async function digestsIn(
      containerd: Containerd,
    ): Promise<Record<string, string>> {
      const [, ...rows] = (await containerd.ctr(["images", "ls"])).split("\n");
      return Object.fromEntries(
        rows.filter(Boolean).map((row) => {
          const [name = "", , digest = ""] = row.split(/\s+/);
          return [name, digest];
        }),
      );
    }

    /** Names of the images of which every blob is there, and every layer unpacked; sorted. */
    async function wholeIn(containerd: Containerd): Promise<string[]> {
      const list = await containerd.ctr(["images", "check", "-q", ...NATIVE]);
      return list.trim().split("\n").sort();
    }

    let containers = 0;
    async function expectRuns(
      containerd: Containerd,
      name: string,
    ): Promise<void> {
      const id = `test-${(containers += 1)}`;
      const command = ["/bin/busybox", "echo", "it runs"];
      const run = ["run", "--rm", ...NATIVE, name, id, ...command];
      expect(await containerd.ctr(run)).toBe("it runs\n");
    }

    /** Loads an archive into a root of its own: both judges look. */
    async function load(path: string): Promise<Record<string, string>> {
      const root = rootOf(path);
      await tpullOk(["load", "--root", root, "-i", path]);
      expect(await checkStore(root)).toEqual([]);
      const images = new Map(
        [docker, oci].map((image) => [image.config.digest, image]),
      );
      const references = await storedReferences(root);
      const dockerd = await startDockerd(root);
      try {
        expect(await dockerd.dropped()).toEqual([]);
        for (const [reference, id] of references) {
          const image = images.get(id)!;
          expect([
            ...(await describeFindings(dockerd, image, reference)),
            ...(await runFindings(dockerd, reference, ["/bin/true"])),
            ...(await saveFindings(dockerd, image, reference)),
          ]).toEqual([]);
        }
      } finally {
        await dockerd.stop();
      }
      return Object.fromEntries(references);
    }

    it.each(["file", "directory"])(
      "imports a bundle that is a %s: the registry's own digests, also of an index",
      async (form) => {
        const path = at(`bundle-${form}.tar`);
        const wanted = Object.values(names).sort();
        const to = form === "file" ? path : at("bundle");
        if (form === "directory") await mkdir(to);
        await tpullOk(["bundle", "--platform=all", "-o", to, ...wanted]);
        if (form === "directory") {
          await runOk("tar", ["-C", to, "-cf", path, "."]);
        }
        await containerdFor(async (containerd) => {
          const args = ["images", "import", "--all-platforms", ...NATIVE];
          await containerd.ctr([...args, path]);
          expect(await digestsIn(containerd)).toEqual({
            [names.docker]: docker.manifest.digest,
            [names.oci]: oci.manifest.digest,
            [names.both]: index.digest,
          });
          expect(await wholeIn(containerd)).toEqual(wanted);
          await expectRuns(containerd, names.both);
        });
      },
      LONG_MS,
    );

    it.each(["none", "gzip", "zstd"])(
      "imports what was saved with --compress %s, and runs it",
      async (compression) => {
        const root = at("root");
        const path = at(`saved-${compression}.tar`);
        const wanted = [names.docker, names.oci].sort();
        await tpullOk(["-q", "--root", root, ...wanted]);
        const save = ["save", "--root", root, "--compress", compression];
        await tpullOk([...save, "-o", path, ...wanted]);
        await containerdFor(async (containerd) => {
          await containerd.ctr(["images", "import", ...NATIVE, path]);
          expect(await wholeIn(containerd)).toEqual(wanted);
          for (const [name, { config }] of [
            [names.docker, docker],
            [names.oci, oci],
          ] as const) {
            // The manifest is the archive's own; the image is the same one.
            const digest = (await digestsIn(containerd))[name] ?? "";
            const text = await containerd.ctr(["content", "get", digest]);
            expect(JSON.parse(text)).toMatchObject({
              config: { digest: config.digest },
            });
            await expectRuns(containerd, name);
          }
        });
      },
      LONG_MS,
    );

    it(
      "exports in each of its forms what tpull loads",
      async () => {
        await containerdFor(async (containerd) => {
          for (const name of Object.values(names)) {
            const pull = ["images", "pull", "--plain-http", ...NATIVE];
            const platforms = name === names.both ? ["--all-platforms"] : [];
            await containerd.ctr([...pull, ...platforms, name]);
          }
          for (const [form, flags, wanted] of [
            ["one", [], [[names.docker, docker]]],
            [
              "several",
              [],
              [
                [names.docker, docker],
                [names.oci, oci],
              ],
            ],
            ["layout-only", ["--skip-manifest-json"], [[names.oci, oci]]],
            ["every-platform", ["--all-platforms"], [[names.both, oci]]],
            [
              "one-platform",
              ["--platform", `${MACHINE.os}/${MACHINE.architecture}`],
              [[names.both, oci]],
            ],
          ] as const) {
            const path = at(`exported-${form}.tar`);
            const list = wanted.map(([name]) => name);
            await containerd.ctr(["images", "export", ...flags, path, ...list]);
            // ctr does not say from where it has an image, so that names by digest would be a guess.
            expect(await load(path), form).toEqual(
              Object.fromEntries(
                wanted.map(([name, { config }]) => [name, config.digest]),
              ),
            );
          }
        });
      },
      LONG_MS,
    );

    it(
      "gives back whose digests they are when it has an image from a bundle",
      async () => {
        const bundle = at("there.tar");
        await tpullOk(["bundle", "-o", bundle, names.docker]);
        const path = at("back.tar");
        await containerdFor(async (containerd) => {
          await containerd.ctr(["images", "import", ...NATIVE, bundle]);
          await containerd.ctr(["images", "export", path, names.docker]);
        });
        const repository = names.docker.replace(":1.0", "");
        expect(await load(path)).toEqual({
          [names.docker]: docker.config.digest,
          [`${repository}@${docker.manifest.digest}`]: docker.config.digest,
        });
      },
      LONG_MS,
    );

    it(
      "pulls what tpull serves by plain HTTP, and gives it back to tpull",
      async () => {
        const bundle = at("served.tar");
        const wanted = Object.values(names);
        await tpullOk(["bundle", "--platform=all", "-o", bundle, ...wanted]);
        const serving = await Serving.start([bundle]);
        try {
          const served = new Map(
            wanted.map((name) => [
              name,
              `${serving.host}${name.slice(name.indexOf("/"))}`,
            ]),
          );
          await containerdFor(async (containerd) => {
            for (const name of served.values()) {
              const pull = ["images", "pull", "--plain-http", ...NATIVE];
              await containerd.ctr([...pull, "--all-platforms", name]);
            }
            expect(await digestsIn(containerd)).toEqual({
              [served.get(names.docker)!]: docker.manifest.digest,
              [served.get(names.oci)!]: oci.manifest.digest,
              [served.get(names.both)!]: index.digest,
            });
            await expectRuns(containerd, served.get(names.docker)!);
            const path = at("served-back.tar");
            const back = served.get(names.both)!;
            const args = ["images", "export", "--all-platforms", path, back];
            await containerd.ctr(args);
            expect((await load(path))[back]).toBe(oci.config.digest);
          });
          expect(serving.log).not.toMatch(/ 5\d\d \d+ B /);
        } finally {
          await serving.stop();
        }
      },
      LONG_MS,
    );
  },
);
