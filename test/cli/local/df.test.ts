// tpull df: docker's table and details, and what docker does not see.
import { mkdir, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { diskUsage, openStore } from "#store/index.js";
import { containerStatus } from "#src/cli/local/container-status.js";
import type { StoredContainer } from "#store/survey/containers.js";
import {
  type FakeImage,
  fakeImage,
  leaveLayers,
  storeImage,
  withConfig,
} from "../../store/support/images.js";
import { newRoot, writing } from "../../store/support/roots.js";
import { NOW, run } from "./running.js";

async function rootOf(...images: FakeImage[]): Promise<string> {
  const root = await newRoot();
  for (const image of images) {
    await writing(root, (writer) => storeImage(writer, image));
  }
  return root;
}

async function plant(
  root: string,
  files: Record<string, string>,
): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}

const created = { created: "2024-05-29T12:00:00Z" };
const base = withConfig(fakeImage("base", "1".repeat(75_000)), created);
const app = withConfig(fakeImage("app", "1".repeat(75_000), "22"), created);
const short = (id: string): string => id.slice(7, 19);
const ID = "b".repeat(64);
const MOUNT = "e".repeat(64);

async function containerOf(root: string, { image, layers }: FakeImage) {
  const mounts = `image/overlay2/layerdb/mounts/${ID}`;
  await plant(root, {
    [`${mounts}/mount-id`]: MOUNT,
    [`${mounts}/init-id`]: `${MOUNT}-init`,
    [`${mounts}/parent`]: layers.at(-1)!.chainId,
    [`overlay2/${MOUNT}/diff/written`]: "12345",
    "volumes/data/_data/file": "123",
    [`containers/${ID}/config.v2.json`]: JSON.stringify({
      ID,
      Driver: "overlay2",
      Created: "2024-05-31T12:00:00Z",
      Path: "/bin/sh",
      Args: ["-c", 'echo "a long command"'],
      Name: "/box",
      Image: image.imageId,
      Config: { Image: image.naming.repository },
      State: {
        StartedAt: "2024-05-31T12:00:01Z",
        FinishedAt: "2024-06-01T11:30:00Z",
        ExitCode: 3,
      },
      MountPoints: { "/data": { Name: "data", Driver: "local" } },
    }),
  });
}

describe("the summary", () => {
  it("has docker's rows, and those of what docker does not see", async () => {
    const root = await rootOf(base, app);
    await containerOf(root, app);
    await plant(root, {
      [`tpull/partial/${"a".repeat(64)}/0`]: "1".repeat(1500),
      "tmp/GetImageBlob1": "1".repeat(2048),
    });
    expect(await run(root, ["df"])).toEqual({
      status: 0,
      err: "",
      out: `TYPE                TOTAL     ACTIVE    SIZE      RECLAIMABLE
Images              2         1         75kB      75kB (99%)
Containers          1         0         5B        5B (100%)
Local Volumes       1         1         3B        0B (0%)
Build Cache         0         0         0B        0B
Partial Blobs       1         0         1.5kB     1.5kB (100%)
Unfinished Layers   0         0         0B        0B
Leftovers           1         0         2.048kB   2.048kB (100%)
Kept Blobs          0         0         0B        0B
Kept Manifests      0         0         0B        0B
`,
    });
    expect((await run(root, ["system", "df"])).out).toBe(
      (await run(root, ["df"])).out,
    );
  });

  it("is shaped by templates", async () => {
    const root = await rootOf(base);
    const words = ["df", "--format", "{{.Type}}: {{.TotalCount}} {{.Size}}"];
    const { out } = await run(root, words);
    expect(out.split("\n").slice(0, 2)).toEqual([
      "Images: 1 75kB",
      "Containers: 0 0B",
    ]);
    const json = await run(root, ["df", "--format", "json"]);
    expect(json.out.split("\n")[0]).toBe(
      '{"Active":"0","Reclaimable":"75kB (100%)","Size":"75kB","TotalCount":"1","Type":"Images"}',
    );
    const table = await run(root, ["df", "--format", "table {{.Active}}"]);
    expect(table.out.split("\n").slice(0, 2)).toEqual(["ACTIVE", "0"]);
    const raw = await run(root, ["df", "--format", "raw"]);
    expect(raw.out.split("\n").slice(0, 7)).toEqual([
      "type: Images",
      "total: 1",
      "active: 0",
      "size: 75kB",
      "reclaimable: 75kB (100%)",
      "",
      "type: Containers",
    ]);
    const wrong = await run(root, ["df", "--format", "{{.Nope}}"]);
    expect(wrong).toMatchObject({ status: expect.any(Number), out: "" });
    expect(wrong.status).not.toBe(0);
    expect(wrong.err).toContain("(FORMAT_INVALID)");
  });

  it("is that of nothing where there is no root", async () => {
    const { status, out } = await run(await newRoot(), ["df"]);
    expect(status).toBe(0);
    expect(out).toContain(
      "Images              0         0         0B        0B\n",
    );
  });

  it("goes beside a word on damage", async () => {
    const root = await rootOf(base, app);
    const { chainId } = app.layers[1]!;
    const layerdb = join(root, "image/overlay2/layerdb/sha256");
    await rm(join(layerdb, chainId.slice(7)), { recursive: true });
    const { status, out, err } = await run(root, ["df"]);
    expect(status).toBe(0);
    expect(out).toContain("Images              1  ");
    expect(err).toContain("the image app:latest is damaged");
    expect(err).toContain("(LAYER_MISSING)");
  });
});

describe("the details", () => {
  it("are docker's tables where there is nothing else", async () => {
    const root = await rootOf(base, app);
    await containerOf(root, app);
    const { out } = await run(root, ["df", "-v"]);
    const [first, second] = [base, app].sort((a, b) =>
      a.image.imageId < b.image.imageId ? -1 : 1,
    );
    const line = (image: FakeImage): string => {
      const id = short(image.image.imageId);
      return image === base
        ? `base         latest    ${id}   3 days ago   75kB      75kB          0B            0`
        : `app          latest    ${id}   3 days ago   75kB      75kB          2B            1`;
    };
    expect(out).toBe(`Images space usage:

REPOSITORY   TAG       IMAGE ID       CREATED      SIZE      SHARED SIZE   UNIQUE SIZE   CONTAINERS
${line(first!)}
${line(second!)}

Containers space usage:

CONTAINER ID   IMAGE     COMMAND                   LOCAL VOLUMES   SIZE      CREATED        STATUS                      NAMES
bbbbbbbbbbbb   app       "/bin/sh -c 'echo \\"a…"   1               5B        24 hours ago   Exited (3) 30 minutes ago   box

Local Volumes space usage:

VOLUME NAME   LINKS     SIZE
data          1         3B

Build cache usage: 0B

CACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED
`);
  });

  it("are followed by what docker does not see, if there is any", async () => {
    const root = await rootOf(base);
    await writing(root, (writer) =>
      leaveLayers(writer, fakeImage("left", "1234")),
    );
    const [waiting] = fakeImage("left", "1234").layers;
    const notes = `tpull/unused/${waiting!.chainId.slice(7)}`;
    const blob = `tpull/partial/${"a".repeat(64)}`;
    await plant(root, { [`${blob}/0`]: "12345" });
    await plant(root, { [`tpull/manifests/${ID}`]: "12" });
    const day = new Date("2024-05-30T12:00:00Z");
    for (const path of [notes, `${blob}/0`, blob]) {
      await utimes(join(root, path), day, day);
    }
    await symlink("../gone/diff", join(root, "overlay2/l/OLD"));
    const { out } = await run(root, ["df", "-v"]);
    const [, own] = out.split(/SHARED\n\n(?=Partial)/);
    expect(own).toBe(`Partial blobs, for the next try of a pull:

DIGEST                                                                    SIZE      LAST USED    IN USE
sha256:${"a".repeat(64)}   5B        2 days ago   false

Layers without an image yet:

CHAIN ID                                                                  STATE     SIZE      LAST USED    IN USE
${waiting!.chainId}   waiting   4B        2 days ago   false

Leftovers:

KIND      SIZE      PATH
link      0B        ${root}/overlay2/l/OLD

Manifests of images that are gone:

IMAGE ID                                                                  SIZE
sha256:${ID}   2B
`);
  });

  it("are lists for templates", async () => {
    const root = await rootOf(app);
    await containerOf(root, app);
    const format =
      "{{range .Images}}{{.Repository}}:{{.Tag}} {{.ID}} {{.UniqueSize}}{{end}}|{{range .Containers}}{{.ID}} {{.Command}} {{.State}}{{end}}|{{len .BuildCache}} {{(index .Volumes 0).Name}}";
    const { out } = await run(root, ["df", "-v", "--format", format]);
    expect(out).toBe(
      `app:latest ${app.image.imageId} 75kB|${ID} "/bin/sh -c 'echo \\"a long command\\"'" exited|0 data`,
    );
    const json = await run(root, ["df", "-v", "--format", "json"]);
    expect(Object.keys(JSON.parse(json.out) as object)).toEqual([
      "Images",
      "Containers",
      "Volumes",
      "BuildCache",
    ]);
  });
});

it("for programs it is what the function gives", async () => {
  const root = await rootOf(base, app);
  const { out } = await run(root, ["df", "--json"]);
  const usage = await diskUsage(await openStore(root));
  expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(usage)));
});

it.each<[Partial<StoredContainer>, string]>([
  [{ state: "created" }, "Created"],
  [{ state: "running", started: ago(65) }, "Up About a minute"],
  [
    { state: "running", started: ago(7300), health: "healthy" },
    "Up 2 hours (healthy)",
  ],
  [
    { state: "running", started: ago(3), health: "starting" },
    "Up 3 seconds (health: starting)",
  ],
  [{ state: "paused", started: ago(60 * 5) }, "Up 5 minutes (Paused)"],
  [
    { state: "restarting", finished: ago(2), exitCode: 1 },
    "Restarting (1) 2 seconds ago",
  ],
  [{ state: "removing" }, "Removal In Progress"],
  [{ state: "dead" }, "Dead"],
  [
    { state: "exited", finished: ago(86400 * 3), exitCode: 137 },
    "Exited (137) 3 days ago",
  ],
  [{ state: "exited" }, ""],
])("a container that is %j is called %j", (parts, expected) => {
  const container = { exitCode: 0, ...parts } as StoredContainer;
  expect(containerStatus(container, Date.parse(NOW))).toBe(expected);
});

function ago(seconds: number): string {
  return new Date(Date.parse(NOW) - seconds * 1000).toISOString();
}
