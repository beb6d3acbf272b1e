// tpull and dockerd on one data root, one after the other and both at once.
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { Dockerd, startDockerd } from "../helpers/dockerd.js";
import { GateProxy } from "../helpers/gate-proxy.js";
import { chainIdsOf, imageOf, layerOf } from "../helpers/image-builder.js";
import { busyboxLayer, onBusybox } from "../helpers/images/odd-images.js";
import { HARDLINKS, PLAIN } from "../helpers/images/odd-layers.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups } from "../helpers/run.js";
import { describeFindings, saveFindings } from "../helpers/store/acceptance.js";
import { checkStore } from "../helpers/store/check.js";
import { diffLayers, diffMetadata } from "../helpers/store/diff.js";
import { archive } from "../helpers/tar-writer.js";
import { tpull, tpullOk } from "../helpers/tpull-cli.js";
import { copyRoot, dockerdPuller, SUITE_PEERS } from "./suite.js";

const MINUTE = 60_000;
const peers = [...SUITE_PEERS, "busybox"] as const;

describeWithPeers(
  "tpull and dockerd on one root",
  peers,
  { root: true },
  () => {
    const cleanups = new Cleanups();
    const first = () => onBusybox([PLAIN]);
    const second = () =>
      imageOf([busyboxLayer(), layerOf(archive(HARDLINKS[0]!))]);
    let host = "";
    let one = "";
    let two = "";
    let folder = "";
    const root = () => join(folder, "root");

    beforeAll(async () => {
      ({ host } = cleanups.use(await startDockerRegistry()));
      one = (await pushImage(host, "one", "tag", first())).reference;
      two = (await pushImage(host, "two", "tag", second())).reference;
    }, MINUTE);
    beforeEach(async () => {
      folder = await cleanups.tempDir();
    });
    afterAll(() => cleanups.close(), MINUTE);

    /** Fills a root by dockerd. */
    async function byDockerd(
      at: string,
      ...references: string[]
    ): Promise<void> {
      const dockerd = await dockerdPuller(at);
      try {
        for (const reference of references) await dockerd.pull(reference);
      } finally {
        await dockerd.stop();
      }
    }

    /** What the tool prints about a layer. */
    const line = (index: number, state: string): string =>
      `${second().layers[index]!.digest.slice(7, 19)}: ${state}`;

    it(
      "reuses the layers of a root that dockerd has filled",
      async () => {
        await byDockerd(root(), one);
        const said = await tpullOk(["pull", "--root", root(), two]);
        expect(said).toContain(line(0, "Already exists"));
        expect(said).toContain(line(1, "Pull complete"));
        expect(await checkStore(root())).toEqual([]);

        const other = join(folder, "dockerd");
        await byDockerd(other, one, two);
        const sides = ["shared", "dockerd's own"] as const;
        const chains = [...chainIdsOf(first()), ...chainIdsOf(second())];
        expect([
          ...(await diffLayers(root(), other, chains, sides)),
          ...(await diffMetadata(root(), other, sides)),
        ]).toEqual([]);
      },
      MINUTE,
    );

    it(
      "finds dockerd's own pull up to date",
      async () => {
        await byDockerd(root(), one);
        const said = await tpullOk(["pull", "--root", root(), one]);
        expect(said).toContain(`Status: Image is up to date for ${one}`);
        expect(await checkStore(root())).toEqual([]);
      },
      MINUTE,
    );

    it(
      "records what dockerd does of an image it has under another name",
      async () => {
        // Equal config, so the same image; its blobs are others.
        const tar = archive(PLAIN);
        const other = layerOf(tar, { compression: "gzip-members" });
        const again = imageOf([busyboxLayer(), other]);
        const name = (await pushImage(host, "again", "tag", again)).reference;
        for (const reference of [one, name])
          await tpullOk(["pull", "--root", root(), reference]);
        await byDockerd(join(folder, "dockerd"), one, name);
        const sides = ["the root", "dockerd's own"] as const;
        expect(
          await diffMetadata(root(), join(folder, "dockerd"), sides),
        ).toEqual([]);
      },
      MINUTE,
    );

    it(
      "fills a root whose layers dockerd reuses",
      async () => {
        await tpullOk(["pull", "--root", root(), one]);
        const dockerd = await startDockerd(root());
        try {
          const said = await dockerd.docker(["pull", two]);
          expect(said).toContain(line(0, "Already exists"));
          expect(said).toContain(line(1, "Pull complete"));
          expect([
            ...(await dockerd.dropped()),
            ...(await describeFindings(dockerd, second(), two)),
            ...(await saveFindings(dockerd, second(), two)),
          ]).toEqual([]);
        } finally {
          await dockerd.stop();
        }
      },
      MINUTE,
    );

    it(
      "refuses the root of a running dockerd",
      async () => {
        const dockerd = await startDockerd(root());
        try {
          await dockerd.docker(["pull", one]);
          await copyRoot(root(), join(folder, "before"));
          const { code, stderr } = await tpull(["pull", "--root", root(), two]);
          expect(code).toBe(1);
          expect(stderr).toContain(root());
          expect(stderr).toMatch(/dockerd|docker daemon/i);
          const sides = ["after", "before"] as const;
          expect(
            await diffMetadata(root(), join(folder, "before"), sides),
          ).toEqual([]);
        } finally {
          await dockerd.stop();
        }
      },
      MINUTE,
    );

    it(
      "keeps a dockerd from starting while it pulls",
      async () => {
        const gate = cleanups.use(await GateProxy.start(host));
        const reference = `${gate.host}/one:tag`;
        const pulling = tpull(["pull", "--root", root(), reference]);
        await gate.held;
        const early = cleanups.use(await Dockerd.spawn(root()));
        await expect(early.ready()).rejects.toThrow("did not start");
        expect(await early.log()).toMatch(
          /volume store metadata database: timeout/,
        );
        await early.stop();

        gate.open();
        expect(await pulling).toMatchObject({ code: 0 });
        expect(await checkStore(root())).toEqual([]);
        const late = cleanups.use(await startDockerd(root()));
        expect([
          ...(await late.dropped()),
          ...(await describeFindings(late, first(), reference)),
        ]).toEqual([]);
      },
      2 * MINUTE,
    );
  },
);
