import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import {
  type PlantedRoot,
  plantedRoot,
  sha256,
} from "../../store/support/planted.js";
import { NEWFOUNDLAND, zoneFile } from "../format/zone-file.js";
import { run } from "./running.js";

const LONG = `RUN ${"x".repeat(60)}`;

async function filled(): Promise<PlantedRoot & { id: string }> {
  const root = await plantedRoot();
  const { id } = await root.plant({
    layers: [["one", 1_234_567]],
    config: {
      rootfs: { type: "layers", diff_ids: [sha256("one")] },
      history: [
        { created: "1999-12-31T23:59:59Z", created_by: "ADD\tfile" },
        {
          created: "2024-05-31T12:00:00.7Z",
          created_by: LONG,
          empty_layer: true,
        },
        { created_by: "鯨".repeat(30), comment: "c", empty_layer: true },
      ],
    },
    names: ["x:1"],
  });
  return Object.assign(root, { id });
}

describe("the table", () => {
  it("has a row for each step, the last one first", async () => {
    const { root, id } = await filled();
    expect(await run(root, ["history", "x:1"])).toEqual({
      status: 0,
      out: [
        "IMAGE          CREATED        CREATED BY                                      SIZE      COMMENT",
        `${id.slice(7, 19)}   N/A            ${"鯨".repeat(22)}…   0B        c`,
        `<missing>      24 hours ago   ${LONG.slice(0, 44)}…   0B        `,
        "<missing>      N/A            ADD file                                        1.23MB    ",
        "",
      ].join("\n"),
      err: "",
    });
  });

  it("has bytes and dates with --human=false, in this system's zone", async () => {
    const { root } = await filled();
    for (const human of ["--human=false", "-H=false"]) {
      const { out } = await run(root, ["history", human, "x:1"], {
        env: { TZ: await zoneFile(NEWFOUNDLAND) },
      });
      expect(
        out.split("\n").map((line) => line.trimEnd().split(/ {2,}/)),
      ).toEqual([
        ["IMAGE", "CREATED AT", "CREATED BY", "SIZE", "COMMENT"],
        [
          expect.any(String),
          "0000-12-31T20:30:00-03:30",
          expect.any(String),
          "0",
          "c",
        ],
        ["<missing>", "2024-05-31T09:30:00-02:30", expect.any(String), "0"],
        ["<missing>", "1999-12-31T20:29:59-03:30", "ADD file", "1234567"],
        [""],
      ]);
    }
  });

  it("has everything in full with --no-trunc", async () => {
    const { root, id } = await filled();
    const { out } = await run(root, ["history", "--no-trunc", "x:1"]);
    for (const whole of [id, LONG, "鯨".repeat(30)])
      expect(out).toContain(whole);
  });
});

describe("other forms", () => {
  test.each<[string[], string]>([
    [["--format", "{{.Size}}"], "0B\n0B\n1.23MB\n"],
    [["--format", "{{.Size}}", "-H=false"], "0\n0\n1234567\n"],
    [
      ["--format", "{{.CreatedSince}}", "-H=false"],
      "0001-01-01T00:00:00Z\n2024-05-31T12:00:00Z\n1999-12-31T23:59:59Z\n",
    ],
    [
      ["--format", "{{.CreatedAt}}"],
      "0001-01-01T00:00:00Z\n2024-05-31T12:00:00Z\n1999-12-31T23:59:59Z\n",
    ],
    [["--format", "table {{.Comment}}"], "COMMENT\nc\n\n\n"],
  ])("%j", async (words, printed) => {
    const { root } = await filled();
    expect((await run(root, ["history", "x:1", ...words])).out).toBe(printed);
  });

  it("-q prints the IDs", async () => {
    const { root, id } = await filled();
    const { out } = await run(root, ["history", "-q", "--no-trunc", "x:1"]);
    expect(out).toBe(`${id}\n<missing>\n<missing>\n`);
  });

  it("--format json prints docker's fields", async () => {
    const { root } = await filled();
    const { out } = await run(root, ["history", "--format", "json", "x:1"]);
    expect(out.split("\n")[2]).toBe(
      '{"Comment":"","CreatedAt":"1999-12-31T23:59:59Z","CreatedBy":"ADD file","CreatedSince":"N/A","ID":"\\u003cmissing\\u003e","Size":"1.23MB"}',
    );
  });

  it("--json prints one document of the steps", async () => {
    const { root, id } = await filled();
    const { out } = await run(root, ["image", "history", "--json", "x:1"]);
    expect(JSON.parse(out)).toMatchObject([
      { id, size: 0, emptyLayer: true, tags: ["x:1"] },
      { created: "2024-05-31T12:00:00.7Z", createdBy: LONG },
      { createdBy: "ADD\tfile", size: 1_234_567, emptyLayer: false },
    ]);
  });
});

it("an image that is not there is a failure", async () => {
  const { root } = await filled();
  const { status, out, err } = await run(root, ["history", "no:1"]);
  expect({ status, out }).toEqual({ status: 1, out: "" });
  expect(err).toContain("there is no image no:1");
});

it("damage is told, whether there is an answer or not", async () => {
  const { root, id } = await filled();
  await writeFile(join(root, "image/overlay2/repositories.json"), "{");
  const byId = await run(root, ["history", "-q", id]);
  expect(byId.status).toBe(0);
  expect(byId.out.split("\n")).toHaveLength(4);
  const byName = await run(root, ["history", "x:1"]);
  expect(byName).toMatchObject({ status: 1, out: "" });
  expect(byName.err).toContain("(IMAGE_NOT_FOUND)");
  for (const { err } of [byId, byName]) {
    expect(err).toContain("(REPOSITORIES_DAMAGED)");
  }
});

it("a terminal gets nothing that it would obey", async () => {
  const root = await plantedRoot();
  await root.plant({
    config: {
      rootfs: {},
      history: [{ created_by: "\u001b[2J", empty_layer: true }],
    },
    names: ["x:1"],
  });
  const shown = async (isTTY: boolean) =>
    (await run(root.root, ["history", "x:1"], { isTTY })).out;
  expect(await shown(true)).toContain(String.raw`\x1b[2J`);
  expect(await shown(false)).toContain("\u001b[2J");
});
