import { rm, writeFile } from "node:fs/promises";
import { describe, expect, it, test } from "vitest";
import {
  type PlantedRoot,
  plantedRoot,
  sha256,
} from "../../store/support/planted.js";
import { newRoot } from "../../store/support/roots.js";
import { NEWFOUNDLAND, zoneFile } from "../format/zone-file.js";
import { run } from "./running.js";

const digest = sha256("manifest");

/** One image of each kind of name. */
async function filled(): Promise<PlantedRoot & { ids: string[] }> {
  const root = await plantedRoot();
  const ids: string[] = [];
  for (const [names, created, size] of [
    [["app:1", "app:2", `app@${digest}`], "2024-05-31T12:00:00Z", 133_456_789],
    [["quay.io/o/app:1"], "2024-05-31T11:00:00Z", 999],
    [[`pinned@${digest}`], "2024-05-01T12:00:00Z", 1_000_000],
    [[], "2023-06-01T12:00:00Z", 0],
    [["dateless:1"], undefined, 5],
  ] as const) {
    const { id } = await root.plant({
      layers: [[`layer of ${size}`, size]],
      config: {
        rootfs: { type: "layers", diff_ids: [sha256(`layer of ${size}`)] },
        created,
        config: { Labels: { size: String(size) } },
      },
      names,
    });
    ids.push(id);
  }
  return Object.assign(root, { ids });
}

const short = (id: string): string => id.slice(7, 19);

describe("the table", () => {
  it("has a row for each name", async () => {
    const { root, ids } = await filled();
    const [app, quay, pinned, none, dateless] = ids.map(short);
    expect(await run(root, ["images"])).toEqual({
      status: 0,
      out: [
        "REPOSITORY      TAG       IMAGE ID       CREATED         SIZE",
        `app             1         ${app}   24 hours ago    133MB`,
        `app             2         ${app}   24 hours ago    133MB`,
        `quay.io/o/app   1         ${quay}   25 hours ago    999B`,
        `pinned          <none>    ${pinned}   4 weeks ago     1MB`,
        `<none>          <none>    ${none}   12 months ago   0B`,
        `dateless        1         ${dateless}   N/A             5B`,
        "",
      ].join("\n"),
      err: "",
    });
  });

  it("has digests on demand, and whole IDs", async () => {
    const { root, ids } = await filled();
    const words = [
      "image",
      "ls",
      "--digests",
      "--no-trunc",
      "-f",
      "since=dateless:1",
      "*",
    ];
    const { out } = await run(root, words);
    expect(
      out.split("\n").map((line) => line.trimEnd().split(/ {2,}/)),
    ).toEqual([
      ["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"],
      ["app", "1", digest, ids[0], "24 hours ago", "133MB"],
      ["app", "2", digest, ids[0], "24 hours ago", "133MB"],
      ["pinned", "<none>", digest, ids[2], "4 weeks ago", "1MB"],
      ["dateless", "1", "<none>", ids[4], "N/A", "5B"],
      [""],
    ]);
  });

  it("is its headings alone where there is nothing", async () => {
    const head = "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n";
    const absent = await newRoot();
    const { root } = await filled();
    // A slip of the pen should not look like an empty store.
    const note = `tpull: note: there is no data root at ${absent}\n`;
    for (const [at, err] of [
      [absent, note],
      [root, ""],
    ] as const) {
      const answer = await run(at, ["images", "nothing"]);
      expect(answer).toEqual({ status: 0, out: head, err });
    }
  });
});

describe("other forms", () => {
  it("-q prints an ID for each name", async () => {
    const { root, ids } = await filled();
    const [app, quay, ...others] = ids;
    const lines = [app, app, quay, ...others].map((id) => `${id}\n`);
    const { out } = await run(root, ["images", "-q", "--no-trunc"]);
    expect(out).toBe(lines.join(""));
    expect((await run(root, ["ls", "-qf", "dangling=true"])).out).toBe(
      `${short(ids[2]!)}\n${short(ids[3]!)}\n`,
    );
  });

  it("--json prints one document of the images", async () => {
    const { root, ids } = await filled();
    const { out } = await run(root, ["images", "--json", "app"]);
    expect(JSON.parse(out)).toEqual([
      {
        id: ids[0],
        tags: ["app:1", "app:2"],
        digests: [`app@${digest}`],
        created: "2024-05-31T12:00:00Z",
        size: 133_456_789,
        os: "linux",
        architecture: "",
        labels: { size: "133456789" },
      },
    ]);
    expect((await run(root, ["images", "--json", "no"])).out).toBe("[]\n");
  });

  it("--format json prints docker's fields, one line for each name", async () => {
    const { root, ids } = await filled();
    const words = ["images", "--format", "json", "quay.io/*/*"];
    const { out } = await run(root, words, {
      env: { TZ: await zoneFile(NEWFOUNDLAND) },
    });
    expect(out).toBe(
      `{"Containers":"N/A","CreatedAt":"2024-05-31 08:30:00 -0230 NDT","CreatedSince":"25 hours ago","Digest":"\\u003cnone\\u003e","ID":"${short(ids[1]!)}","Repository":"quay.io/o/app","SharedSize":"N/A","Size":"999B","Tag":"1","UniqueSize":"N/A","VirtualSize":"999B"}\n`,
    );
  });

  test.each<[string[], string]>([
    [["{{.Repository}}:{{.Tag}}", "app"], "app:1\napp:2\n"],
    [["{{.Digest}} {{.Tag}}", "app"], `${digest} 1\n${digest} 2\n`],
    [["{{ .Digest }} {{.Tag}}", "app"], "<none> 1\n<none> 2\n"],
    [["{{.Digest}}|{{.Tag}}", "pinned"], "|<none>\n"],
    [["{{.VirtualSize}} {{.Size}}", "app:1"], "133.5MB 133MB\n"],
    [
      ["{{.CreatedSince}}|{{.CreatedAt}}", "dateless"],
      "|0001-01-01 00:00:00 +0000 UTC\n",
    ],
    [
      ["table {{.Tag}}\\t{{.Size}}", "app"],
      "TAG       SIZE\n1         133MB\n2         133MB\n",
    ],
    [
      ["table {{.Tag}}", "--digests", "pinned"],
      `TAG       DIGEST\n<none>    ${digest}\n`,
    ],
  ])("--format %j", async ([format, ...words], printed) => {
    const { root } = await filled();
    const { out } = await run(root, ["images", "--format", format!, ...words]);
    expect(out).toBe(printed);
  });

  it("--format raw prints a fact a line", async () => {
    const { root, ids } = await filled();
    const words = ["images", "--format", "raw", "app:1"];
    const created = "created_at: 2024-05-31 12:00:00 +0000 UTC";
    expect((await run(root, words)).out).toBe(
      `repository: app\ntag: 1\nimage_id: ${short(ids[0]!)}\n${created}\nvirtual_size: 133MB\n\n`,
    );
    expect((await run(root, [...words, "-q"])).out).toBe(
      `image_id: ${short(ids[0]!)}\n`,
    );
  });
});

describe("what is refused", () => {
  test.each<[string[], string]>([
    [["-f", "dangling"], "--filter is KEY=VALUE"],
    [["-f", "danglin=1"], "(did you mean dangling?)"],
    [
      ["-f", "x=1"],
      "The keys are dangling, reference, before, since, until, label.",
    ],
    [["-f", "dangling=maybe"], "is true or false"],
    [["-f", "dangling=1", "-f", "dangling=false"], "both true and false"],
    [["["], "is not a pattern"],
    [["-f", "until=never"], "is not a time"],
    [["a", "b"], "unexpected argument"],
    [["-q", "--json"], "exclude each other"],
  ])("%j", async (words, reason) => {
    const { root } = await filled();
    const { status, out, err } = await run(root, ["images", ...words]);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toContain(reason);
  });

  it("an unknown image to compare with is a failure", async () => {
    const { root } = await filled();
    const { status, err } = await run(root, ["images", "-f", "before=no"]);
    expect(status).toBe(1);
    expect(err).toContain("(IMAGE_NOT_FOUND)");
  });
});

it("filters are read without their case and white space", async () => {
  const { root } = await filled();
  const words = ["images", "--format", "{{.Tag}}", "-f", " Reference = app "];
  expect((await run(root, words)).out).toBe("1\n2\n");
});

it("damage is told once for each image, and the rest is listed", async () => {
  const root = await filled();
  await writeFile(root.config(root.ids[1]!), "{}");
  await rm(root.config(root.ids[0]!));
  const { status, out, err } = await run(root.root, ["images", "-q"]);
  expect(status).toBe(0);
  expect(out.trim().split("\n")).toHaveLength(3);
  expect(err).toBe(
    [
      "tpull: warning: the image quay.io/o/app:1 is damaged: its config does not have its hash (CONFIG_DAMAGED)",
      "tpull: warning: the image app:1 is damaged: its config is not there (CONFIG_MISSING)",
      "  hint: 'tpull verify' says more.",
      "",
    ].join("\n"),
  );
});

it("a terminal gets nothing that it would obey", async () => {
  const root = await plantedRoot();
  await root.plant({
    config: { rootfs: {}, config: { Labels: { a: "\u009b2J\u202e" } } },
    names: ["x:1"],
  });
  const { out } = await run(root.root, ["images", "--json"], { isTTY: true });
  expect(out).toContain(String.raw`"a": "\u009b2J\u202e"`);
  expect(JSON.parse(out)).toMatchObject([{ labels: { a: "\u009b2J\u202e" } }]);
});
