// Across an air gap, with nothing that could bridge it: two network namespaces, one with a registry, one with no network
// at all. What goes from one to the other goes as a file. The tests are one story: each goes on where the last one was.
import { existsSync } from "node:fs";
import {
  copyFile,
  mkdir,
  open,
  readFile,
  stat,
  truncate,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd } from "../helpers/dockerd.js";
import {
  imageOf,
  layerOf,
  sha256,
  type Image,
} from "../helpers/image-builder.js";
import { onBusybox } from "../helpers/images/odd-images.js";
import { HARDLINKS, PLAIN } from "../helpers/images/odd-layers.js";
import {
  NetworkNamespace,
  whyNoNamespaces,
} from "../helpers/network-namespace.js";
import { describeWithPeers, requirePeer } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import {
  Cleanups,
  run,
  runOk,
  type RunOptions,
  type RunResult,
} from "../helpers/run.js";
import { Serving } from "../helpers/serving.js";
import {
  describeFindings,
  runFindings,
  saveFindings,
} from "../helpers/store/acceptance.js";
import { checkStore } from "../helpers/store/check.js";
import { storedReferences } from "../helpers/store/data-root.js";
import { archive, file } from "../helpers/tar-writer.js";
import { tpull, tpullOk } from "../helpers/tpull-cli.js";
import { diffTrees, readTrees } from "../helpers/tree.js";
import { noise } from "../pull/support/layers.js";
import { SUITE_PEERS } from "./suite.js";

const LONG_MS = 300_000;
/** Of a new layer: more than all metadata, and far less than the layers below it. */
const NEW_BYTES = 100_000;
/**
 * What a bundle may have besides its blobs: a header and padding to 512 bytes
 * for each of some ten files, the documents that list them, and the end of the
 * archive.
 */
const METADATA_BYTES = 20_000;

describeWithPeers(
  "an air gap",
  [...SUITE_PEERS, "busybox", "ip", "podman", "skopeo"],
  { root: true, reasons: whyNoNamespaces() },
  () => {
    const cleanups = new Cleanups();
    const first: Image = onBusybox([PLAIN, HARDLINKS[0]!]);
    const newLayer = layerOf(
      archive([file("srv/new", noise(NEW_BYTES), { mode: 0o644 })]),
    );
    /** The first one, and one layer on top. */
    const second: Image = imageOf([...first.layers, newLayer]);
    /** Has no layer in common with them. */
    const other: Image = imageOf([layerOf(archive([file("etc/x", "x")]))]);
    let near: RunOptions;
    let far: RunOptions;
    let folder = "";
    let host = "";

    /** Files of the near side, and of the far side. */
    const here = (name: string) => join(folder, "near", name);
    const there = (name: string) => join(folder, "far", name);
    const root = () => there("root");
    const nameOf = (tag: string) => `${host}/team/app:${tag}`;

    /** Takes a file to the other side. */
    async function carry(name: string): Promise<string> {
      await copyFile(here(name), there(name));
      return there(name);
    }

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      await mkdir(join(folder, "near"));
      await mkdir(join(folder, "far"));
      // Filled before it goes behind the gap, which these tests are outside of, too.
      const storage = join(folder, "registry");
      const outside = await startDockerRegistry({ storage });
      try {
        await pushImage(outside.host, "team/app", "1", first);
        await pushImage(outside.host, "team/app", "2", second);
        await pushImage(outside.host, "team/other", "1", other);
      } finally {
        await outside.stop();
      }
      near = { within: cleanups.use(await NetworkNamespace.create()).within };
      far = { within: cleanups.use(await NetworkNamespace.create()).within };
      const registry = await startDockerRegistry({ storage, ...near });
      ({ host } = cleanups.use(registry));
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    /** A dockerd on the far side has the images as its own, runs them, and gives them back. */
    async function dockerdHas(
      images: readonly (readonly [name: string, image: Image])[],
    ): Promise<void> {
      expect(await checkStore(root())).toEqual([]);
      const dockerd = await startDockerd(root(), far);
      try {
        expect(await dockerd.dropped()).toEqual([]);
        for (const [name, image] of images) {
          expect([
            ...(await describeFindings(dockerd, image, name)),
            ...(await runFindings(dockerd, name, ["/bin/true"])),
            ...(await saveFindings(dockerd, image, name)),
          ]).toEqual([]);
        }
      } finally {
        await dockerd.stop();
      }
    }

    /** Loads on the far side what has to be refused: what is stored has to be as it was, to the nanosecond. */
    async function refused(path: string, into: string): Promise<RunResult> {
      const [before] = existsSync(into) ? await readTrees([into]) : [];
      const result = await tpull(["load", "--root", into, "-i", path], far);
      expect(result).toMatchObject({ code: 1, stdout: "" });
      const [after] = existsSync(into) ? await readTrees([into]) : [];
      const differences = diffTrees(
        before ?? new Map(),
        after ?? new Map(),
        ["before", "after"],
        // Layers came into tpull's own directories, and went.
        { ignore: ({ path }) => (path.startsWith("tpull") ? ["mtime"] : []) },
      );
      expect(differences).toEqual([]);
      return result;
    }

    it("is one: the registry answers on the near side only", async () => {
      const asked = ["resolve", "-q", nameOf("1")];
      const digest = await tpullOk(asked, near);
      expect(digest.trim()).toBe(first.manifest.digest);
      const { code, stderr } = await tpull(asked, far);
      expect(code).toBe(1);
      expect(stderr).toContain("(NETWORK_REFUSED)");
      // Neither do these tests reach it.
      expect((await tpull(asked)).code).toBe(1);
    });

    it(
      "is crossed by a bundle, which a dockerd on the far side then runs from",
      async () => {
        await tpullOk(
          ["bundle", "--checksum", "-o", here("images.tar"), nameOf("1")],
          near,
        );
        const path = await carry("images.tar");
        await carry("images.tar.SHA256SUMS");
        const sound = await tpullOk(["verify", "--checksum", path], far);
        expect(sound).toContain("sound: images: 1");
        const said = await tpullOk(["load", "--root", root(), "-i", path], far);
        expect(said).toContain(`Loaded image: ${nameOf("1")}`);
        const stored = [...(await storedReferences(root())).keys()];
        expect(stored).toContain(`${host}/team/app@${first.manifest.digest}`);
        await dockerdHas([[nameOf("1"), first]]);
      },
      LONG_MS,
    );

    it(
      "is crossed by no more than what is new",
      async () => {
        const inventory = await tpullOk(["inventory", "--root", root()], far);
        await writeFile(here("there.json"), inventory);
        const args = ["-o", here("new.tar"), nameOf("2")];
        await tpullOk(["bundle", "--have", here("there.json"), ...args], near);
        const { size } = await stat(here("new.tar"));
        const carried = [newLayer, second.config, second.manifest];
        const needed = carried.reduce((sum, blob) => sum + blob.size, 0);
        expect(size).toBeGreaterThan(needed);
        expect(size).toBeLessThan(needed + METADATA_BYTES);
        await tpullOk(
          ["load", "--root", root(), "-i", await carry("new.tar")],
          far,
        );
        await dockerdHas([
          [nameOf("1"), first],
          [nameOf("2"), second],
        ]);
      },
      LONG_MS,
    );

    it(
      "is not crossed by what does not fit: without its base",
      async () => {
        const path = there("new.tar");
        const { stderr } = await refused(path, there("empty-root"));
        expect(stderr).toContain("(ARCHIVE_INCOMPLETE)");
        const [base] = first.layers;
        expect(stderr).toContain(base!.digest.slice(7, 19));
        // Nor into a root with another image, which stays as it is.
        const otherRoot = there("other-root");
        const otherName = `${host}/team/other:1`;
        await tpullOk(["bundle", "-o", here("other.tar"), otherName], near);
        const carried = await carry("other.tar");
        await tpullOk(["load", "--root", otherRoot, "-i", carried], far);
        await refused(path, otherRoot);
      },
      LONG_MS,
    );

    it(
      "is not crossed by what was damaged on the way, or not carried to its end",
      async () => {
        const whole = await carry("images.tar");
        const { size } = await stat(whole);
        const layer = first.layers[0]!.data as Buffer;
        const at = (await readFile(whole)).indexOf(layer.subarray(0, 64));
        expect(at).toBeGreaterThan(0);
        const damaged = there("damaged.tar");
        await copyFile(whole, damaged);
        const opened = await open(damaged, "r+");
        await opened.write(Buffer.from([0xff, 0x00]), 0, 2, at + 1000);
        await opened.close();
        const truncated = [at + 1000, size - 2048].map(async (length, nth) => {
          const path = there(`truncated-${nth}.tar`);
          await copyFile(whole, path);
          await truncate(path, length);
          return path;
        });
        for (const path of [damaged, ...(await Promise.all(truncated))]) {
          const verified = await tpull(["verify", path], far);
          expect(verified.code, path).toBe(1);
          for (const into of [there("empty-root"), there("other-root")]) {
            const { stderr } = await refused(path, into);
            expect(stderr).toMatch(
              /\((ARCHIVE_INVALID|ARCHIVE_INCOMPLETE|DIGEST_MISMATCH|LAYER_INVALID)\)/,
            );
          }
        }
      },
      LONG_MS,
    );

    it(
      "ends where tpull serves: dockerd, podman and skopeo pull there",
      async () => {
        const serving = await Serving.start(
          [there("images.tar"), "--root", root()],
          {},
          far.within,
        );
        try {
          const name = `${serving.host}/team/app:1`;
          const original = first.manifest.digest;
          await expect(fetch(`${serving.url}/v2/`)).rejects.toThrow("fetch");

          const dockerd = await startDockerd(there("docker"), far);
          try {
            const said = await dockerd.docker(["pull", name]);
            expect(said).toContain(`Digest: ${original}`);
            expect([
              ...(await describeFindings(dockerd, first, name)),
              ...(await runFindings(dockerd, name, ["/bin/true"])),
            ]).toEqual([]);
          } finally {
            await dockerd.stop();
          }

          const podman = [
            "--root",
            there("podman"),
            "--runroot",
            there("podman-run"),
            "--storage-driver=vfs",
            "pull",
            "-q",
            "--tls-verify=false",
            name,
          ];
          const id = await runOk(requirePeer("podman"), podman, {
            ...far,
            env: { TMPDIR: folder, DOCKER_CONFIG: "" },
          });
          expect(`sha256:${id.trim()}`).toBe(first.config.digest);

          const copied = there("copied");
          await runOk(
            requirePeer("skopeo"),
            [
              "copy",
              "-q",
              "--src-tls-verify=false",
              `docker://${name}`,
              `dir:${copied}`,
            ],
            far,
          );
          const manifest = await readFile(join(copied, "manifest.json"));
          expect(sha256(manifest)).toBe(original);
          const outside = await run(requirePeer("skopeo"), [
            "inspect",
            "--tls-verify=false",
            `docker://${name}`,
          ]);
          expect(outside.code).not.toBe(0);
        } finally {
          await serving.stop();
        }
      },
      LONG_MS,
    );
  },
);
