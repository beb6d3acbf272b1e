// What real daemons write, and leave when they have lived on a root for a while, is no damage.
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openStore, type Verification, verifyStore } from "#store/index.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { type Dockerd, startDockerd } from "../helpers/dockerd.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups } from "../helpers/run.js";
import { tpull, tpullOk } from "../helpers/tpull-cli.js";
import { NOT_PULLABLE, PULLABLE } from "./images.js";

const LONG_MS = 300_000;
const PEERS = ["docker", "dockerd", "docker-registry", "busybox"] as const;

describeWithPeers("tpull verify", PEERS, { root: true }, () => {
  const cleanups = new Cleanups();
  const references: string[] = [];
  let folder = "";
  let dockerd: Dockerd | undefined;
  const root = (): string => join(folder, "root");

  beforeAll(async () => {
    folder = await cleanups.tempDir();
    const { host } = cleanups.use(await startDockerRegistry());
    for (const { name, build } of PULLABLE.filter(({ push }) => !push)) {
      const pushed = await pushImage(host, name, "tag", await build());
      references.push(pushed.reference);
    }
    for (const { name, build } of NOT_PULLABLE) {
      await pushImage(host, name, "tag", await build());
    }
    dockerd = await startDockerd(root());
    for (const reference of references) {
      await dockerd.docker(["pull", reference]);
    }
  }, LONG_MS);
  afterAll(async () => {
    await dockerd?.stop();
    await cleanups.close();
  }, LONG_MS);

  async function verify(): Promise<Verification> {
    return await verifyStore(await openStore(root()));
  }

  async function docker(...args: string[]): Promise<string> {
    return await dockerd!.docker(args);
  }

  async function restart(): Promise<void> {
    await dockerd?.stop();
    dockerd = await startDockerd(root());
  }

  it(
    "finds nothing wrong under a daemon that has pulled",
    async () => {
      const { findings, notChecked, images } = await verify();
      expect(findings).toEqual([]);
      expect(images).toBe(references.length);
      expect(notChecked.map(({ code }) => code)).toEqual(["IN_THE_MAKING"]);
      const { code, stderr } = await tpull(["verify", "--root", root()]);
      expect(code).toBe(0);
      expect(stderr).toContain("dockerd");
    },
    LONG_MS,
  );

  it(
    "finds nothing wrong while containers run, and after they were stopped",
    async () => {
      const [first = "", second = ""] = references;
      await docker(
        "run",
        "-d",
        "--name=runs",
        "--network=none",
        first,
        "/bin/sh",
        "-c",
        "while true; do :; done",
      );
      await docker(
        "run",
        "--name=ran",
        "--network=none",
        second,
        "/bin/sh",
        "-c",
        "echo x > /written",
      );
      expect((await verify()).findings).toEqual([]);
      await docker("kill", "runs");
      expect((await verify()).findings).toEqual([]);
    },
    LONG_MS,
  );

  it(
    "finds nothing wrong after images were saved, committed, tagged and removed",
    async () => {
      for (const reference of references) {
        await docker("save", "-o", join(folder, "saved.tar"), reference);
      }
      await docker("commit", "ran", "made:here");
      await docker("tag", references[2]!, "other/name:2");
      await docker("rmi", references[2]!, references[3]!);
      expect((await verify()).findings).toEqual([]);
      await dockerd?.stop();
      const { findings, notChecked } = await verify();
      expect(findings).toEqual([]);
      expect(notChecked).toEqual([]);
    },
    LONG_MS,
  );

  it(
    "finds nothing wrong in what tpull adds, and after the next start of a daemon",
    async () => {
      const host = references[0]!.split("/")[0]!;
      for (const { name } of NOT_PULLABLE) {
        await tpullOk(["pull", "--root", root(), `${host}/${name}:tag`]);
      }
      await tpullOk(["pull", "--root", root(), references[3]!]);
      expect((await verify()).findings).toEqual([]);
      await restart();
      await docker("rm", "-f", "runs", "ran");
      await docker("load", "-i", join(folder, "saved.tar"));
      expect((await verify()).findings).toEqual([]);
      const ids = (await docker("images", "-q")).split("\n").filter(Boolean);
      await docker("rmi", "-f", ...new Set(ids));
      await dockerd?.stop();
      const { findings, images, layers } = await verify();
      expect(findings.filter(({ code }) => code !== "LAYER_ORPHAN")).toEqual(
        [],
      );
      expect(images).toBe(0);
      expect(layers).toBe(findings.length);
    },
    LONG_MS,
  );
});
