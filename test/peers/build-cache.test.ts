// The cache of dockerd's builder, which keeps its books in databases of its own.
import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { diskUsage, openStore, storeInfo } from "#store/index.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { type Dockerd, startDockerd } from "../helpers/dockerd.js";
import { onBusybox } from "../helpers/images/odd-images.js";
import { describeWithPeers, PEER_PATH } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups, runOk } from "../helpers/run.js";
import { file } from "../helpers/tar-writer.js";
import { tpullOk } from "../helpers/tpull-cli.js";
import { SUITE_PEERS } from "./suite.js";

const LONG_MS = 300_000;

interface BuildRecord {
  ID: string;
  Type: string;
  Description: string;
  Parent?: string;
  Parents?: string[];
  Shared: boolean;
  Size: number;
  UsageCount: number;
}

/** A docker that can build: new ones only with a plugin, which may be missing. */
function findBuilder(): string | undefined {
  return PEER_PATH.split(delimiter)
    .map((folder) => join(folder, "docker"))
    .find((docker) => {
      const { status, stdout } = spawnSync(docker, ["--version"]);
      if (status !== 0) return false;
      if (Number(/version (\d+)/.exec(String(stdout))?.[1]) < 23) return true;
      return spawnSync(docker, ["buildx", "version"]).status === 0;
    });
}

const builder = findBuilder();

describeWithPeers(
  "the build cache",
  [...SUITE_PEERS, "busybox"],
  { root: true, reasons: builder === undefined ? ["docker buildx"] : [] },
  () => {
    const cleanups = new Cleanups();
    let root = "";
    let dockerd: Dockerd;

    beforeAll(async () => {
      const folder = await cleanups.tempDir();
      root = join(folder, "root");
      const { host } = cleanups.use(await startDockerRegistry());
      const image = onBusybox([[file("base", "base")]]);
      const pushed = await pushImage(host, "base", "1", image);
      dockerd = cleanups.use(await startDockerd(root));
      await dockerd.docker(["pull", pushed.reference]);
      const context = join(folder, "context");
      await mkdir(context);
      await writeFile(join(context, "added"), "x".repeat(12_345));
      await writeFile(
        join(context, "Dockerfile"),
        `FROM ${pushed.reference}\nCOPY added /added\nCOPY Dockerfile /other\n`,
      );
      const build = async (): Promise<void> => {
        const words = ["build", "-q", "-t", "built:1", context];
        const [, toDaemon] = dockerd.command(words);
        const env = { DOCKER_BUILDKIT: "1", DOCKER_CONFIG: "/nonexistent" };
        await runOk(builder!, toDaemon, { env });
      };
      await build();
      // A step that an image has, and one that no image has any more.
      await dockerd.docker(["rmi", "built:1"]);
      await writeFile(join(context, "added"), "y".repeat(54_321));
      await build();
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    /** Twice: as a daemon has it in mind, and as one finds it when it starts. */
    it.each(["in the daemon that built", "in the next one"])(
      "is as dockerd counts it %s",
      async (when) => {
        if (when === "in the next one") {
          await dockerd.stop();
          dockerd = cleanups.use(await startDockerd(root));
        }
        const { BuildCache } = (await dockerd.get("/system/df")) as {
          BuildCache: BuildRecord[];
        };
        expect(BuildCache.length).toBeGreaterThan(3);
        expect(BuildCache.some(({ Shared }) => Shared)).toBe(true);
        expect(BuildCache.some(({ Size }) => Size > 12_000)).toBe(true);
        const usage = await diskUsage(await openStore(root));
        expect(
          usage.buildCache
            .map((record) => ({
              ID: record.id,
              Type: record.type,
              Description: record.description,
              Parents: record.parents,
              Shared: record.shared,
              Size: record.size,
              UsageCount: record.usageCount,
            }))
            .sort(byId),
        ).toEqual(BuildCache.map(comparable).sort(byId));
        const words = ["system", "df", "--format", "{{json .}}"];
        const theirs = (await dockerd.docker(words)).split("\n").slice(0, 4);
        const own = (await tpullOk([...words, "--root", root])).split("\n");
        expect(own.slice(0, 4)).toEqual(theirs);
      },
      LONG_MS,
    );

    it("is nobody's leftover", async () => {
      await dockerd.stop();
      const store = await openStore(root);
      const usage = await diskUsage(store);
      expect(usage.leftovers).toEqual([]);
      const { counts, others } = await storeInfo(store);
      expect(counts.orphanLayers).toBe(0);
      expect(others).toContainEqual({
        path: "buildkit",
        kind: "build cache",
        count: usage.buildCache.length,
      });
    });
  },
);

function comparable({
  ID,
  Type,
  Description,
  Parent,
  Parents,
  Shared,
  Size,
  UsageCount,
}: BuildRecord) {
  const parents = Parents ?? [Parent ?? ""].filter((one) => one !== "");
  return { ID, Type, Description, Parents: parents, Shared, Size, UsageCount };
}

function byId(a: { ID: string }, b: { ID: string }): number {
  return a.ID < b.ID ? -1 : 1;
}
