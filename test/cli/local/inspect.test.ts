import { rm, writeFile } from "node:fs/promises";
import { describe, expect, it, test } from "vitest";
import { type PlantedRoot, plantedRoot } from "../../store/support/planted.js";
import { BERLIN, zoneFile } from "../format/zone-file.js";
import { run } from "./running.js";

async function filled(): Promise<PlantedRoot & { id: string }> {
  const root = await plantedRoot();
  const { id } = await root.plant({
    config: {
      rootfs: {},
      created: "2024-05-06T07:08:09Z",
      config: {
        Cmd: ["a", "b"],
        Labels: { "10": "<&>", "9": "\b\u2028é", "-": "x" },
        ExposedPorts: { "80/tcp": {} },
        Healthcheck: { Interval: 90_500_000_000, Test: ["CMD", "x"] },
      },
    },
    names: ["x:1"],
    lastUpdated: "2024-06-01T10:00:00.5+02:00",
  });
  await root.plant({ config: { rootfs: {}, author: "other" }, names: ["y:1"] });
  return Object.assign(root, { id });
}

describe("the document", () => {
  it("is docker's, byte for byte: indentation, order, escapes", async () => {
    const { root, id } = await filled();
    expect(await run(root, ["inspect", "x:1"])).toEqual({
      status: 0,
      out: `[
    {
        "Id": "${id}",
        "RepoTags": [
            "x:1"
        ],
        "RepoDigests": [],
        "Parent": "",
        "Comment": "",
        "Created": "2024-05-06T07:08:09Z",
        "DockerVersion": "",
        "Author": "",
        "Architecture": "",
        "Os": "linux",
        "Size": 0,
        "GraphDriver": {
            "Data": null,
            "Name": "overlay2"
        },
        "RootFS": {},
        "Metadata": {
            "LastTagTime": "2024-06-01T10:00:00.5+02:00"
        },
        "Config": {
            "Cmd": [
                "a",
                "b"
            ],
            "Entrypoint": null,
            "Env": null,
            "ExposedPorts": {
                "80/tcp": {}
            },
            "Healthcheck": {
                "Interval": 90500000000,
                "Test": [
                    "CMD",
                    "x"
                ]
            },
            "Labels": {
                "-": "x",
                "10": "\\u003c\\u0026\\u003e",
                "9": "\\b\\u2028é"
            },
            "OnBuild": null,
            "User": "",
            "Volumes": null,
            "WorkingDir": ""
        }
    }
]
`,
      err: "",
    });
  });

  it("has several images, and --json is the same", async () => {
    const { root } = await filled();
    const { out } = await run(root, ["inspect", "y:1", "x:1", "y:1"]);
    const parsed = JSON.parse(out) as { RepoTags: string[] }[];
    expect(parsed.map(({ RepoTags }) => RepoTags[0])).toEqual([
      "y:1",
      "x:1",
      "y:1",
    ]);
    const json = await run(root, ["inspect", "--json", "y:1", "x:1", "y:1"]);
    expect(json.out).toBe(out);
  });

  it("is one line with --format json", async () => {
    const { root, id } = await filled();
    const { out } = await run(root, [
      "inspect",
      "--format",
      "json",
      "x:1",
      "y:1",
    ]);
    expect(
      out.startsWith(`[{"Id":"${id}","RepoTags":["x:1"],"RepoDigests":[],`),
    ).toBe(true);
    expect(out.indexOf("\n")).toBe(out.length - 1);
    const indented = await run(root, ["inspect", "x:1", "y:1"]);
    expect(JSON.parse(out)).toEqual(JSON.parse(indented.out));
  });

  it("has what can be found; the rest are failures", async () => {
    const root = await filled();
    const { status, out, err } = await run(root.root, [
      "inspect",
      "no:1",
      "x:1",
      "no:2",
    ]);
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject([{ RepoTags: ["x:1"] }]);
    expect(err.match(/there is no image no:[12]/g)).toHaveLength(2);
    expect(await run(root.root, ["inspect", "no:1"])).toMatchObject({
      status: 1,
      out: "[]\n",
    });
    await writeFile(root.config(root.id), "{}");
    const damaged = await run(root.root, ["inspect", "x:1", "y:1"]);
    expect(damaged.status).toBe(1);
    expect(JSON.parse(damaged.out)).toMatchObject([{ Author: "other" }]);
    expect(damaged.err).toBe(
      "tpull: the image x:1 is damaged: its config does not have its hash (CONFIG_DAMAGED)\n" +
        "  hint: 'tpull verify' says more, and 'tpull verify --repair' mends what can be mended.\n",
    );
  });
});

describe("--format", () => {
  test.each([
    ["{{.Id}}", "ID"],
    ["{{.ID}}", "ID"],
    ["{{.Os}}/{{len .Config.Cmd}}", "linux/2"],
    ["{{.Config.Healthcheck.Interval}}", "1m30.5s"],
    ["{{.Config.Healthcheck.Interval.Seconds}}", "90.5"],
    ["{{.Config.ExposedPorts}} {{.Config.Volumes}}", "map[80/tcp:{}] map[]"],
    ['{{index .Config.Labels "10"}}', "<&>"],
    ["{{json .Config.Cmd}} {{json .Config.Env}}", '["a","b"] null'],
    ["{{.GraphDriver}} {{.RootFS}}", "{map[] overlay2} { []}"],
    ["{{.VirtualSize}} {{.ContainerConfig}} {{.Manifests}}", "0 <nil> []"],
    ["{{.Metadata.LastTagTime}}", "2024-06-01 10:00:00.5 +0200 CEST"],
    ["{{.Metadata}}", "{2024-06-01 10:00:00.5 +0200 CEST}"],
    ["{{json .Metadata}}", '{"LastTagTime":"2024-06-01T10:00:00.5+02:00"}'],
    [
      '{{.Metadata.LastTagTime.Format "Mon 02 Jan 06, 3.04pm"}}',
      "Sat 01 Jun 24, 10.00am",
    ],
    [
      "{{.Metadata.LastTagTime.Unix}} {{.Metadata.LastTagTime.IsZero}}",
      "1717228800 false",
    ],
  ])("%s", async (format, printed) => {
    const { root, id } = await filled();
    const env = { TZ: await zoneFile(BERLIN) };
    const { status, out } = await run(root, ["inspect", "-f", format, "x:1"], {
      env,
    });
    expect({ status, out }).toEqual({
      status: 0,
      out: `${printed === "ID" ? id : printed}\n`,
    });
  });

  it("of a field that there is not fails for each image, and says where", async () => {
    const { root } = await filled();
    const words = ["inspect", "-f", "{{.Config.Nope}}", "x:1", "y:1"];
    const { status, out, err } = await run(root, words);
    expect({ status, out }).toEqual({ status: 1, out: "\n" });
    expect(err.match(/<.Config.Nope>.*\(FORMAT_INVALID\)/g)).toHaveLength(2);
  });

  it("that cannot be read is refused before anything is looked for", async () => {
    const { root } = await filled();
    const { status, out, err } = await run(root, [
      "inspect",
      "-f",
      "{{.",
      "no:1",
    ]);
    expect(status).not.toBe(0);
    expect(out).toBe("");
    expect(err).toContain("FORMAT_INVALID");
    expect(err).not.toContain("no:1");
  });
});

it("damage on the way is told", async () => {
  const root = await filled();
  await rm(root.path("image/overlay2/repositories.json"));
  await writeFile(root.path("image/overlay2/repositories.json"), "{");
  const { status, err } = await run(root.root, ["inspect", root.id]);
  expect(status).toBe(0);
  expect(err).toContain("(REPOSITORIES_DAMAGED)");
});
