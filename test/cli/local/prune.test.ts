// tpull prune, from the words and a keyboard to what is printed.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import type { CliInput } from "#src/cli/prompt.js";
import { digestOf, openStore } from "#store/index.js";
import {
  fakeImage,
  leaveLayers,
  storeImage,
} from "../../store/support/images.js";
import { keepBytes } from "../../store/support/kept.js";
import { listing, newRoot, writing } from "../../store/support/roots.js";
import { begin, run } from "./changing.js";

const app = fakeImage("app", "one", "two");
const loose = fakeImage("loose", "one", "x".repeat(12_345));
const { imageId } = loose.image;
const chainId = loose.layers[1]!.chainId;
let root: string;

/** One image with a name, and one without. */
beforeEach(async () => {
  root = await newRoot();
  await writing(root, async (writer) => {
    await storeImage(writer, app);
    await storeImage(writer, loose);
  });
  await writeFile(
    join(root, "image/overlay2/repositories.json"),
    JSON.stringify({ Repositories: { app: { "app:1": app.image.imageId } } }),
  );
});

const REMOVED = `Deleted Images:
deleted: ${imageId}
deleted: ${chainId}

Total reclaimed space: 12.35kB
`;

describe("tpull prune --force", () => {
  it("prints what docker prints", async () => {
    expect(await run(root, "prune", "-f")).toEqual({
      status: 0,
      out: REMOVED,
      err: "",
    });
    expect(await run(root, "image", "prune", "-f")).toEqual({
      status: 0,
      out: "Total reclaimed space: 0B\n",
      err: "",
    });
    const { out } = await run(root, "prune", "-af");
    expect(out).toContain("untagged: app:1\ndeleted: ");
  });

  it("prints the IDs of images only with -q", async () => {
    expect((await run(root, "prune", "-qf")).out).toBe(`${imageId}\n`);
  });

  it("prints one document for programs", async () => {
    const dry = await run(root, "prune", "--json", "--dry-run");
    expect(JSON.parse(dry.out)).toEqual({
      dryRun: true,
      images: [{ untagged: [], deleted: [imageId, chainId] }],
      leftovers: [],
      freedBytes: 12_345,
      damage: [],
    });
    const { out } = await run(root, "prune", "--json", "--force");
    expect(JSON.parse(out)).toMatchObject({ dryRun: false });
  });

  it("removes only what fits the filters, and until enough is free", async () => {
    for (const filter of [
      ["--filter", "until=2020-01-01"],
      ["--filter", "until=1h"],
      ["-f", "--filter=label=x"],
      ["--keep-storage", "1MB"],
    ]) {
      const { out } = await run(root, "prune", "--force", ...filter);
      expect(out).toBe("Total reclaimed space: 0B\n");
    }
    const { out } = await run(
      root,
      "prune",
      "-f",
      "--keep-storage=1kB",
      "--filter",
      "label!=x",
    );
    expect(out).toBe(REMOVED);
  });

  it("tells of what is damaged", async () => {
    const content = join(root, "image/overlay2/imagedb/content/sha256");
    await writeFile(join(content, imageId.slice(7)), "{}");
    const { status, err } = await run(root, "prune", "-f");
    expect(status).toBe(0);
    expect(err).toMatch(/^tpull: warning: .* is damaged: .*\(CONFIG_DAMAGED\)/);
  });
});

describe("tpull prune --dry-run", () => {
  it("changes nothing and asks nobody", async () => {
    const before = await listing(root);
    expect(await run(root, "prune", "--dry-run")).toEqual({
      status: 0,
      out: REMOVED.replace("Deleted Images", "Images to delete").replace(
        "reclaimed",
        "reclaimable",
      ),
      err: "",
    });
    expect(await listing(root)).toEqual(before);
  });
});

describe("tpull prune --blobs", () => {
  it("removes kept blobs and nothing else, and says which", async () => {
    await writing(root, async (writer) => {
      for (const bytes of [Buffer.from("one"), Buffer.from("three")]) {
        await keepBytes(writer, bytes);
      }
    });
    const [one, three] = [digestOf("one"), digestOf("three")];
    const dry = await run(root, "prune", "--blobs", "--dry-run");
    expect(dry).toMatchObject({ status: 0, err: "" });
    expect(dry.out.split("\n").toSorted().join("\n").trim()).toBe(
      [
        "Leftovers to delete:",
        "Total reclaimable space: 8B",
        `kept-blob: ${one} (3B)`,
        `kept-blob: ${three} (5B)`,
      ].join("\n"),
    );
    const young = ["prune", "--blobs", "-f", "--filter", "until=1h"];
    expect((await run(root, ...young)).out).toBe("Total reclaimed space: 0B\n");
    const { out } = await run(root, "prune", "--blobs", "-qf");
    expect(out.trim().split("\n").toSorted()).toEqual([one, three].toSorted());
    expect((await run(root, "images", "-q")).out.split("\n")).toHaveLength(3);
  });
});

describe("tpull prune --partial", () => {
  const waiting = fakeImage("waiting", "one", "three");
  const layer = waiting.layers[1]!.chainId;

  it("removes what pulls left, and no image", async () => {
    await writing(root, (writer) => leaveLayers(writer, waiting));
    const total = "Total reclaimed space: 5B\n";
    const dry = await run(root, "prune", "--partial", "--dry-run");
    expect(dry.out).toBe(
      `Leftovers to delete:\nlayer: ${layer} (5B)\n\n${total.replace("reclaimed", "reclaimable")}`,
    );
    const young = ["prune", "--partial", "-f", "--filter", "until=1h"];
    expect((await run(root, ...young)).out).toBe("Total reclaimed space: 0B\n");
    const { out } = await run(root, "prune", "--partial", "-f");
    expect(out).toBe(`Deleted Leftovers:\nlayer: ${layer} (5B)\n\n${total}`);
    const store = await openStore(root);
    expect(await store.imageConfig(imageId)).toBeDefined();
  });

  it("prints their IDs with -q", async () => {
    await writing(root, (writer) => leaveLayers(writer, waiting));
    const { out } = await run(root, "prune", "--partial", "-qf");
    expect(out).toBe(`${layer}\n`);
  });
});

/** A keyboard that types when it is asked. */
async function asked(words: string[], typed: string) {
  const keys = Object.assign(new PassThrough(), { isTTY: true });
  const { made, ended } = begin(root, words, keys as CliInput);
  await expect.poll(() => made.stderr.text).toContain("[y/N] ");
  keys.write(typed);
  return await ended;
}

describe("the question", () => {
  it.each([
    [["prune"], "all dangling images"],
    [
      ["prune", "-a"],
      "all images without at least one container associated to them",
    ],
    [["prune", "--partial"], "everything that interrupted pulls left"],
    [["prune", "--blobs"], "all kept blobs"],
  ])("of %j says what goes", async (words, what) => {
    const { err, out } = await asked(words, "y\r");
    expect(err).toContain(`WARNING! This will remove ${what}.\n`);
    expect(err).toContain("Are you sure you want to continue? [y/N] ");
    expect(out).toContain("Total reclaimed space: ");
  });

  it.each(["n\r", "\r", "yes\r", "x\r"])(
    "answered by %j keeps all",
    async (typed) => {
      const before = await listing(root);
      const { status, out, err } = await asked(["prune", "-a"], typed);
      expect({ status, out }).toEqual({ status: 0, out: "" });
      expect(err).toContain("nothing was removed\n");
      expect(await listing(root)).toEqual(before);
    },
  );

  it.each(["Y\r", " y \r"])("answered by %j means yes", async (typed) => {
    expect((await asked(["prune"], typed)).out).toBe(REMOVED);
  });

  it("ends by Ctrl-C", async () => {
    expect((await asked(["prune"], "\u0003")).status).toBe(130);
    const store = await openStore(root);
    expect(await store.imageConfig(imageId)).toBeDefined();
  });

  it("cannot be asked without a terminal", async () => {
    const { status, out, err } = await run(root, "prune");
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toContain("use --force, or --dry-run");
  });
});

describe("a wrong command line", () => {
  it.each([
    ["--filter", "x=1"],
    ["--filter", "dangling=true"],
    ["--filter", "until"],
    ["--filter", "until=soon"],
    ["--filter", "until=2026-02-30"],
    ["--filter", "until=1h", "--filter", "until=2h"],
    ["--keep-storage", "much"],
    ["--partial", "--blobs"],
    ["--blobs", "-a"],
    ["--partial", "-a"],
    ["--partial", "--keep-storage", "1GB"],
    ["--partial", "--filter", "label=x"],
    ["app"],
  ])("%s %s %s %s", async (...words) => {
    const given = words.filter((word) => word !== undefined);
    const { status, out } = await run(root, "prune", "--force", ...given);
    expect({ status, out }).toEqual({ status: 2, out: "" });
  });
});
