// What tpull serves, pulled by others: docker, podman, skopeo and tpull itself.
// The images come from a folder, from an archive and from a data root; what
// arrives must be what was there, by digest where the registry's own digests
// are kept, by image ID everywhere.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hash } from "bcryptjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeAuthority, makeCert } from "../helpers/certificates.js";
import { Containerd } from "../helpers/containerd.js";
import { startDockerd, type Dockerd } from "../helpers/dockerd.js";
import {
  imageOf,
  indexOf,
  layerOf,
  MACHINE,
  sha256,
  type Image,
} from "../helpers/image-builder.js";
import {
  layoutArchive,
  named,
  refNameOf,
  writeLayout,
  type LayoutImage,
} from "../helpers/layout-writer.js";
import { describeWithPeers, requirePeer } from "../helpers/peers.js";
import { Cleanups, run, runOk } from "../helpers/run.js";
import { Serving } from "../helpers/serving.js";
import { archive, directory, file, hardlink } from "../helpers/tar-writer.js";
import { tpull, tpullOk } from "../helpers/tpull-cli.js";
import { imageStore } from "../helpers/store/data-root.js";

const LONG_MS = 120_000;

/** Several layers with a whiteout and a link in them, and a health check, which OCI does not know. */
function sampleImage(family: "docker" | "oci", word: string): Image {
  const layers = [
    archive([
      directory("etc/"),
      file("etc/word", `${word}\n`),
      file("etc/gone", "removed above"),
      file("big", Buffer.alloc(300_000, word)),
    ]),
    archive([
      directory("etc/"),
      file("etc/.wh.gone", ""),
      file("etc/late", "late"),
      hardlink("etc/same", "etc/late"),
    ]),
  ];
  return imageOf(
    layers.map((tar) => layerOf(tar, { family })),
    {
      family,
      settings: {
        Cmd: ["/bin/true"],
        Healthcheck: { Test: ["CMD", "/bin/true"] },
      },
    },
  );
}

const plain = sampleImage("docker", "plain");
const oci = sampleImage("oci", "oci");
const other = sampleImage("oci", "elsewhere");
const index = indexOf(
  [
    { image: oci, platform: { os: "linux", architecture: "s390x" } },
    { image: oci, platform: MACHINE },
  ],
  "oci",
);
const images: LayoutImage[] = [
  named(plain, "docker.io/library/plain:1"),
  {
    top: index,
    blobs: [oci.manifest, oci.config, ...oci.layers],
    annotations: {
      ...refNameOf("2"),
      "io.containerd.image.name": "docker.io/library/multi:2",
    },
  },
  named(other, "quay.io/library/plain:1"),
];

/** What each image is called at the registry, what its tag stands for, and the image it gives. */
const SERVED = [
  ["library/plain:1", plain.manifest.digest, plain.config.digest],
  ["library/multi:2", index.digest, oci.config.digest],
] as const;

const cleanups = new Cleanups();
afterAll(() => cleanups.close());

let folder: string;
let fromFolder: Serving;
let fromArchive: Serving;
let fromRoot: Serving;

beforeAll(async () => {
  folder = await cleanups.tempDir();
  const layout = await writeLayout(join(folder, "layout"), images);
  const bundle = join(folder, "bundle.tar");
  await writeFile(bundle, await layoutArchive(images));
  fromFolder = cleanups.use(await Serving.start([layout]));
  fromArchive = cleanups.use(await Serving.start([bundle]));
  const root = join(folder, "root");
  await tpullOk([
    "--root",
    root,
    "--mirror",
    `docker.io=${fromFolder.url}`,
    "plain:1",
    "multi:2",
  ]);
  fromRoot = cleanups.use(await Serving.start(["--root", root]));
});

const sources = () =>
  [
    ["a folder", fromFolder, true],
    ["an archive", fromArchive, true],
    ["a data root", fromRoot, false],
  ] as const;

/** The digest that a source must give its tag: its own manifest's where the original is not there. */
async function digestAt(
  serving: Serving,
  name: string,
  original: string,
  kept: boolean,
): Promise<string> {
  const [path, tag] = name.split(":");
  const url = `${serving.url}/v2/${path}/manifests/${tag}`;
  const reply = await fetch(url, { headers: { Accept: "*/*" } });
  const digest = reply.headers.get("docker-content-digest") ?? "";
  expect(sha256(new Uint8Array(await reply.arrayBuffer()))).toBe(digest);
  expect(digest === original).toBe(kept);
  return digest;
}

/** A folder of hosts.toml files that send all of these registries' images to one server. */
async function hostsFolder(
  { url }: Serving,
  registries: readonly string[],
): Promise<string> {
  const folder = await cleanups.tempDir();
  for (const registry of registries) {
    await mkdir(join(folder, registry));
    await writeFile(
      join(folder, registry, "hosts.toml"),
      `server = "${url}"\n[host."${url}"]\ncapabilities = ["pull", "resolve"]\n`,
    );
  }
  return folder;
}

describe("tpull", () => {
  it("pulls the same image from each, through a mirror too", async () => {
    for (const [what, serving, kept] of sources()) {
      for (const [name, original, imageId] of SERVED) {
        const digest = await digestAt(serving, name, original, kept);
        const root = join(await cleanups.tempDir(), "root");
        const direct = `${serving.host}/${name}`;
        const line = await tpullOk(["-q", "--root", root, direct]);
        expect(line.trim(), what).toBe(direct);
        const mirrored = name.replace("library/", "");
        await tpullOk([
          "--root",
          root,
          "--mirror",
          `docker.io=${serving.url}`,
          mirrored,
        ]);
        const names = JSON.parse(
          await readFile(join(imageStore(root), "repositories.json"), "utf8"),
        ) as { Repositories: Record<string, Record<string, string>> };
        const { Repositories } = names;
        const repository = direct.slice(0, direct.lastIndexOf(":"));
        expect(Repositories[repository]).toEqual({
          [direct]: imageId,
          [`${repository}@${digest}`]: imageId,
        });
        expect(Repositories[mirrored.split(":")[0]!]).toMatchObject({
          [mirrored]: imageId,
        });
      }
    }
  });

  it("gets each registry's image by hosts.toml and ?ns=", async () => {
    const hosts = await hostsFolder(fromArchive, [
      "docker.io",
      "quay.io",
      "ghcr.io",
    ]);
    const resolve = (image: string) =>
      tpull(["resolve", "-q", "--hosts-dir", hosts, image]);
    expect((await resolve("plain:1")).stdout.trim()).toBe(
      plain.manifest.digest,
    );
    expect((await resolve("quay.io/library/plain:1")).stdout.trim()).toBe(
      other.manifest.digest,
    );
    // As if it were its only server: nobody else's image is given for it.
    const strange = await resolve("ghcr.io/library/plain:1");
    expect(strange.code).toBe(1);
    expect(fromArchive.log).toContain("?ns=quay.io");
  });
});

describeWithPeers(
  "dockerd and what tpull serves",
  ["docker", "dockerd"],
  { root: true },
  () => {
    let dockerd: Dockerd;
    afterAll(() => dockerd?.stop());

    async function freshDockerd(mirror?: string): Promise<Dockerd> {
      await dockerd?.stop();
      const flags = mirror === undefined ? [] : ["--registry-mirror", mirror];
      dockerd = await startDockerd(join(await cleanups.tempDir(), "root"), {
        flags,
      });
      return dockerd;
    }

    it(
      "pulls by tag, and through --registry-mirror",
      async () => {
        for (const [what, serving, kept] of sources()) {
          const daemon = await freshDockerd(serving.url);
          for (const [name, original, imageId] of SERVED) {
            const digest = await digestAt(serving, name, original, kept);
            for (const reference of [
              `${serving.host}/${name}`,
              name.replace("library/", ""),
            ]) {
              const said = await daemon.docker(["pull", reference]);
              expect(said, what).toContain(`Digest: ${digest}`);
              const id = await daemon.docker([
                "image",
                "inspect",
                "--format",
                "{{.Id}}",
                reference,
              ]);
              expect(id.trim(), `${what}: ${reference}`).toBe(imageId);
            }
          }
          expect(serving.log).not.toMatch(/ 5\d\d \d+ B /);
        }
      },
      LONG_MS,
    );
  },
);

describeWithPeers(
  "podman and what tpull serves",
  ["podman"],
  { root: true },
  () => {
    it(
      "pulls by tag and keeps the health check",
      async () => {
        for (const [what, serving, kept] of sources()) {
          const place = await cleanups.tempDir();
          const podman = (args: readonly string[]) =>
            runOk(
              requirePeer("podman"),
              [
                `--root=${join(place, "root")}`,
                `--runroot=${join(place, "run")}`,
                "--storage-driver=vfs",
                ...args,
              ],
              { env: { TMPDIR: place, DOCKER_CONFIG: "" } },
            );
          for (const [name, original, imageId] of SERVED) {
            const reference = `${serving.host}/${name}`;
            const digest = await digestAt(serving, name, original, kept);
            const said = await podman([
              "pull",
              "-q",
              "--tls-verify=false",
              reference,
            ]);
            expect(`sha256:${said.trim()}`, what).toBe(imageId);
            const inspected = await podman([
              "image",
              "inspect",
              "--format",
              "{{json .RepoDigests}} {{json .HealthCheck}}",
              reference,
            ]);
            const repository = reference.slice(0, reference.lastIndexOf(":"));
            expect(inspected).toContain(`${repository}@${digest}`);
            const knowsHealth = imageId === plain.config.digest || !kept;
            expect(inspected.includes("/bin/true"), what).toBe(knowsHealth);
          }
        }
      },
      LONG_MS,
    );
  },
);

describeWithPeers(
  "containerd and what tpull serves",
  ["containerd", "ctr"],
  { root: true },
  () => {
    it(
      "gets each registry's image by hosts.toml and ?ns=",
      async () => {
        const containerd = cleanups.use(await Containerd.start());
        for (const [what, serving, kept] of sources()) {
          const hosts = await hostsFolder(serving, ["docker.io", "quay.io"]);
          const wanted = [
            ["docker.io/library/plain:1", plain.manifest.digest],
            ["docker.io/library/multi:2", index.digest],
            ...(kept
              ? [["quay.io/library/plain:1", other.manifest.digest] as const]
              : []),
          ] as const;
          for (const [name, original] of wanted) {
            const path = name.slice(name.indexOf("/") + 1);
            const digest = name.startsWith("docker.io/")
              ? await digestAt(serving, path, original, kept)
              : original;
            const pull = ["images", "pull", "--hosts-dir", hosts];
            await containerd.ctr([...pull, "--snapshotter", "native", name]);
            const listed = await containerd.ctr([
              "images",
              "ls",
              `name==${name}`,
            ]);
            expect(listed, what).toContain(digest);
          }
          expect(serving.log).toContain("?ns=docker.io");
        }
      },
      LONG_MS,
    );
  },
);

describeWithPeers("skopeo and what tpull serves", ["skopeo"], {}, () => {
  it(
    "copies manifests and blobs as they are",
    async () => {
      for (const [what, serving, kept] of sources()) {
        for (const [name, original, imageId] of SERVED) {
          const digest = await digestAt(serving, name, original, kept);
          const place = join(await cleanups.tempDir(), "copy");
          await runOk(requirePeer("skopeo"), [
            "copy",
            "--src-tls-verify=false",
            "--all",
            `docker://${serving.host}/${name}`,
            `dir:${place}`,
          ]);
          const manifest = await readFile(join(place, "manifest.json"));
          expect(sha256(manifest), what).toBe(digest);
          const config = await readFile(join(place, imageId.slice(7)));
          expect(sha256(config)).toBe(imageId);
        }
        const listed = await runOk(requirePeer("skopeo"), [
          "list-tags",
          "--tls-verify=false",
          `docker://${serving.host}/library/plain`,
        ]);
        expect((JSON.parse(listed) as { Tags: string[] }).Tags).toEqual(["1"]);
      }
    },
    LONG_MS,
  );

  it("reads what skopeo writes, in a folder and in an archive", async () => {
    const place = await cleanups.tempDir();
    const source = `docker://${fromFolder.host}/library/multi:2`;
    const copy = (target: string) =>
      runOk(requirePeer("skopeo"), [
        "copy",
        "--src-tls-verify=false",
        source,
        target,
      ]);
    await copy(`oci:${join(place, "tagged")}:2`);
    await copy(`oci-archive:${join(place, "whole.tar")}:quay.io/team/multi:2`);
    const serving = cleanups.use(
      await Serving.start([join(place, "tagged"), join(place, "whole.tar")]),
    );
    for (const name of ["tagged:2", "team/multi:2"]) {
      const [path, tag] = name.split(":");
      const reply = await fetch(`${serving.url}/v2/${path}/manifests/${tag}`);
      expect(reply.headers.get("docker-content-digest"), name).toBe(
        oci.manifest.digest,
      );
      await reply.arrayBuffer();
    }
  });
});

describeWithPeers(
  "what podman saves, served",
  ["podman"],
  { root: true },
  () => {
    it(
      "has the names that podman gave",
      async () => {
        const place = await cleanups.tempDir();
        const podman = (args: readonly string[]) =>
          runOk(
            requirePeer("podman"),
            [
              `--root=${join(place, "root")}`,
              `--runroot=${join(place, "run")}`,
              "--storage-driver=vfs",
              ...args,
            ],
            { env: { TMPDIR: place, DOCKER_CONFIG: "" } },
          );
        const reference = `${fromFolder.host}/library/multi:2`;
        await podman(["pull", "-q", "--tls-verify=false", reference]);
        await podman(["tag", reference, "docker.io/library/saved:3"]);
        const saved = join(place, "saved.tar");
        await podman([
          "save",
          "--format",
          "oci-archive",
          "-o",
          saved,
          "docker.io/library/saved:3",
        ]);
        const serving = cleanups.use(await Serving.start([saved]));
        const root = join(place, "tpull");
        const line = await tpullOk([
          "-q",
          "--root",
          root,
          `${serving.host}/library/saved:3`,
        ]);
        expect(line.trim()).toBe(`${serving.host}/library/saved:3`);
      },
      LONG_MS,
    );
  },
);

describe("with TLS and passwords", () => {
  const authority = makeAuthority("tpull test authority");
  let serving: Serving;
  let certificates: string;

  beforeAll(async () => {
    certificates = await cleanups.tempDir();
    const { cert, key } = makeCert({
      name: "127.0.0.1",
      hosts: ["127.0.0.1"],
      issuer: authority,
    });
    const at = (name: string): string => join(certificates, name);
    await writeFile(at("ca.crt"), authority.cert);
    await writeFile(at("server.pem"), cert);
    await writeFile(at("server.pem.key"), key);
    await writeFile(at("htpasswd"), `alice:${await hash("s3cret", 5)}\n`);
    serving = cleanups.use(
      await Serving.start([
        "--tls-cert",
        at("server.pem"),
        "--tls-key",
        at("server.pem.key"),
        "--htpasswd",
        at("htpasswd"),
        join(folder, "bundle.tar"),
      ]),
    );
    // What skopeo and podman take as a folder of certificates has nothing else in it.
    await mkdir(at("trusted"));
    await writeFile(at("trusted/ca.crt"), authority.cert);
  });

  it("lets tpull in that has logged in", async () => {
    const place = await cleanups.tempDir();
    const reference = `${serving.host}/library/plain:1`;
    const common = [
      "--config",
      place,
      "--ca-file",
      join(certificates, "ca.crt"),
    ];
    const pull = ["-q", "--root", join(place, "root"), ...common, reference];
    const refused = await tpull(pull);
    expect(refused.code).toBe(1);
    await writeFile(
      join(place, "config.json"),
      JSON.stringify({
        auths: {
          [serving.host]: {
            auth: Buffer.from("alice:s3cret").toString("base64"),
          },
        },
      }),
    );
    expect((await tpullOk(pull)).trim()).toBe(reference);
    expect(serving.log).toMatch(/ 127\.0\.0\.1 alice GET /);
    expect(serving.log).not.toContain("s3cret");
  });

  describeWithPeers("skopeo, with and without", ["skopeo"], {}, () => {
    it("is let in with the right password only", async () => {
      const inspect = (credentials: string) =>
        run(requirePeer("skopeo"), [
          "inspect",
          "--cert-dir",
          join(certificates, "trusted"),
          "--creds",
          credentials,
          `docker://${serving.host}/library/plain:1`,
        ]);
      const right = await inspect("alice:s3cret");
      expect(right.stderr).toBe("");
      expect((JSON.parse(right.stdout) as { Digest: string }).Digest).toBe(
        plain.manifest.digest,
      );
      const wrong = await inspect("alice:guess");
      expect(wrong.code).not.toBe(0);
      expect(wrong.stderr).toMatch(/unauthorized|authentication required/i);
    });
  });
});
