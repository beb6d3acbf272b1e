// Archives of real programs loaded by tpull, and tpull's archives loaded by them: image IDs are the same on both sides.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDockerd, type Dockerd } from "../helpers/dockerd.js";
import {
  imageOf,
  layerMediaType,
  layerOf,
  sha256,
  type Image,
} from "../helpers/image-builder.js";
import { busyboxLayer, onBusybox } from "../helpers/images/odd-images.js";
import { HARDLINKS, PAX, PLAIN } from "../helpers/images/odd-layers.js";
import { describeWithPeers, requirePeer } from "../helpers/peers.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups, runOk } from "../helpers/run.js";
import {
  describeFindings,
  runFindings,
  saveFindings,
} from "../helpers/store/acceptance.js";
import { checkStore } from "../helpers/store/check.js";
import { storedImages, storedReferences } from "../helpers/store/data-root.js";
import { archive, directory, file } from "../helpers/tar-writer.js";
import { tpullOk } from "../helpers/tpull-cli.js";
import { SUITE_PEERS } from "./suite.js";

const LONG_MS = 300_000;

describeWithPeers(
  "archives of images",
  [...SUITE_PEERS, "busybox", "podman", "skopeo", "zstd"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    const one = (): Image => onBusybox([PLAIN, HARDLINKS[0]!]);
    const two = (): Image => onBusybox([PLAIN, PAX]);
    /** Of OCI's media types: what is written in these forms from others gets a new config. */
    const oci = (): Image =>
      imageOf(
        [
          { ...busyboxLayer(), mediaType: layerMediaType("oci", "gzip") },
          layerOf(archive(PAX), { family: "oci" }),
        ],
        { family: "oci" },
      );
    let folder = "";
    let host = "";
    let ociName = "";
    /** Names in the registry, and in docker's archives. */
    let names: string[] = [];
    const source = () => join(folder, "source");
    const at = (name: string) => join(folder, name);

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      ({ host } = cleanups.use(await startDockerRegistry()));
      names = [
        (await pushImage(host, "team/one", "1.0", one())).reference,
        (await pushImage(host, "two", "latest", two())).reference,
      ];
      ociName = (await pushImage(host, "oci", "3", oci())).reference;
      await tpullOk(["--root", source(), ...names]);
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    const podman = (...args: string[]) =>
      runOk(requirePeer("podman"), [
        "--root",
        at("podman"),
        "--runroot",
        at("podman-run"),
        "--storage-driver",
        "vfs",
        ...args,
      ]);
    const skopeo = (...args: string[]) =>
      runOk(requirePeer("skopeo"), ["--insecure-policy", ...args]);
    const idsOf = (...images: Image[]) =>
      images.map(({ config }) => config.digest.slice(7)).sort();

    /** Loads an archive into a root of its own, and lets both judges look. */
    async function load(
      name: string,
      path: string,
      images: readonly Image[],
      options: { stdin?: boolean; named?: boolean } = {},
    ): Promise<string> {
      const root = at(`root-${name}`);
      const said = options.stdin
        ? await runOk("sh", [
            "-c",
            `cat "$1" | "$2" "$3" load --root "$4"`,
            "sh",
            path,
            process.execPath,
            join(import.meta.dirname, "../../dist/cli/tpull.cjs"),
            root,
          ])
        : await tpullOk(["load", "--root", root, "-i", path]);
      expect(await checkStore(root)).toEqual([]);
      expect([...(await storedImages(root)).keys()].sort()).toEqual(
        idsOf(...images),
      );
      if (options.named === false) {
        for (const { config } of images) {
          expect(said).toContain(`Loaded image ID: ${config.digest}`);
        }
        return root;
      }
      for (const reference of (await storedReferences(root)).keys()) {
        if (reference.includes("@")) continue;
        expect(said).toContain(`Loaded image: ${reference}`);
      }
      const dockerd = await startDockerd(root);
      try {
        expect(await dockerd.dropped()).toEqual([]);
        for (const [reference, id] of await storedReferences(root)) {
          const image = images.find(({ config }) => config.digest === id)!;
          expect([
            ...(await describeFindings(dockerd, image, reference)),
            ...(await runFindings(dockerd, reference, ["/bin/true"])),
            ...(await saveFindings(dockerd, image, reference)),
          ]).toEqual([]);
        }
      } finally {
        await dockerd.stop();
      }
      return root;
    }

    describe("of tpull", () => {
      it.each(["none", "gzip", "zstd"])(
        "compressed with %s are loaded by podman, skopeo and tpull",
        async (compression) => {
          const file = at(`saved-${compression}.tar`);
          await tpullOk(
            ["save", "--root", source(), "-o", file, "--compress"].concat(
              compression,
              names,
            ),
          );
          await podman("load", "-i", file);
          const list = await podman(
            "images",
            "--no-trunc",
            "--format",
            "{{.Repository}}:{{.Tag}} {{.Id}}",
          );
          for (const [name, image] of [
            [names[0], one()],
            [names[1], two()],
          ] as const) {
            const id = image.config.digest;
            expect(list.replaceAll("sha256:", "")).toContain(
              `${name} ${id.slice(7)}`,
            );
            await podman("rmi", "-f", id.slice(7));
            for (const [kind, what] of [
              ["docker-archive", name!],
              ["oci-archive", name!.split(":").at(-1)!],
            ] as const) {
              const to = at(`skopeo-${compression}-${kind}-${id.slice(7, 15)}`);
              await skopeo(
                "copy",
                "-q",
                `${kind}:${file}:${what}`,
                `dir:${to}`,
              );
              const manifest = await readFile(
                join(to, "manifest.json"),
                "utf8",
              );
              expect(
                (JSON.parse(manifest) as { config: { digest: string } }).config
                  .digest,
              ).toBe(id);
            }
          }
          await load(`own-${compression}`, file, [one(), two()]);
        },
        LONG_MS,
      );

      it(
        "are loaded by docker, and docker's by tpull",
        async () => {
          const file = at("for-docker.tar");
          const args = ["save", "--root", source(), "-o", file, ...names];
          await tpullOk(args);
          const gzip = at("for-docker-gzip.tar");
          await tpullOk([...args, "--compress=gzip", "-o", gzip]);
          let dockerd: Dockerd = await startDockerd(at("docker"));
          try {
            const said = await dockerd.docker(["load", "-i", file]);
            for (const name of names) {
              expect(said).toContain(`Loaded image: ${name}`);
            }
            for (const [reference, image] of [
              [names[0]!, one()],
              [names[1]!, two()],
            ] as const) {
              expect([
                ...(await describeFindings(dockerd, image, reference)),
                ...(await runFindings(dockerd, reference, ["/bin/true"])),
              ]).toEqual([]);
            }
            await dockerd.docker(["save", "-o", at("docker.tar"), ...names]);
            const id = one().config.digest;
            await dockerd.docker(["save", "-o", at("docker-id.tar"), id]);
          } finally {
            await dockerd.stop();
          }
          dockerd = await startDockerd(at("docker-gzip"));
          try {
            await dockerd.docker(["load", "-i", gzip]);
            const list = await dockerd.docker([
              "images",
              "--no-trunc",
              "--format={{.ID}}",
            ]);
            expect(list.trim().split("\n").sort()).toEqual(
              [one(), two()].map(({ config }) => config.digest).sort(),
            );
          } finally {
            await dockerd.stop();
          }
          await load("docker", at("docker.tar"), [one(), two()]);
          await load("docker-pipe", at("docker.tar"), [one(), two()], {
            stdin: true,
          });
          const packed = gzipSync(await readFile(at("docker.tar")));
          await writeFile(at("docker.tar.gz"), packed);
          await load("docker-gz", at("docker.tar.gz"), [one(), two()]);
          await runOk("zstd", ["-q", at("docker.tar")]);
          await load("docker-zst", at("docker.tar.zst"), [one(), two()], {
            stdin: true,
          });
          await load("docker-id", at("docker-id.tar"), [one()], {
            named: false,
          });
        },
        LONG_MS,
      );
    });

    it.each(["docker-archive", "oci-archive", "oci-dir", "docker-dir"])(
      "of podman in the form %s",
      async (format) => {
        const isOci = format.startsWith("oci");
        const [name, image] = isOci ? [ociName, oci()] : [names[0]!, one()];
        const pulled = at(`pulled-${format}`);
        await skopeo(
          "copy",
          "-q",
          "--src-tls-verify=false",
          `docker://${name}`,
          isOci
            ? `oci-archive:${pulled}:${name}`
            : `docker-archive:${pulled}:${name}`,
        );
        await podman("load", "-q", "-i", pulled);
        const path = at(`podman-${format}`);
        await podman("save", "-q", "--format", format, "-o", path, name);
        const named = format !== "docker-dir"; // that one holds no name
        await load(`podman-${format}`, path, [image], { named });
      },
      LONG_MS,
    );

    it.each([
      ["docker-archive", (path: string) => `docker-archive:${path}:an/x:y`],
      ["oci", (path: string) => `oci:${path}:tag`],
      ["oci-archive", (path: string) => `oci-archive:${path}:an/x:y`],
      ["dir", (path: string) => `dir:${path}`],
    ])(
      "of skopeo in the form %s",
      async (form, target) => {
        const path = at(`from-skopeo-${form}`);
        const isOci = form.startsWith("oci");
        if (form === "dir") await mkdir(path);
        await skopeo(
          "copy",
          "-q",
          "--src-tls-verify=false",
          `docker://${isOci ? ociName : names[1]!}`,
          target(path),
        );
        const named = form.endsWith("archive");
        const image = isOci ? oci() : two();
        await load(`skopeo-${form}`, path, [image], { named });
      },
      LONG_MS,
    );

    it(
      "of tpull bundle are loaded by all, with the same IDs and digests",
      async () => {
        const file = at("bundle.tar");
        await tpullOk(
          ["bundle", "--plain-http", host, "-o", file, ociName].concat(names),
        );
        const root = await load("bundle", file, [one(), two(), oci()]);
        expect([...(await storedReferences(root)).keys()]).toContain(
          `${names[0]!.replace(":1.0", "")}@${one().manifest.digest}`,
        );
        const dockerd = await startDockerd(at("docker-bundle"));
        try {
          await dockerd.docker(["load", "-i", file]);
          for (const [name, image] of [
            [names[0]!, one()],
            [names[1]!, two()],
            [ociName, oci()],
          ] as const) {
            expect([
              ...(await describeFindings(dockerd, image, name)),
              ...(await runFindings(dockerd, name, ["/bin/true"])),
            ]).toEqual([]);
          }
        } finally {
          await dockerd.stop();
        }
        await podman("load", "-q", "-i", file);
        const list = await podman("images", "--no-trunc", "-q");
        for (const image of [one(), two(), oci()]) {
          expect(list).toContain(image.config.digest.slice(7));
        }
        const to = at("skopeo-bundle");
        await skopeo("copy", "-q", `oci-archive:${file}:3`, `dir:${to}`);
        const manifest = await readFile(join(to, "manifest.json"));
        expect(sha256(manifest)).toBe(oci().manifest.digest);
      },
      LONG_MS,
    );

    it(
      "of the time before images had configs become the same images as in docker",
      async () => {
        const layers = one().layers.slice(0, 2);
        const [a, b] = ["a", "b"].map((letter) => letter.repeat(64));
        const steps = [
          { id: a, Size: 1 },
          { id: b, parent: a, config: { Cmd: ["/bin/true"], Env: ["A=<é>"] } },
        ];
        const members = steps.flatMap((step, at) => [
          directory(`${step.id}/`),
          file(`${step.id}/VERSION`, "1.0"),
          file(
            `${step.id}/json`,
            JSON.stringify(
              {
                ...step,
                created: "2015-11-12T13:14:15.5Z",
                author: "somebody",
                container_config: { Cmd: ["/bin/sh", "-c", `step ${at} &`] },
                docker_version: "1.9.1",
                architecture: "amd64",
                os: "linux",
              },
              null,
              at,
            ),
          ),
          file(`${step.id}/layer.tar`, gunzipSync(layers[at]!.data as Buffer)),
        ]);
        const names = { "old/app": { "1": b } };
        const path = at("legacy.tar");
        await writeFile(
          path,
          archive([...members, file("repositories", JSON.stringify(names))]),
        );
        await tpullOk(["load", "--root", at("legacy"), "-i", path]);
        expect(await checkStore(at("legacy"))).toEqual([]);
        const [ours] = [...(await storedReferences(at("legacy"))).values()];
        const dockerd = await startDockerd(at("docker-legacy"));
        try {
          await dockerd.docker(["load", "-i", path]);
          const theirs = await dockerd.docker([
            "inspect",
            "--format={{.Id}}",
            "old/app:1",
          ]);
          expect(theirs.trim()).toBe(ours);
        } finally {
          await dockerd.stop();
        }
      },
      LONG_MS,
    );

    it(
      "survive being saved and loaded again and again, byte for byte",
      async () => {
        const first = at("again-1.tar");
        const second = at("again-2.tar");
        const root = at("again");
        await tpullOk(["save", "--root", source(), "-o", first, ...names]);
        await tpullOk(["load", "-q", "--root", root, "-i", first]);
        await tpullOk(["save", "--root", root, "-o", second, ...names]);
        expect((await readFile(first)).equals(await readFile(second))).toBe(
          true,
        );
      },
      LONG_MS,
    );
  },
);
