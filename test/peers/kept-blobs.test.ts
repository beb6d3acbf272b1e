// Blobs kept by a pull from a real registry: what is saved and served of them is,
// for docker, podman, skopeo and containerd, what the registry has; and a dockerd
// on the root neither minds them nor harms them.
import { readFile } from "node:fs/promises";
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
  sha256,
  type Image,
} from "../helpers/image-builder.js";
import { busyboxLayer, onBusybox } from "../helpers/images/odd-images.js";
import { HARDLINKS, PAX, PLAIN } from "../helpers/images/odd-layers.js";
import { describeWithPeers, requirePeer } from "../helpers/peers.js";
import { pushImage, pushIndex } from "../helpers/push.js";
import { Cleanups, runOk } from "../helpers/run.js";
import { Serving } from "../helpers/serving.js";
import { describeFindings, runFindings } from "../helpers/store/acceptance.js";
import { checkStore } from "../helpers/store/check.js";
import { archive } from "../helpers/tar-writer.js";
import { tpull, tpullOk } from "../helpers/tpull-cli.js";
import { listKeptBlobs } from "#store/index.js";
import { SUITE_PEERS } from "./suite.js";

const LONG_MS = 300_000;

describeWithPeers(
  "blobs that a pull has kept",
  [...SUITE_PEERS, "busybox", "podman", "skopeo", "containerd", "ctr"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    const plain = (): Image => onBusybox([PLAIN, HARDLINKS[0]!]);
    const multi = (): Image =>
      imageOf(
        [
          { ...busyboxLayer(), mediaType: layerMediaType("oci", "gzip") },
          layerOf(archive(PAX), { family: "oci" }),
        ],
        { family: "oci" },
      );
    const index = () => indexOf([{ image: multi(), platform: MACHINE }], "oci");
    let folder = "";
    let host = "";
    /** Names, what their tags stand for, and the images that they give. */
    let images: [name: string, digest: string, image: Image][] = [];
    const root = () => join(folder, "root");
    const saved = () => join(folder, "saved.tar");
    const skopeo = (...args: string[]) =>
      runOk(requirePeer("skopeo"), ["--insecure-policy", ...args]);

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      ({ host } = cleanups.use(await startDockerRegistry()));
      const one = await pushImage(host, "team/plain", "1.0", plain());
      const two = await pushIndex(host, "multi", "2", index(), [multi()]);
      images = [
        [one.reference, one.digest, plain()],
        [two.reference, two.digest, multi()],
      ];
      const names = images.map(([name]) => name);
      await tpullOk(["--root", root(), "--keep-blobs", ...names]);
      await tpullOk(["save", "--root", root(), "-o", saved(), ...names]);
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    it(
      "are indifferent to a dockerd on the root",
      async () => {
        const before = listKeptBlobs(root());
        expect(await checkStore(root())).toEqual([]);
        const dockerd = await startDockerd(root());
        try {
          expect(await dockerd.dropped()).toEqual([]);
          for (const [name, , image] of images) {
            expect([
              ...(await describeFindings(dockerd, image, name)),
              ...(await runFindings(dockerd, name, ["/bin/true"])),
            ]).toEqual([]);
          }
        } finally {
          await dockerd.stop();
        }
        expect(listKeptBlobs(root())).toEqual(before);
        const { code, stdout } = await tpull(["verify", "--root", root()]);
        expect({ code, stdout }).toMatchObject({ code: 0 });
      },
      LONG_MS,
    );

    it(
      "give an archive that others load, with the registry's digests",
      async () => {
        // skopeo looks for OCI's media types there, and finds no others.
        const to = join(folder, "dir");
        await skopeo("copy", "-q", `oci-archive:${saved()}:2`, `dir:${to}`);
        expect(sha256(await readFile(join(to, "manifest.json")))).toBe(
          multi().manifest.digest,
        );
        for (const [name, , image] of images) {
          const from = `docker-archive:${saved()}:${name}`;
          const config = await skopeo("inspect", "--config", "--raw", from);
          expect(sha256(Buffer.from(config))).toBe(image.config.digest);
        }
        const podman = (...args: string[]) =>
          runOk(
            requirePeer("podman"),
            [
              ["--root", join(folder, "podman")],
              ["--runroot", join(folder, "podman-run")],
              ["--storage-driver", "vfs"],
              args,
            ].flat(),
          );
        await podman("load", "-i", saved());
        const listed = await podman("images", "--no-trunc", "-q");
        const dockerd = await startDockerd(join(folder, "docker-load"));
        try {
          await dockerd.docker(["load", "-i", saved()]);
          for (const [name, , image] of images) {
            expect(listed).toContain(image.config.digest.slice(7));
            expect([
              ...(await describeFindings(dockerd, image, name)),
              ...(await runFindings(dockerd, name, ["/bin/true"])),
            ]).toEqual([]);
          }
        } finally {
          await dockerd.stop();
        }
        const containerd = await Containerd.start();
        try {
          await containerd.ctr(["images", "import", "--no-unpack", saved()]);
          const found = await containerd.ctr(["images", "ls"]);
          for (const [name, digest] of images) {
            expect(found).toMatch(new RegExp(`^${name} .*${digest}`, "m"));
          }
        } finally {
          await containerd.stop();
        }
        const there = join(folder, "loaded");
        await tpullOk(["load", "--root", there, "-i", saved()]);
        const digests = await tpullOk(["images", "--root", there, "--digests"]);
        for (const [, digest] of images) expect(digests).toContain(digest);
        expect(await checkStore(there)).toEqual([]);
      },
      LONG_MS,
    );

    it(
      "are served under the registry's digests",
      async () => {
        const serving = cleanups.use(await Serving.start(["--root", root()]));
        expect(serving.log).not.toContain("SERVE_REBUILT");
        const at = (name: string) => name.replace(host, serving.host);
        const dockerd = await startDockerd(join(folder, "docker-pull"));
        try {
          for (const [name, digest, image] of images) {
            const raw = await skopeo(
              "inspect",
              "--raw",
              "--tls-verify=false",
              `docker://${at(name)}`,
            );
            expect(sha256(Buffer.from(raw))).toBe(digest);
            expect(await tpullOk(["resolve", "-q", at(name)])).toBe(
              `${digest}\n`,
            );
            const repository = at(name).slice(0, at(name).lastIndexOf(":"));
            const byDigest = `${repository}@${digest}`;
            const said = await dockerd.docker(["pull", byDigest]);
            expect(said).toContain(`Digest: ${digest}`);
            const id = await dockerd.docker([
              "inspect",
              "-f",
              "{{.Id}}",
              byDigest,
            ]);
            expect(id.trim()).toBe(image.config.digest);
          }
        } finally {
          await dockerd.stop();
        }
      },
      LONG_MS,
    );
  },
);
