// tpull layers: the map of an image's layers, as a table, as blocks, and as a tree.
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, afterAll, describe, expect, it } from "vitest";
import { main } from "#src/cli/main.js";
import { loadAnswer } from "#src/cli/run-answer.js";
import {
  imageLayers,
  type LayerRecord,
  layerTree,
  openStore,
} from "#store/index.js";
import { Cleanups } from "../../helpers/run.js";
import {
  type FakeImage,
  fakeImage,
  leaveLayers,
  storeImage,
  withConfig,
} from "../../store/support/images.js";
import { newRoot, writing } from "../../store/support/roots.js";
import { FakeStream, fakes } from "../fake-context.js";
import { run } from "./running.js";

const UTF8 = { LANG: "en_US.UTF-8" };
const PLAIN = { ...UTF8, NO_COLOR: "1" };
const SGR = /\x1b\[\d+m/g; // oxlint-disable-line no-control-regex -- what marks text up

const STEPS = [
  ["2024-05-01T12:00:00Z", "/bin/sh -c #(nop) ADD file:5f1c in / "],
  ["2024-05-31T12:00:00Z", "RUN /bin/sh -c set -x     && make install"],
] as const;

function stepped(image: FakeImage): FakeImage {
  const history = image.layers.map((_, at) => {
    const [created, created_by] = STEPS[at]!;
    return { created, created_by };
  });
  return withConfig(image, { history });
}

const base = stepped(fakeImage("base", "1".repeat(75_000)));
const app = stepped(fakeImage("app", "1".repeat(75_000), "22"));
const names: Record<string, string> = {};

const cleanups = new Cleanups();
let root = "";
let records: LayerRecord[] = [];

beforeAll(async () => {
  root = join(await cleanups.tempDir(), "root");
  for (const image of [base, app]) {
    await writing(root, async (writer) => {
      await storeImage(writer, image);
      await writer.keepManifest(image.image.imageId, manifestOf(image));
    });
  }
  const store = await openStore(root);
  records = (await store.layerChain(app.layers[1]!.chainId))!;
  const { layers } = await imageLayers(store, "app");
  for (const [at, layer] of layers.entries()) {
    names[layer.linkId!] = `<link ${at + 1}>`.padEnd(26, ".");
    names[layer.cacheId] = `<cache-id ${at + 1}>`;
    names[layer.cacheId.slice(0, 12)] = `<cache ${at + 1}>`.padEnd(12, ".");
  }
  names[root] = "ROOT";
});
afterAll(() => cleanups.close());

function manifestOf({ image, layers, origins }: FakeImage): Buffer {
  const document = {
    config: { mediaType: "x", digest: image.imageId, size: 1 },
    layers: layers.map((_, at) => ({
      mediaType: "y",
      digest: origins[at]!.digest,
      size: 30_000 + at,
    })),
  };
  return Buffer.from(JSON.stringify(document));
}

/** The text with names for what is random. */
function named(text: string): string {
  let shown = text;
  for (const [random, name] of Object.entries(names)) {
    shown = shown.replaceAll(random, name);
  }
  return shown;
}

const short = (id: string): string => id.slice(7, 19);

describe("the table", () => {
  it("has a line for each layer", async () => {
    const { status, out, err } = await run(root, ["layers", "app"]);
    expect({ status, err }).toEqual({ status: 0, err: "" });
    const [one, two] = app.layers;
    const [first, second] = app.origins;
    expect(named(out)).toBe(
      [
        "DIGEST         DIFF ID        CHAIN ID       CACHE ID       LINK                         COMPRESSED   SIZE      SHARED    FROM                         CREATED BY",
        `${short(first!.digest)}   ${short(one!.diffId)}   ${short(one!.chainId)}   <cache 1>...   <link 1>..................   30kB         75kB      1         docker.io/library/app (+1)   ADD file:5f1c in /`,
        `${short(second!.digest)}   ${short(two!.diffId)}   ${short(two!.chainId)}   <cache 2>...   <link 2>..................   30kB         2B        0         docker.io/library/app        RUN /bin/sh -c set -x && make install`,
        "",
      ].join("\n"),
    );
  });

  it("has whole IDs and commands with --no-trunc", async () => {
    const { out } = await run(root, ["layers", "--no-trunc", "app"]);
    const lines = out.split("\n").slice(1, 3);
    for (const [at, line] of lines.entries()) {
      expect(line).toContain(app.origins[at]!.digest);
      expect(line).toContain(app.layers[at]!.diffId);
      expect(line).toContain(app.layers[at]!.chainId);
      expect(line).toContain(records[at]!.cacheId);
    }
    expect(lines[0]).toContain("docker.io/library/app,docker.io/library/base");
    expect(lines[1]).toContain(STEPS[1][1]);
  });

  it("is for terminals that are wide enough", async () => {
    const stdout = new FakeStream(true);
    stdout.columns = 220;
    const { context } = fakes({ loadAnswer, env: PLAIN });
    await main(["layers", "app", "--root", root], { ...context, stdout });
    const { out } = await run(root, ["layers", "app"]);
    expect(stdout.text).toBe(out);
  });
});

describe("the blocks of a narrow terminal", () => {
  it("are the map from the blob to the directory", async () => {
    const { out } = await run(root, ["layers", "app"], {
      isTTY: true,
      env: PLAIN,
    });
    const [one, two] = app.layers;
    const [first, second] = app.origins;
    const { imageId } = app.image;
    const { manifest } = await imageLayers(await openStore(root), "app");
    expect(named(out)).toBe(
      `app:latest and 1 more name
image ${short(imageId)}, manifest ${short(manifest!)}
2 layers, 60kB compressed, 75kB on disk

    digest            diff ID           chain ID          cache-id
 1  ${short(first!.digest)}  ─▶  ${short(one!.diffId)}  ─▶  ${short(one!.chainId)}  ─▶  <cache 1>...
    30kB                                                  75kB
    ADD file:5f1c in /  4 weeks ago
    from    docker.io/library/app and 1 more
    shared  base:latest
    files   ROOT/overlay2/l/<link 1>..................

 2  ${short(second!.digest)}  ─▶  ${short(two!.diffId)}  ─▶  ${short(two!.chainId)}  ─▶  <cache 2>...
    30kB                                                  2B
    RUN /bin/sh -c set -x && make install  24 hours ago
    from    docker.io/library/app
    files   ROOT/overlay2/l/<link 2>..................

`,
    );
  });

  it("have ASCII arrows where the locale has no others", async () => {
    const { out } = await run(root, ["layers", "app"], {
      isTTY: true,
      env: { LANG: "C", NO_COLOR: "1" },
    });
    expect(out).toMatch(/  ->  /);
    // oxlint-disable-next-line no-control-regex -- ASCII is what this is about
    expect(out).toMatch(/^[\x00-\x7f]*$/);
  });

  it("fit into 80 columns, whatever the commands and names are", async () => {
    const long = withConfig(fakeImage("x".repeat(100), "one"), {
      history: [{ created_by: "äöü ".repeat(100) }],
    });
    const other = await newRoot();
    const image = { ...long, image: { ...long.image } };
    await writing(other, (writer) => storeImage(writer, image));
    const name = `${"x".repeat(100)}:latest`;
    const { out } = await run(other, ["layers", name], {
      isTTY: true,
      env: PLAIN,
    });
    const body = out.split("\n").slice(1);
    for (const line of body.filter((one) => !one.includes("files"))) {
      expect([...line].length).toBeLessThanOrEqual(80);
    }
    expect(out).toContain("…");
  });

  it("show whole IDs in 80 columns, too", async () => {
    const { out } = await run(root, ["layers", "--no-trunc", "app"], {
      isTTY: true,
      env: PLAIN,
    });
    const shown = out.split("\n");
    for (const line of shown.filter((one) => !one.startsWith("files"))) {
      expect(line.length).toBeLessThanOrEqual(80);
    }
    const [{ chainId } = app.layers[0]!] = app.layers;
    expect(out).toContain(`chain   ${chainId}\n`);
    expect(out).toContain(`cache   ${records[0]!.cacheId}\n`);
    expect(named(out)).toContain("files   ROOT/overlay2/<cache-id 1>/diff\n");
    expect(out).toContain("shared  base:latest\n");
  });

  it("are marked up for people who want that", async () => {
    const marked = await run(root, ["layers", "app"], {
      isTTY: true,
      env: UTF8,
    });
    expect(marked.out).toMatch(SGR);
    const words = ["layers", "app"];
    const plain = await run(root, words, { isTTY: true, env: PLAIN });
    expect(marked.out.replaceAll(SGR, "")).toBe(plain.out);
    const dumb = { ...UTF8, TERM: "dumb" };
    expect((await run(root, words, { isTTY: true, env: dumb })).out).toBe(
      plain.out,
    );
    expect((await run(root, words, { env: UTF8 })).out).not.toMatch(SGR);
  });
});

describe("the tree", () => {
  it("is drawn", async () => {
    const other = await newRoot();
    for (const image of [
      stepped(fakeImage("base", "1")),
      stepped(fakeImage("left", "1", "22")),
      fakeImage("right", "1", "333", "4444"),
      fakeImage("right", "1", "333", "4444", "55555"),
      fakeImage("tall", "1", "333", "4444", "666666"),
    ]) {
      await writing(other, (writer) => storeImage(writer, image));
    }
    const orphan = fakeImage("gone", "7777777");
    await writing(other, (writer) => storeImage(writer, orphan));
    const driver = join(other, "image/overlay2");
    const { imageId } = orphan.image;
    await rm(join(driver, "imagedb/content/sha256", imageId.slice(7)));
    await writing(other, (writer) =>
      leaveLayers(writer, fakeImage("left", "88888888")),
    );
    const { out } = await run(other, ["layers", "--tree"], {
      env: { LC_ALL: "C.UTF-8", LANG: "C" },
    });
    const lines = out.replaceAll(/[0-9a-f]{12}/g, "0123456789ab").split("\n");
    // An image without a name is called by its ID; layers without images come last, by theirs.
    expect(lines.slice(0, 6)).toEqual([
      "0123456789ab             1B  base:latest  ADD file:5f1c in /",
      "├─ 0123456789ab          3B",
      "│  0123456789ab          4B  0123456789ab",
      "│  ├─ 0123456789ab       5B  right:latest",
      "│  └─ 0123456789ab       6B  tall:latest",
      "└─ 0123456789ab          2B  left:latest  RUN /bin/sh -c set -x && make install",
    ]);
    expect(lines.slice(6, 8).sort()).toEqual([
      "0123456789ab             7B  (orphan)",
      "0123456789ab             8B  (waits for its image)",
    ]);
    expect(lines.slice(8)).toEqual([
      "",
      "8 layers, 36B; 1 orphan that nobody needs, 7B",
      "",
    ]);
  });

  it("can be that of one image, in ASCII", async () => {
    const { out } = await run(root, ["layers", "--tree", "base"], {
      env: { LANG: "C" },
    });
    expect(out).toBe(
      `${short(base.layers[0]!.chainId)}     75kB  base:latest (1 more on top)  ADD file:5f1c in /\n\n1 layer, 75kB\n`,
    );
  });

  it("says what cannot be read", async () => {
    const other = await newRoot();
    const image = fakeImage("app", "1", "22");
    await writing(other, (writer) => storeImage(writer, image));
    const [{ chainId } = image.layers[0]!] = image.layers;
    const layerdb = join(other, "image/overlay2/layerdb/sha256");
    await writeFile(join(layerdb, chainId.slice(7), "size"), "many");
    const { status, out, err } = await run(other, ["layers", "--tree"]);
    expect(status).toBe(0);
    expect(out).toContain("(its parent cannot be read)");
    expect(out).toContain(`${short(chainId)} cannot be read\n`);
    expect(err).toContain("(LAYER_MISSING)");
  });

  it("is empty where there is nothing", async () => {
    const { out } = await run(await newRoot(), ["layers", "--tree"]);
    expect(out).toBe("0 layers, 0B\n");
  });
});

describe("for programs", () => {
  it("it is what the functions give", async () => {
    const store = await openStore(root);
    const plain = (value: unknown): unknown =>
      JSON.parse(JSON.stringify(value));
    const layers = await run(root, ["layers", "--json", "app"]);
    expect(JSON.parse(layers.out)).toEqual(
      plain(await imageLayers(store, "app")),
    );
    const tree = await run(root, ["layers", "--json", "--tree"]);
    expect(JSON.parse(tree.out)).toEqual(plain(await layerTree(store)));
  });
});

describe("what goes wrong", () => {
  it("an image must be named, or a tree asked for", async () => {
    const { status, out, err } = await run(root, ["layers"]);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toContain("needs an image");
  });

  it("an unknown image is none", async () => {
    const { status, out, err } = await run(root, ["layers", "none"]);
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toContain("(IMAGE_NOT_FOUND)");
  });

  it("what a config says cannot do anything to a terminal", async () => {
    const evil = withConfig(fakeImage("evil", "one"), {
      history: [{ created_by: "RUN \x1b[2J\x07 x\n\ty" }],
    });
    const other = await newRoot();
    await writing(other, (writer) => storeImage(writer, evil));
    for (const words of [
      ["layers", "evil"],
      ["layers", "--no-trunc", "evil"],
      ["layers", "--tree"],
    ]) {
      for (const isTTY of [true, false]) {
        const { out } = await run(other, words, { isTTY, env: PLAIN });
        expect(out).toContain("\\x1b[2J\\x07 x y");
      }
    }
  });
});
