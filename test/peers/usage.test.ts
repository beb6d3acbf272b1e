// df, info and layers beside docker's own words, on the same root: one that
// dockerd filled, and one that tpull filled.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  diskUsage,
  imageLayers,
  layerTree,
  openStore,
  storeInfo,
  type DiskUsage,
  type Store,
} from "#store/index.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd, type Dockerd } from "../helpers/dockerd.js";
import { imageOf, layerOf, type Image } from "../helpers/image-builder.js";
import { busyboxLayer, ODD_IMAGES } from "../helpers/images/odd-images.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups } from "../helpers/run.js";
import { archive, file, hardlink } from "../helpers/tar-writer.js";
import { tpullOk } from "../helpers/tpull-cli.js";
import {
  dockerdPuller,
  SUITE_PEERS,
  tpullPuller,
  type Puller,
} from "./suite.js";

const LONG_MS = 300_000;

/** As much of the daemon's account as concerns us; versions differ in the rest. */
interface DockerUsage {
  LayersSize: number;
  Images: {
    Id: string;
    RepoTags: string[] | null;
    Size: number;
    SharedSize: number;
    Containers: number;
  }[];
  Containers: {
    Id: string;
    Names: string[];
    Image: string;
    ImageID: string;
    Command: string;
    State: string;
    SizeRw?: number;
  }[];
  Volumes: { Name: string; UsageData: { RefCount: number; Size: number } }[];
  BuildCache: { ID: string; Shared: boolean; Size: number; Type: string }[];
}

const layer = (name: string, size: number) =>
  layerOf(archive([file(name, Buffer.alloc(size, name))]));

/** Two that share their base, one with the same tar twice, one with links, and odd ones. */
function images(): Record<string, Image> {
  const base = busyboxLayer();
  const twin = layer("twin", 7_777);
  const links = layerOf(
    archive([file("one", "x".repeat(500)), hardlink("other", "one")]),
  );
  const odd = ["modes", "whiteouts", "specials"];
  return {
    base: imageOf([base]),
    left: imageOf([base, layer("left", 100_000)]),
    right: imageOf([base, layer("right", 1_234_567), layer("more", 3)]),
    twice: imageOf([base, twin, twin]),
    links: imageOf([base, links]),
    alone: imageOf([layer("alone", 42)]),
    ...Object.fromEntries(
      ODD_IMAGES.filter(({ name }) =>
        odd.some((word) => name.includes(word)),
      ).map(({ name, build }) => [name, build()]),
    ),
  };
}

function describeUsage(
  name: string,
  startPuller: (root: string) => Promise<Puller>,
): void {
  describeWithPeers(name, [...SUITE_PEERS, "busybox"], { root: true }, () => {
    const cleanups = new Cleanups();
    const built = images();
    let host = "";
    let root = "";
    let dockerd: Dockerd;
    let store: Store;
    let docker: DockerUsage;
    let ours: DiskUsage;

    beforeAll(async () => {
      root = join(await cleanups.tempDir(), "root");
      ({ host } = cleanups.use(await startDockerRegistry()));
      const puller = await startPuller(root);
      try {
        for (const [repository, image] of Object.entries(built)) {
          const pushed = await pushImage(host, repository, "1", image);
          await puller.pull(pushed.reference);
        }
        // The tag moves on; what it stood for stays, without a tag.
        const moved = await pushImage(host, "alone", "1", built["links"]!);
        await puller.pull(moved.reference);
      } finally {
        await puller.stop();
      }
      dockerd = cleanups.use(await startDockerd(root));
      await useDocker(dockerd, host);
      store = await openStore(root);
      docker = (await dockerd.get("/system/df")) as DockerUsage;
      ours = await diskUsage(store);
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    it("finds nothing wrong", () => {
      expect(ours.damage).toEqual([]);
    });

    it("counts the layers of images as dockerd does", () => {
      expect(ours.totals.images.size).toBe(docker.LayersSize);
    });

    it("shares them out among images as dockerd does", () => {
      expect(
        ours.images.map(({ id, tags, size, sharedSize, containers }) => ({
          Id: id,
          RepoTags: tags,
          Size: size,
          SharedSize: sharedSize,
          Containers: containers,
        })),
      ).toEqual(expect.arrayContaining(docker.Images.map(comparableImage)));
      expect(ours.images).toHaveLength(docker.Images.length);
    });

    it("knows the containers and what they wrote", () => {
      expect(
        ours.containers.map((one) => ({
          Id: one.id,
          Names: [`/${one.name}`],
          Image: one.image,
          ImageID: one.imageId,
          Command: one.command,
          State: one.state,
          SizeRw: one.size,
        })),
      ).toEqual(docker.Containers.map(comparableContainer));
    });

    it("knows the volumes and who uses them", () => {
      expect(
        ours.volumes.map(({ name, containers, size }) => ({
          Name: name,
          UsageData: { RefCount: containers, Size: size },
        })),
      ).toEqual(
        docker.Volumes.map(({ Name, UsageData: { RefCount, Size } }) => ({
          Name,
          UsageData: { RefCount, Size },
        })).sort((a, b) => (a.Name < b.Name ? -1 : 1)),
      );
    });

    it("finds no leftovers where everything has its use", () => {
      expect(ours.leftovers).toEqual([]);
      expect(ours.unfinishedLayers).toEqual([]);
    });

    it.each(["{{json .}}", "{{.Type}}|{{.Active}}|{{.Reclaimable}}"])(
      "prints docker's rows by %s",
      async (format) => {
        const words = ["system", "df", "--format", format];
        const theirs = lines(await dockerd.docker(words));
        const own = lines(await tpullOk([...words, "--root", root]));
        expect(own.slice(0, theirs.length)).toEqual(theirs);
        expect(theirs).toHaveLength(4);
      },
    );

    it("prints docker's details", async () => {
      const format = [
        "{{range .Images}}{{.Repository}} {{.Tag}} {{.ID}} {{.SharedSize}} {{.UniqueSize}} {{.Containers}}{{println}}{{end}}",
        "{{range .Containers}}{{.ID}} {{.Image}} {{.Command}} {{.LocalVolumes}} {{.Size}} {{.Names}}{{println}}{{end}}",
        "{{range .Volumes}}{{.Name}} {{.Links}} {{.Size}}{{println}}{{end}}",
      ].join("");
      const words = ["system", "df", "-v", "--format", format];
      const theirs = lines(await dockerd.docker(words));
      const own = lines(await tpullOk([...words, "--root", root]));
      expect(own.sort()).toEqual(theirs.sort());
    });

    it("prints docker's fields in the details", async () => {
      const words = ["system", "df", "-v", "--format", "{{json .}}"];
      type Details = Record<string, Record<string, string>[]>;
      const theirs = JSON.parse(await dockerd.docker(words)) as Details;
      const own = JSON.parse(
        await tpullOk([...words, "--root", root]),
      ) as Details;
      expect(Object.keys(own)).toEqual(Object.keys(theirs));
      for (const [kind, things] of Object.entries(theirs)) {
        expect(own[kind]!.map(steady).sort(byKey)).toEqual(
          things
            .map((thing) => ({ ...OLD_CLIENTS_LACK[kind], ...thing }))
            .map(steady)
            .sort(byKey),
        );
      }
    });

    it("knows the driver as docker info does", async () => {
      const info = (await dockerd.get("/info")) as {
        DockerRootDir: string;
        Driver: string;
        DriverStatus: [string, string][];
        Images: number;
        Containers: number;
        ContainersRunning: number;
      };
      const found = await storeInfo(store);
      expect(found).toMatchObject({
        root: info.DockerRootDir,
        exists: true,
        driver: info.Driver,
        holder: { pid: dockerd.pid, name: "dockerd" },
        writable: { possible: false, code: "ROOT_IN_USE_BY_DOCKERD" },
        counts: {
          images: info.Images,
          containers: info.Containers,
          containersRunning: info.ContainersRunning,
        },
      });
      const { filesystem } = found;
      const status = Object.fromEntries(info.DriverStatus);
      expect([
        ["Backing Filesystem", filesystem.name],
        ["Supports d_type", String(filesystem.supportsDType)],
        ["Native Overlay Diff", String(filesystem.nativeOverlayDiff)],
        ["userxattr", String(filesystem.userxattr)],
      ]).toEqual(
        [
          "Backing Filesystem",
          "Supports d_type",
          "Native Overlay Diff",
          "userxattr",
        ].map((key) => [key, status[key]]),
      );
      expect(found.others.map(({ path, count }) => [path, count])).toEqual([
        ["containers", 3],
        ["volumes", 3],
      ]);
    });

    it.each(Object.keys(built).filter((one) => one !== "alone"))(
      "knows each layer of %s as docker inspect does",
      async (repository) => {
        const reference = `${host}/${repository}:1`;
        const [image] = JSON.parse(
          await dockerd.docker(["inspect", reference]),
        ) as [
          {
            Id: string;
            Size: number;
            RootFS: { Layers: string[] };
            GraphDriver: { Data: { UpperDir: string; LowerDir?: string } };
          },
        ];
        const found = await imageLayers(store, reference);
        const { UpperDir, LowerDir } = image.GraphDriver.Data;
        expect(found.imageId).toBe(image.Id);
        expect(found.size).toBe(image.Size);
        expect(found.layers.map(({ diffId }) => diffId)).toEqual(
          image.RootFS.Layers,
        );
        // docker has the nearest first.
        expect(found.layers.map(({ directory }) => directory)).toEqual(
          [UpperDir, ...(LowerDir?.split(":") ?? [])].toReversed(),
        );
        const wanted = built[repository]!.layers;
        expect(found.layers.map(({ digest }) => digest)).toEqual(
          wanted.map(({ digest }) => digest),
        );
      },
    );

    it("finds every layer's place in the tree", async () => {
      const tree = await layerTree(store);
      const chains = new Set(
        Object.values(built).flatMap((image) =>
          image.layers.map((_, at) =>
            image.layers
              .slice(0, at + 1)
              .map(({ diffId }) => diffId)
              .join(),
          ),
        ),
      );
      expect(tree).toMatchObject({
        layers: chains.size,
        size: docker.LayersSize,
        orphans: { layers: 0, size: 0 },
        unreadable: [],
      });
    });
  });
}

/** Containers in several states, and volumes with and without a user. */
async function useDocker(dockerd: Dockerd, host: string): Promise<void> {
  const run = async (options: string, image: string, ...command: string[]) => {
    const words = options.split(" ");
    await dockerd.docker([...words, `${host}/${image}`, ...command]);
  };
  await dockerd.docker(["volume", "create", "unused"]);
  await run("create --name created -v used:/data", "right:1", "/bin/true");
  await run(
    "run --name exited --network none -v used:/data -v /anon",
    "base:1",
    "/bin/sh",
    "-c",
    "echo hello > /written; echo more > /data/kept; echo > /etc/os-release",
  );
  await run("run --name running --network none -d -i", "base:1", "/bin/sh");
}

function comparableImage({
  Id,
  RepoTags,
  Size,
  SharedSize,
  Containers,
}: DockerUsage["Images"][number]) {
  const tags = (RepoTags ?? []).filter((tag) => tag !== "<none>:<none>");
  return { Id, RepoTags: tags, Size, SharedSize, Containers };
}

function comparableContainer({
  Id,
  Names,
  Image,
  ImageID,
  Command,
  State,
  SizeRw = 0,
}: DockerUsage["Containers"][number]) {
  return { Id, Names, Image, ImageID, Command, State, SizeRw };
}

/** Fields that newer clients have. */
const OLD_CLIENTS_LACK: Record<string, Record<string, string>> = {
  Volumes: { Availability: "N/A", Group: "N/A", Status: "N/A" },
};

/** Without what changes from one answer to the next, and what a root does not tell. */
function steady(fields: Record<string, string>): Record<string, string> {
  const left = new Set(FLEETING);
  // Old clients have sizes of images with more digits.
  if ("VirtualSize" in fields) left.add("Size");
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([name]) => !left.has(name))
      .map(([name, value]) => [
        name,
        // docker has them in no order.
        name === "Mounts" ? value.split(",").sort().join() : value,
      ]),
  );
}

const FLEETING = ["CreatedSince", "RunningFor", "Status", "Ports", "Platform"];

function byKey(a: Record<string, string>, b: Record<string, string>): number {
  return (a["ID"] ?? a["Name"]!) < (b["ID"] ?? b["Name"]!) ? -1 : 1;
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

describeUsage("a root that dockerd filled", dockerdPuller);
describeUsage("a root that tpull filled", tpullPuller);

describe("compressed sizes", () => {
  const cleanups = new Cleanups();
  afterAll(() => cleanups.close());

  describeWithPeers("of a pull", ["docker-registry"], {}, () => {
    it("are those of the blobs in the registry", async () => {
      const root = join(await cleanups.tempDir(), "root");
      const { host } = cleanups.use(await startDockerRegistry());
      const image = images()["right"]!;
      const { reference } = await pushImage(host, "right", "1", image);
      await tpullOk(["pull", "--root", root, reference]);
      const found = await imageLayers(await openStore(root), reference);
      const sizes = image.layers.map(({ size }) => size);
      expect(found.layers.map((one) => one.compressedSize)).toEqual(sizes);
      expect(found.compressedSize).toBe(
        sizes.reduce((sum, size) => sum + size, 0),
      );
      expect(found.manifest).toBe(image.manifest.digest);
    });
  });
});
