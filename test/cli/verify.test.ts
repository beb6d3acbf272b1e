// `tpull verify` as people and programs see it.
import { mkdirSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "#src/cli/main.js";
import { loadAnswer } from "#src/cli/run-answer.js";
import {
  findingLine,
  reportText,
  verdictLine,
} from "#src/cli/local/verify-text.js";
import type { Finding, Verification } from "#store/index.js";
import { imageOf, layerOf } from "../helpers/image-builder.js";
import { Cleanups, runOk } from "../helpers/run.js";
import { archive, directory, file } from "../helpers/tar-writer.js";
import { putImage } from "../store/verify/support/images.js";
import { Scene } from "../store/verify/support/scene.js";
import { fakes, FakeStream } from "./fake-context.js";

const IMAGE = imageOf([
  layerOf(archive([directory("etc/"), file("etc/motd", "welcome\n")])),
  layerOf(archive([file("top", "x")])),
]);

const SOUND: Verification = {
  findings: [],
  notChecked: [],
  images: 1,
  layers: 2,
  bytes: 1_500_000,
  files: 12,
  durationMs: 1234,
};

function finding(changes: Partial<Finding> = {}): Finding {
  return {
    code: "TREE_DAMAGED",
    path: `overlay2/${"a".repeat(64)}/diff/etc/motd`,
    message: "it is missing",
    images: ["app:1"],
    ...changes,
  };
}

describe("the text of a report", () => {
  it("is the verdict alone for a sound root", () => {
    expect(reportText(SOUND, false)).toBe(
      "sound: 1 image and 2 layers; 12 files looked at, 1.5MB read; 1.2 s\n",
    );
    expect(reportText(SOUND, true)).toBe(
      "sound, as far as names, chains and links go: 1 image and 2 layers; 1.2 s\n",
    );
  });

  it("groups findings by kind, the gravest first, and says whom they concern and what to do", () => {
    const findings = [
      finding(),
      finding({ path: "overlay2/x/diff/b", images: ["app:1"] }),
      finding({ path: "overlay2/x/diff/c", images: ["app:1", "other:2"] }),
      finding({
        code: "DOWNLOAD_LEFTOVER",
        path: "tmp/GetImageBlob1",
        message: "no dockerd is at work on it",
        images: [],
      }),
    ];
    const notChecked = [
      { code: "OWNERS" as const, message: "the owners of files" },
    ];
    expect(reportText({ ...SOUND, findings, notChecked }, false)).toBe(
      `TREE_DAMAGED (3): a file's content is lost: containers read something else
  in app:1:
    overlay2/aaaaaaaaaaaa…/diff/etc/motd: it is missing
    overlay2/x/diff/b: it is missing
  in app:1, other:2:
    overlay2/x/diff/c: it is missing
  'tpull verify --repair' fetches it again from where it came from

DOWNLOAD_LEFTOVER: what an interrupted pull or build of dockerd left
    tmp/GetImageBlob1: no dockerd is at work on it
  'tpull verify --repair' removes it, when you agree

not checked: the owners of files

damaged: 4 findings in 1 image and 2 layers; 12 files looked at, 1.5MB read; 1.2 s
`,
    );
  });

  it("cuts long lists, and names what lists all", () => {
    const findings = Array.from({ length: 25 }, (_, at) =>
      finding({ path: `overlay2/x/diff/${at}` }),
    );
    const text = reportText({ ...SOUND, findings }, false);
    expect(text).toContain("overlay2/x/diff/19: ");
    expect(text).not.toContain("overlay2/x/diff/20: ");
    expect(text).toContain("  and 5 more; -q lists all of them\n");
    const images = Array.from({ length: 10 }, (_, at) => `app:${at}`);
    expect(
      reportText({ ...SOUND, findings: [finding({ images })] }, false),
    ).toContain("app:6, app:7 and 2 more:\n");
  });

  it("lets nothing of a root obey on a terminal", () => {
    const findings = [finding({ path: "overlay2/\x1b[2J", images: ["\x1bc"] })];
    expect(reportText({ ...SOUND, findings }, false)).not.toContain("\x1b");
    expect(findingLine(findings[0]!)).not.toContain("\x1b");
  });

  it("does not call a root damaged for foreign files", () => {
    const findings = [finding({ code: "FOREIGN_FILE" })];
    expect(verdictLine({ ...SOUND, findings }, true)).toBe(
      "sound, as far as names, chains and links go: 1 image and 2 layers; 1 foreign file; 1.2 s\n",
    );
  });
});

describe.skipIf(process.platform !== "linux")("tpull verify", () => {
  const cleanups = new Cleanups();
  let folder = "";
  let copies = 0;
  beforeAll(async () => {
    folder = await cleanups.tempDir();
    await putImage(join(folder, "sound"), IMAGE, {
      repository: "app",
      tag: "1",
    });
  });
  afterAll(() => cleanups.close());

  async function copy(): Promise<Scene> {
    copies += 1;
    const root = join(folder, String(copies));
    await runOk("cp", ["-a", join(folder, "sound"), root]);
    return new Scene(root, IMAGE);
  }

  async function verify(root: string, ...options: string[]) {
    const made = fakes({ loadAnswer });
    const status = await main(
      ["verify", "--root", root, ...options],
      made.context,
    );
    return { status, out: made.stdout.text, err: made.stderr.text };
  }

  it("ends with 0 for a sound root", async () => {
    const { root } = await copy();
    const { status, out, err } = await verify(root);
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(out).toMatch(/(?:^|\n)sound: 1 image and 2 layers; 3 files .*\n$/);
    expect(await verify(root, "-q")).toEqual({ status: 0, out: "", err: "" });
    expect((await verify(root, "--quick")).out).toMatch(/^sound, as far as /);
  });

  it("ends with 1 for a damaged one, and says where and what", async () => {
    const scene = await copy();
    unlinkSync(scene.file(0, "etc/motd"));
    unlinkSync(scene.link(0));
    const { status, out } = await verify(scene.root);
    expect(status).toBe(1);
    expect(out).toContain("OVERLAY_LINK_DAMAGED: ");
    expect(out).toContain("/diff/etc/motd: it is missing\n");
    expect(out).toContain("  in app:1:\n");
    expect(out).toMatch(/\ndamaged: 3 findings in 1 image and 2 layers.*\n$/);
    const quiet = await verify(scene.root, "-q");
    expect(quiet.out.split("\n").map((line) => line.split(" ")[0])).toEqual([
      "OVERLAY_LINK_DAMAGED",
      "TREE_DAMAGED",
      "TREE_DIFFERS",
      "",
    ]);
    expect(quiet.out).toContain(`overlay2/${scene.cacheId(0)}/diff/etc/motd: `);
  });

  it("prints one document with --json", async () => {
    const scene = await copy();
    mkdirSync(join(scene.root, "tmp"));
    writeFileSync(join(scene.root, "tmp/GetImageBlob1"), "");
    writeFileSync(scene.file(1, "extra"), "");
    const { status, out } = await verify(scene.root, "--json");
    expect(status).toBe(1);
    expect(JSON.parse(out)).toEqual({
      root: scene.root,
      sound: false,
      quick: false,
      images: 1,
      layers: 2,
      files: 4,
      bytes: 9,
      durationMs: expect.any(Number) as number,
      findings: [
        {
          code: "TREE_DIFFERS",
          remedy: "derive",
          path: `overlay2/${scene.cacheId(1)}/diff/extra`,
          message: "it is not in the archive",
          chainId: `sha256:${scene.chain[1]}`,
          cacheId: scene.cacheId(1),
          images: ["app:1"],
        },
        {
          code: "DOWNLOAD_LEFTOVER",
          remedy: "remove",
          path: "tmp/GetImageBlob1",
          message: "no dockerd is at work on it",
          images: [],
        },
      ],
      notChecked: expect.any(Array) as unknown[],
    });
  });

  it("prints one event a line with --progress json", async () => {
    const scene = await copy();
    unlinkSync(scene.cache(1, "link"));
    const { status, out } = await verify(scene.root, "--progress", "json");
    expect(status).toBe(1);
    const events = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; code?: string });
    expect(events[0]).toMatchObject({ type: "progress", totalLayers: 2 });
    expect(events.filter(({ type }) => type === "finding")).toMatchObject([
      { code: "OVERLAY_LINK_DAMAGED", remedy: "derive" },
    ]);
    expect(events.at(-1)).toMatchObject({ type: "summary", sound: false });
  });

  it("keeps events off stdout when that is for the document", async () => {
    const { root } = await copy();
    const { out, err } = await verify(root, "--json", "--progress=json");
    expect(JSON.parse(out)).toMatchObject({ sound: true });
    expect(err.split("\n")[0]).toMatch(/^\{"type":"progress",/);
  });

  it("draws a bar on a terminal, and takes it away again", async () => {
    const { root } = await copy();
    const made = fakes({ loadAnswer });
    const [stdout, stderr] = [new FakeStream(true), new FakeStream(true)];
    const context = { ...made.context, stdout, stderr };
    expect(await main(["verify", "--root", root], context)).toBe(0);
    expect(stderr.text).toMatch(/checking /);
    // The last picture has no lines: what is below the cursor is erased.
    expect(stderr.text.endsWith("\x1b[J")).toBe(true);
    expect(stdout.text).toContain("sound: ");
  });

  it("checks the images that are named", async () => {
    const scene = await copy();
    expect((await verify(scene.root, "app:1")).status).toBe(0);
    const { status, err } = await verify(scene.root, "app:2");
    expect(status).toBe(1);
    expect(err).toContain("(IMAGE_NOT_FOUND)");
  });

  it("does not call sound what is not there, or no directory", async () => {
    const root = join(folder, "absent");
    const absent = await verify(root);
    expect(absent.status).toBe(1);
    expect(absent.out).toBe("");
    expect(absent.err).toContain(
      `there is no data root at ${root} (ROOT_NOT_FOUND)`,
    );
    writeFileSync(root, "");
    const file = await verify(root);
    expect(file.status).toBe(1);
    expect(file.err).toContain("(ROOT_NOT_A_DIRECTORY)");
  });
});
