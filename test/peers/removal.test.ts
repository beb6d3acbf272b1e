// docker rmi, docker tag and docker image prune beside tpull's, step by step on
// copies of one root: the same lines, the same refusals, and in the end the
// same images and layers for a dockerd to show.
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ChainId, ImageId } from "#store/index.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { type Dockerd, startDockerd } from "../helpers/dockerd.js";
import { chainIdsOf, type Image } from "../helpers/image-builder.js";
import { onBusybox } from "../helpers/images/odd-images.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups } from "../helpers/run.js";
import { namesIn, storedLayers } from "../helpers/store/data-root.js";
import { file } from "../helpers/tar-writer.js";
import { tpull, tpullOk } from "../helpers/tpull-cli.js";
import { addContainer, noteParent } from "../store/support/docker-state.js";
import { copyRoot, SUITE_PEERS } from "./suite.js";

const LONG_MS = 300_000;
const NAMES = [
  "one",
  "two",
  "several",
  "spread",
  "digest",
  "boxed",
  "boxed-twice",
  "running",
  "grandparent",
  "parent",
  "kid",
  "lone-parent",
  "lone-kid",
  "left-1",
  "left-2",
  "label",
] as const;
type Name = (typeof NAMES)[number];

/** Names that images get beside their own. */
const TAGS: Partial<Record<Name, readonly string[]>> = {
  one: ["one:1"],
  two: ["two:1", "two:2"],
  several: ["several:1", "several:2"],
  spread: ["spread:1", "me/spread:1"],
  boxed: ["boxed:1"],
  "boxed-twice": ["boxed-twice:1", "boxed-twice:2"],
  running: ["running:1"],
  kid: ["kid:1"],
  "lone-kid": ["lone-kid:1"],
  label: ["label:1"],
};
/** Images that were made from others: they share all but one layer. */
const PARENTS: Partial<Record<Name, Name>> = {
  parent: "grandparent",
  kid: "parent",
  "lone-kid": "lone-parent",
};

describeWithPeers(
  "removals beside dockerd's",
  [...SUITE_PEERS, "busybox"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    const images = new Map<Name, Image>();
    let host = "";
    let folder = "";
    let dockerd: Dockerd;
    const theirs = () => join(folder, "theirs");
    const ours = () => join(folder, "ours");
    const idOf = (name: Name) => images.get(name)!.config.digest as ImageId;
    const short = (name: Name) => idOf(name).slice(7, 19);
    const digested = (name: Name) =>
      `${host}/${name}@${images.get(name)!.manifest.digest}`;

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      ({ host } = cleanups.use(await startDockerRegistry()));
      const master = join(folder, "master");
      for (const name of NAMES) {
        const parents: Name[] = [name];
        for (let up = PARENTS[name]; up !== undefined; up = PARENTS[up]) {
          parents.unshift(up);
        }
        const image = onBusybox(parents.map((part) => [file(part, part)]));
        images.set(name, image);
        const pushed = await pushImage(host, name, "1", image);
        await tpullOk(["--root", master, pushed.byDigest]);
      }
      for (const [kid, parent] of Object.entries(PARENTS)) {
        await noteParent(master, idOf(kid as Name), idOf(parent));
      }
      await forgetNames(master, ["parent", "grandparent", "lone-parent"]);
      const daemon = await startDockerd(master);
      try {
        for (const [name, tags] of Object.entries(TAGS)) {
          for (const tag of tags)
            await daemon.docker(["tag", idOf(name as Name), tag]);
        }
        const create = ["create", "--network=none"];
        for (const image of ["boxed:1", "boxed-twice:1"]) {
          await daemon.docker([...create, image, "/bin/true"]);
        }
      } finally {
        await daemon.stop();
      }
      await copyRoot(master, theirs());
      await copyRoot(master, ours());
      dockerd = await startDockerd(theirs());
    }, LONG_MS);
    afterAll(async () => {
      await dockerd.stop();
      await cleanups.close();
    }, LONG_MS);

    /** Takes the names of images away. */
    async function forgetNames(root: string, names: Name[]): Promise<void> {
      const path = join(root, "image/overlay2/repositories.json");
      const { Repositories } = JSON.parse(await readFile(path, "utf8")) as {
        Repositories: Record<string, object>;
      };
      for (const name of names) delete Repositories[`${host}/${name}`];
      await writeFile(path, JSON.stringify({ Repositories }));
    }

    /** What a command printed, with the reason of a failure in its own words. */
    async function docker(args: readonly string[]) {
      const { code, stdout, stderr } = await dockerd.tryDocker(args);
      const reasons = stderr
        .split("\n")
        .map((line) => line.replace(/^Error[^:]*: /, ""))
        .map((line) => line.replace(/^No such image: .*/i, "not there"))
        .filter((line) => line !== "");
      return { code, out: stdout, reasons };
    }

    async function own(args: readonly string[]) {
      const [command = "", ...rest] = args;
      const result = await tpull([command, "--root", ours(), ...rest]);
      const reasons = result.stderr
        .split("\n")
        .filter((line) => line.startsWith("tpull: "))
        .map((line) => line.replace(/^tpull: /, ""))
        .map((line) => line.replace(/.* \(IMAGE_NOT_FOUND\)$/, "not there"))
        .map((line) => line.replace(/ \([A-Z_]+\)$/, ""));
      return { code: result.code, out: result.stdout, reasons };
    }

    it.each<[title: string, args: () => string[], lines?: number]>([
      ["an absent image", () => ["rmi", "nothing"], 0],
      ["an absent image by force", () => ["rmi", "-f", "nothing:1"], 0],
      ["a tag beside a digest", () => ["rmi", "one:1"], 1],
      ["the last digest", () => ["rmi", digested("one")], 3],
      ["one of two tags", () => ["rmi", "two:1"], 1],
      ["an ID with a tag and a foreign digest", () => ["rmi", short("two")], 0],
      ["that digest", () => ["rmi", digested("two")], 1],
      ["then the ID", () => ["rmi", short("two")], 3],
      ["an ID of several tags", () => ["rmi", idOf("several")], 0],
      ["the same by force", () => ["rmi", "-f", idOf("several")], 5],
      ["an ID of several repositories", () => ["rmi", short("spread")], 0],
      [
        "its names in one go, and one twice",
        () => [
          "rmi",
          "spread:1",
          "spread:1",
          "me/spread:1",
          digested("spread"),
        ],
        5,
      ],
      [
        "a tag with a digest",
        () => ["rmi", digested("digest").replace("@", ":7@")],
        3,
      ],
      ["the last tag under a container", () => ["rmi", digested("boxed")], 1],
      ["the only tag under a container", () => ["rmi", "boxed:1"], 0],
      ["the ID under a container", () => ["rmi", short("boxed")], 0],
      ["the same by force", () => ["rmi", "--force", "boxed:1"], 2],
      ["a tag of two under a container", () => ["rmi", "boxed-twice:1"], 1],
      [
        "the others by force of the ID",
        () => ["rmi", "-f", idOf("boxed-twice")],
        3,
      ],
      ["a parent", () => ["rmi", short("parent")], 0],
      ["a grandparent by force", () => ["rmi", "-f", idOf("grandparent")], 0],
      ["a digest of the kid", () => ["rmi", digested("kid")], 1],
      ["the kid with its parents", () => ["rmi", "kid:1"], 7],
      ["a digest of another", () => ["rmi", digested("lone-kid")], 1],
      ["that one alone", () => ["rmi", "--no-prune", "lone-kid:1"], 3],
      ["then its parent", () => ["rmi", idOf("lone-parent")], 2],
      ["a new name", () => ["tag", "label:1", "new/name"]],
      ["a name that moves", () => ["tag", digested("left-1"), "label:1"]],
      ["a name with a digest", () => ["tag", "label:1", `x@${idOf("label")}`]],
      ["a name of nothing", () => ["tag", "nothing", "x"]],
      ["the name that moved", () => ["rmi", "label:1"], 1],
    ])("%s", async (_, args, lines) => {
      const expected = await docker(args());
      const found = await own(args());
      if (args()[0] === "rmi") {
        expect(found).toEqual(expected);
        expect(found.out.split("\n").length - 1).toBe(lines);
      } else expect(found.code).toBe(expected.code);
    });

    it(
      "an image that a running container uses",
      async () => {
        const sleep = ["/bin/busybox", "sleep", "1000"];
        const run = ["run", "-d", "--network=none", "running:1", ...sleep];
        const id = (await dockerd.docker(run)).trim();
        const top = chainIdsOf(images.get("running")!).at(-1) as ChainId;
        const image = idOf("running");
        await addContainer(ours(), { id, image, running: true, top });
        for (const args of [
          ["rmi", digested("running")],
          ["rmi", "running:1"],
          ["rmi", image],
          ["rmi", "-f", image],
          ["rmi", "-f", "running:1"],
          ["rmi", "-f", image],
        ]) {
          expect(await own(args)).toEqual(await docker(args));
        }
        await dockerd.docker(["rm", "-f", id]);
        await rm(join(ours(), "containers", id), { recursive: true });
        const mounts = join(ours(), "image/overlay2/layerdb/mounts");
        await rm(join(mounts, id), { recursive: true });
        expect(await own(["rmi", image])).toEqual(await docker(["rmi", image]));
      },
      LONG_MS,
    );

    it(
      "what nobody uses",
      async () => {
        for (const flags of [
          ["--filter", "until=2020-01-01"],
          ["--filter", "label=none"],
          [],
          ["-a", "--filter", "label!=none"],
          ["-a"],
        ]) {
          // dockerd's order is that of chance.
          const sorted = ({
            code,
            out,
            reasons,
          }: Awaited<ReturnType<typeof own>>) => ({
            code,
            lines: out.split("\n").sort(),
            reasons,
          });
          const expected = await docker(["image", "prune", "-f", ...flags]);
          const found = await own(["prune", "-f", ...flags]);
          expect(sorted(found)).toEqual(sorted(expected));
        }
      },
      LONG_MS,
    );

    it("are refused under a running dockerd, and only told", async () => {
      const root = ["--root", theirs()];
      for (const words of [
        ["rmi", "running:1"],
        ["tag", "running:1", "x"],
        ["prune", "-af"],
        ["prune", "--partial", "-f"],
      ]) {
        const { code, stdout, stderr } = await tpull([...words, ...root]);
        expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
        expect(stderr).toContain("(ROOT_IN_USE_BY_DOCKERD)");
      }
      const dry = await tpull(["prune", "--dry-run", "-a", ...root]);
      expect(dry.code).toBe(0);
      expect(dry.stderr).toContain("runs on");
    });

    it(
      "leave the same for a dockerd to show",
      async () => {
        await dockerd.stop();
        const text = (root: string) =>
          readFile(join(root, "image/overlay2/repositories.json"), "utf8");
        expect(await text(ours())).toBe(await text(theirs()));
        const [left, right] = await Promise.all(
          [ours(), theirs()].map(async (root) => ({
            layers: [...(await storedLayers(root)).keys()],
            images: await namesIn(
              join(root, "image/overlay2/imagedb/content/sha256"),
            ),
            // Random names; the mounts of containers are among them.
            files: (await namesIn(join(root, "overlay2"))).length,
            links: (await namesIn(join(root, "overlay2/l"))).length,
          })),
        );
        expect(left).toEqual(right);
        const daemon = await startDockerd(ours());
        try {
          expect(await daemon.dropped()).toEqual([]);
          const list = ["images", "-a", "-q", "--no-trunc"];
          const ids = (await daemon.docker(list)).split("\n").filter(Boolean);
          expect(ids.map((id) => id.slice(7)).sort()).toEqual(left!.images);
        } finally {
          await daemon.stop();
        }
      },
      LONG_MS,
    );
  },
);
