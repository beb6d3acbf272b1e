/**
 * One set of tests for whoever fills a data root: what it pulls from
 * docker-registry, a dockerd has to accept as its own, and it has to equal
 * what dockerd writes for the same images.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  describeFindings,
  removalFindings,
  runFindings,
  saveFindings,
  upToDateFindings,
} from "../helpers/store/acceptance.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd, type Dockerd } from "../helpers/dockerd.js";
import { chainIdsOf, type Image } from "../helpers/image-builder.js";
import { describeWithPeers, type Needs, type Peer } from "../helpers/peers.js";
import { pushImage, type Pushed } from "../helpers/push.js";
import { Cleanups, runOk } from "../helpers/run.js";
import { checkStore } from "../helpers/store/check.js";
import { diffLayers, diffMetadata } from "../helpers/store/diff.js";
import { tpullOk } from "../helpers/tpull-cli.js";

/** Fills one data root, image after image. */
export interface Puller {
  pull(reference: string): Promise<void>;
  /** Whether it mounts layers, which leaves marks in them. */
  readonly mounts: boolean;
  stop(): Promise<void>;
}

export interface SuiteImage {
  /** Repository in the registry. */
  readonly name: string;
  readonly build: () => Image | Promise<Image>;
  /** See {@link OddImage}. */
  readonly pullable?: () => Image;
  /** How it gets into the registry; default: tagged as `tag`. */
  readonly push?: (
    host: string,
    repository: string,
    image: Image,
  ) => Promise<Pushed>;
  /** What to pull it by; default: its tag. */
  readonly reference?: (pushed: Pushed) => string;
  /** What to run in it; default `/bin/true`. */
  readonly command?: readonly string[];
}

export const SUITE_PEERS: readonly Peer[] = [
  "docker",
  "dockerd",
  "docker-registry",
  "python3",
];

const LONG_MS = 300_000;

/** dockerd as the one who pulls: the measure, and the test of the tests. */
export async function dockerdPuller(root: string): Promise<Puller> {
  const dockerd = await startDockerd(root);
  return {
    mounts: true,
    pull: async (reference) => void (await dockerd.docker(["pull", reference])),
    stop: () => dockerd.stop(),
  };
}

/** tpull's command line as the one who pulls. */
export async function tpullPuller(root: string): Promise<Puller> {
  return {
    mounts: false,
    pull: async (ref) => void (await tpullOk(["pull", "--root", root, ref])),
    stop: async () => {},
  };
}

/** A copy with all metadata, so that a daemon may change it. */
export async function copyRoot(from: string, to: string): Promise<void> {
  await runOk("cp", ["-a", "--reflink=auto", from, to]);
}

/** Declares the tests of one puller on some images. */
export function describePulls(
  name: string,
  images: readonly SuiteImage[],
  startPuller: (root: string) => Promise<Puller>,
  needs: Needs & { readonly peers?: readonly Peer[] } = {},
): void {
  const peers = [...SUITE_PEERS, ...(needs.peers ?? [])];
  describeWithPeers(name, peers, { ...needs, root: true }, () => {
    const cleanups = new Cleanups();
    const built = new Map<string, Image>();
    const references = new Map<string, string>();
    const known = new Map<string, string>();
    let folder = "";
    let host = "";
    const root = () => join(folder, "root");

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      ({ host } = cleanups.use(await startDockerRegistry()));
      for (const image of images) {
        built.set(image.name, await image.build());
        const pushed = await (image.push ?? pushTagged)(
          host,
          image.name,
          built.get(image.name)!,
        );
        const reference = image.reference?.(pushed) ?? pushed.reference;
        references.set(image.name, reference);
        known.set(image.name, withoutTag(reference));
      }
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    let mounted = false;
    describe("pulls", () => {
      let puller: Puller;
      beforeAll(async () => {
        puller = await startPuller(root());
        mounted = puller.mounts;
      });
      afterAll(() => puller.stop());

      it.each(images)(
        "$name",
        ({ name }) => puller.pull(references.get(name)!),
        LONG_MS,
      );
    });

    it("leaves a sound store", async () => {
      expect(await checkStore(root(), { mounted })).toEqual([]);
    });

    describe("a dockerd on the root", () => {
      let dockerd: Dockerd;
      beforeAll(async () => {
        await copyRoot(root(), join(folder, "accepted"));
        dockerd = await startDockerd(join(folder, "accepted"));
      }, LONG_MS);
      afterAll(() => dockerd.stop());

      it("restores everything", async () => {
        expect(await dockerd.dropped()).toEqual([]);
      });

      it.each(images)(
        "describes, runs and saves $name",
        async ({ name, command }) => {
          const image = built.get(name)!;
          const reference = known.get(name)!;
          expect([
            ...(await describeFindings(dockerd, image, reference)),
            ...(await runFindings(
              dockerd,
              reference,
              command ?? ["/bin/true"],
            )),
            ...(await saveFindings(dockerd, image, reference)),
          ]).toEqual([]);
        },
        LONG_MS,
      );

      it(
        "finds every image up to date and removes them all",
        async () => {
          // Newer daemons do not free the layers of an image they have saved.
          await dockerd.stop();
          dockerd = await startDockerd(join(folder, "accepted"));
          const findings: string[] = [];
          for (const reference of known.values())
            findings.push(...(await upToDateFindings(dockerd, reference)));
          findings.push(...(await removalFindings(dockerd)));
          expect(findings).toEqual([]);
        },
        LONG_MS,
      );
    });

    describe("equals what dockerd writes", () => {
      const other = () => join(folder, "dockerd");
      const sides = ["the root", "dockerd's own"] as const;
      beforeAll(async () => {
        const dockerd = await dockerdPuller(other());
        try {
          for (const image of images) {
            if (image.pullable !== undefined)
              await pushTagged(host, image.name, image.pullable());
            await dockerd.pull(references.get(image.name)!);
          }
        } finally {
          await dockerd.stop();
        }
      }, LONG_MS);

      it.each(images)(
        "in every file of $name",
        async ({ name }) => {
          const chains = chainIdsOf(built.get(name)!);
          expect(await diffLayers(root(), other(), chains, sides)).toEqual([]);
        },
        LONG_MS,
      );

      // Other blobs of the same layers have other digests, which are stored too.
      it.skipIf(images.some((image) => image.pullable !== undefined))(
        "in all metadata",
        async () => {
          expect(await diffMetadata(root(), other(), sides)).toEqual([]);
        },
        LONG_MS,
      );
    });
  });
}

/** With a digest, docker forgets the tag. */
function withoutTag(reference: string): string {
  return reference.replace(/:[^:/@]+@/, "@");
}

async function pushTagged(
  host: string,
  repository: string,
  image: Image,
): Promise<Pushed> {
  return await pushImage(host, repository, "tag", image);
}
