// A list of images prefetched from a real registry, for a real dockerd.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { prefetch } from "#src/index.js";
import { CountingProxy } from "../helpers/counting-proxy.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd } from "../helpers/dockerd.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  type Image,
} from "../helpers/image-builder.js";
import { busyboxLayer, onBusybox } from "../helpers/images/odd-images.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage, pushIndex } from "../helpers/push.js";
import { Cleanups } from "../helpers/run.js";
import {
  describeFindings,
  runFindings,
  saveFindings,
} from "../helpers/store/acceptance.js";
import { checkStore } from "../helpers/store/check.js";
import { file } from "../helpers/tar-writer.js";
import { tpullOk } from "../helpers/tpull-cli.js";
import { SUITE_PEERS } from "./suite.js";

const LONG_MS = 300_000;
const FOREIGN = { os: "linux", architecture: "s390x" };

/** An image that shares its base with the others. */
const imageWith = (content: string): Image =>
  onBusybox([[file("content", content)]]);

describeWithPeers(
  "a prefetch for dockerd",
  [...SUITE_PEERS, "busybox"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    const images = ["one", "two", "three"].map(imageWith);
    const pinned = imageWith("pinned");
    const foreign = imageOf([busyboxLayer()], { platform: FOREIGN });
    let proxy: CountingProxy;
    let folder = "";
    let names: string[] = [];
    let indexBytes = 0;
    let multi = "";
    let moved = "";

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      const { host } = cleanups.use(await startDockerRegistry());
      proxy = cleanups.use(await CountingProxy.start(host));
      for (const [at, image] of images.entries()) {
        await pushImage(host, `app${at}`, "1", image);
      }
      names = images.map((_, at) => `${proxy.host}/app${at}:1`);
      const index = indexOf([
        { image: foreign, platform: FOREIGN },
        { image: images[0]!, platform: MACHINE },
      ]);
      indexBytes = index.size;
      const both = [foreign, images[0]!];
      await pushIndex(host, "multi", "1", index, both);
      multi = `${proxy.host}/multi:1`;
      await pushImage(host, "moved", "1", pinned);
      await pushImage(host, "moved", "1", imageWith("moved"));
      moved = `${proxy.host}/moved:1`;
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    /** What the registry was asked for, but for whether it is one. */
    const sent = (): string[] =>
      proxy.requests
        .filter(({ url }) => !url.endsWith("/v2/"))
        .map(({ method, url }) => `${method} ${url}`);

    it(
      "asks for nothing twice, and the daemon takes all of it as its own",
      async () => {
        const root = join(folder, "root");
        const list = join(folder, "images.txt");
        await writeFile(
          list,
          [
            ...names,
            `${multi} linux/s390x`,
            `${multi} linux/${MACHINE.architecture}`,
          ].join("\n"),
        );
        const args = ["prefetch", "--json", "--root", root, "-f", list];
        const report = JSON.parse(await tpullOk(args)) as Report;
        expect(report).toMatchObject({ fetched: 5, failed: 0, notStarted: 0 });
        const asked = sent();
        expect(asked).toEqual([...new Set(asked)]);
        const blobs = asked.map((one) => /blobs\/(.*)$/.exec(one)?.[1]);
        const layers = blobs.filter((digest) => digest !== undefined);
        expect(layers).toEqual([...new Set(layers)]);
        expect(
          proxy.requests.reduce((sum, { bytes }) => sum + bytes, 0),
        ).toBeGreaterThanOrEqual(report.bytesFetched);

        const request = { reference: moved, digest: pinned.manifest.digest };
        const { failures } = await prefetch([request], { root });
        expect(failures).toEqual([]);

        proxy.requests.length = 0;
        const again = JSON.parse(await tpullOk(args)) as Report;
        // Which platforms a name has only its index says.
        expect(again).toMatchObject({ upToDate: 5, bytesFetched: indexBytes });
        expect(sent().sort()).toEqual(
          [
            ...[0, 1, 2].map((at) => `HEAD /v2/app${at}/manifests/1`),
            "GET /v2/multi/manifests/1",
          ].sort(),
        );

        expect(await checkStore(root)).toEqual([]);
        const dockerd = await startDockerd(root);
        try {
          expect(await dockerd.dropped()).toEqual([]);
          const here: [Image, string][] = [
            ...images.map((image, at): [Image, string] => [image, names[at]!]),
            [images[0]!, multi],
            [foreign, `${multi.replace(/:1$/, "")}@${foreign.manifest.digest}`],
            [pinned, moved],
          ];
          for (const [image, name] of here) {
            expect(await describeFindings(dockerd, image, name)).toEqual([]);
            expect(await saveFindings(dockerd, image, name)).toEqual([]);
          }
          const cat = ["/bin/cat", "/content"];
          expect(await runFindings(dockerd, moved, cat)).toEqual([]);
          expect(
            await dockerd.docker([
              "run",
              "--rm",
              "--network=none",
              moved,
              ...cat,
            ]),
          ).toBe("pinned");
        } finally {
          await dockerd.stop();
        }
      },
      LONG_MS,
    );
  },
);

interface Report {
  readonly bytesFetched: number;
}
