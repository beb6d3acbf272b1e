// Templates and tables beside docker's own: its command line on JSON that is made
// up here, and with a dockerd on what a data root holds.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { formatRows, type Row } from "#src/cli/format/rows.js";
import { executeTemplate, parseTemplate } from "#src/cli/template/template.js";
import { fromJson } from "#src/cli/template/values.js";
import { CASES, DATA, NEWER } from "../cli/template/cases.js";
import { startFakeDocker, type FakeDocker } from "../helpers/docker-api.js";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd, type Dockerd } from "../helpers/dockerd.js";
import { imageOf, type Image } from "../helpers/image-builder.js";
import { busyboxLayer } from "../helpers/images/odd-images.js";
import { describeWithPeers, findPeer } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups, runOk, type RunResult } from "../helpers/run.js";
import { tpullOk } from "../helpers/tpull-cli.js";

const LONG_MS = 300_000;

/** docker's major version; 20 is built with Go 1.19. */
async function clientVersion(): Promise<number> {
  const docker = findPeer("docker");
  if (docker === undefined) return 0;
  const text = await runOk(docker, ["--version"]);
  return Number(/version (\d+)\./.exec(text)?.[1]);
}

/** What came of a template: text, or what docker says is wrong with it. */
interface Outcome {
  readonly text: string;
  readonly error: string;
}

function ofDocker({ code, stdout, stderr }: RunResult): Outcome {
  if (code === 0) return { text: stdout, error: "" };
  // What it had printed by then is no answer.
  const error = /template parsing error: ([^]*)$/.exec(stderr)?.[1] ?? stderr;
  return { text: "", error: error.trim() };
}

function ours(work: () => string): Outcome {
  try {
    return { text: work(), error: "" };
  } catch (error) {
    expect(error).toMatchObject({ code: "FORMAT_INVALID" });
    return { text: "", error: (error as Error).message };
  }
}

/**
 * Docker runs a template on declared types first. This one fails there, and
 * makes it take the JSON as it is.
 */
const RAW = "{{if .ZZ}}{{end}}";

describeWithPeers("docker's command line", ["docker"], {}, () => {
  const cleanups = new Cleanups();
  let fake: FakeDocker;
  let version: number;

  beforeAll(async () => {
    version = await clientVersion();
    fake = cleanups.use(
      await startFakeDocker(await cleanups.tempDir(), {
        json: DATA,
        history: HISTORY,
      }),
    );
  });
  afterAll(() => cleanups.close());

  const subjects = Object.entries(CASES);
  describe.each(subjects)("%s", (subject, cases) => {
    it.each(cases)("%j", async (template) => {
      // Earlier versions are built with an earlier Go.
      if (subject === NEWER && version < 28) return;
      const text = RAW + template;
      const theirs = await fake.docker([
        "inspect",
        "--type=image",
        `--format=${text}`,
        "x",
      ]);
      const mine = ours(() => {
        const options = { missingKey: "error" } as const;
        const value = fromJson(DATA);
        return `${executeTemplate(parseTemplate(text), value, options)}\n`;
      });
      expect(mine).toEqual(ofDocker(theirs));
    });
  });

  describe("tables", () => {
    it.each([
      "json",
      "{{json .}}",
      "{{.ID}}",
      "{{.ID}}\\t{{.Size}}\\n",
      "  {{.ID}}  ",
      "table",
      "table {{.ID}}",
      "table {{.ID}}\\t{{.CreatedBy}}\\t{{.Comment}}",
      "table {{.CreatedBy}}\\t{{.ID}}\\t{{.Size}}",
      "table {{.Size}}\\t{{.CreatedAt}}\\t{{.CreatedSince}}",
      "table {{upper .Size}}\\t{{json .ID}}\\t{{lower .Comment}}|{{truncate .ID 3}}",
      "table {{pad .ID 2 3}}|\\t{{.Size}}",
      "table {{len .ID}}\\t{{.Size}}",
      "table {{if .Comment}}{{.Comment}}{{else}}N/A{{end}}\\t{{.ID}}",
      'table {{printf "%-30s" .CreatedBy}}|\\t{{.Size}}',
      "table {{.ID}}\\n{{.Size}}\\t{{.Comment}}",
      'table {{range split .CreatedBy " "}}{{.}}\\t{{end}}',
      'table {{split .CreatedBy " "}}\\t{{.ID}}',
      'table {{join (split .CreatedBy " ") "-"}}\\t{{.ID}}',
      'table {{index (split .CreatedBy " ") 0}}\\t{{.ID}}',
      "table {{title .Comment}}\t{{.ID}}",
      "table {{.ID}}\\t\\t{{.Size}}",
      "table {{.ID}}\\t",
      "table a\\tb{{if .Comment}}\\tc\\td{{end}}\\te",
      "tablejson",
      " json",
      "table ",
      "plain",
      '{{.Size | printf "%10s"}}\\t|',
      "{{println .ID .Size}}",
      "{{.Foo}}",
      "table {{.Foo}}",
      "{{.ID.X}}",
      '{{.ID "x"}}',
      'table {{.ID "x"}}',
      "{{.ID}",
    ])("%s", async (format) => {
      // The word alone came with a later version.
      if (format === "json" && version < 23) return;
      const theirs = await fake.docker([
        "history",
        "--no-trunc",
        "--human=false",
        `--format=${format}`,
        "x",
      ]);
      const mine = ours(() => formatRows(listing(), format));
      expect(mine).toEqual(ofDocker(theirs));
    });

    it("with wide characters", async () => {
      // Earlier versions reckon with characters of one width.
      if (version < 28) return;
      fake = cleanups.use(
        await startFakeDocker(await cleanups.tempDir(), { history: WIDE }),
      );
      for (const format of [
        "table {{.Comment}}\\t{{.CreatedBy}}\\t{{.Size}}",
        "table {{.CreatedBy}}\\t{{.Comment}}\\t{{.Size}}",
      ]) {
        const words = ["history", "--no-trunc", "--human=false"];
        const theirs = await fake.docker([...words, "--format", format, "x"]);
        const { columns, headers } = listing();
        const mine = formatRows(
          { columns, headers, rows: WIDE.map(historyRow) },
          format,
        );
        expect({ text: mine, error: "" }).toEqual(ofDocker(theirs));
      }
    });
  });
});

interface Step {
  readonly Id: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Size: number;
  readonly Comment: string;
}

const HISTORY: readonly Step[] = [
  {
    Id: "sha256:aaa",
    Created: 1_700_000_000,
    CreatedBy: '/bin/sh -c echo <hi> & "x"',
    Size: 1_234_567,
    Comment: "made by hand",
  },
  {
    Id: "<missing>",
    Created: 1_600_000_000,
    CreatedBy: "COPY é /",
    Size: 0,
    Comment: "",
  },
  {
    Id: "<missing>",
    Created: 1_600_000_000,
    CreatedBy: "x",
    Size: 5,
    Comment: "last one",
  },
];

const WIDE: readonly Step[] = [
  { ...HISTORY[0]!, Comment: "日本語", CreatedBy: "e\u0301e\u0301 ▲ x" },
  { ...HISTORY[1]!, Comment: "family 👩‍👩‍👧 and 🇫🇷", CreatedBy: "ｆｕｌｌ" },
  { ...HISTORY[2]!, Comment: "plain text", CreatedBy: "한국어 텍스트" },
];

function historyRow(step: Step): Row {
  const date = new Date(step.Created * 1000).toISOString().replace(".000", "");
  return {
    ID: step.Id,
    CreatedSince: date,
    CreatedAt: date,
    CreatedBy: step.CreatedBy,
    Size: String(step.Size),
    Comment: step.Comment,
  };
}

function listing() {
  const headers = {
    ID: "IMAGE",
    CreatedSince: "CREATED",
    CreatedAt: "CREATED AT",
    CreatedBy: "CREATED BY",
    Size: "SIZE",
    Comment: "COMMENT",
  };
  const fields = ["ID", "CreatedAt", "CreatedBy", "Size", "Comment"] as const;
  return {
    columns: fields.map((field) => ({ field, header: headers[field] })),
    headers,
    rows: HISTORY.map(historyRow),
    rowType: "*image.historyContext",
  };
}

/** An image whose config has something in every corner that templates ask about. */
function richImage(): Image {
  return imageOf([busyboxLayer()], {
    settings: {
      Cmd: ["sh", "-c", 'echo "hi" & <wait>'],
      Entrypoint: ["/bin/entry"],
      Env: ["PATH=/bin", "GREETING=grüß dich"],
      ExposedPorts: { "80/tcp": {}, "443/tcp": {} },
      Labels: { "com.example.name": "rich", empty: "", z: "日本" },
      User: "1000:1000",
      Volumes: { "/data": {} },
      WorkingDir: "/srv",
      StopSignal: "SIGQUIT",
    },
  });
}

/** As people write them. */
const ON_IMAGES = [
  "{{.Id}}",
  "{{.Os}}",
  "{{.RepoTags}} {{.Os}}",
  "{{.Os}}/{{.Architecture}}",
  "{{json .Config}}",
  "{{json .}}",
  "{{json .RootFS}} {{json .RepoTags}} {{json .Config.Labels}}",
  '{{index .Config.Labels "com.example.name"}}',
  '{{index .Config.Labels "nowhere"}}|',
  '{{index .RepoTags 0}} {{index (split (index .RepoTags 0) ":") 0}}',
  "{{len .RootFS.Layers}} {{len .Config.Env}} {{len .Config.Labels}}",
  "{{.Config.ExposedPorts}} {{.Config.Volumes}} {{.Config.Labels}}",
  "{{.Config.Cmd}} {{.Config.Entrypoint}} {{.Config.Env}} {{.Config.User}}",
  "{{range .Config.Env}}{{println .}}{{end}}",
  "{{range $i, $e := .Config.Env}}{{if $i}}, {{end}}{{$e}}{{end}}",
  "{{range $port, $conf := .Config.ExposedPorts}}{{$port}} {{$conf}};{{end}}",
  "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}\n{{end}}",
  "{{range .RootFS.Layers}}{{truncate . 12}}\n{{end}}",
  "{{if .Config.Labels}}labels{{else}}none{{end}} {{if .Comment}}c{{else}}no comment{{end}}",
  '{{if eq .Os "linux"}}penguin{{else if eq .Os "windows"}}window{{end}}',
  "{{with .Config.Healthcheck}}x{{else}}no check{{end}}",
  "{{with .GraphDriver}}{{.Name}}{{range $k, $v := .Data}} {{$k}}={{$v}}{{end}}{{end}}",
  '{{printf "%-10s|%5s|%q" .Os .Architecture .Config.User}}',
  '{{printf "%v %T" .Config.ExposedPorts .Os}}',
  "{{.Size}} {{.Created}} {{.DockerVersion}} {{.Author}}",
  "{{upper .Os}} {{title .Os}} {{lower .Architecture}} {{pad .Os 1 1}}|",
  "{{html .Config.Cmd}} {{js .Config.Cmd}} {{urlquery .Config.Cmd}}",
  "{{slice .Id 7 19}} {{slice .RepoTags 0 1}}",
  "{{with $x := index .RepoTags 0}}{{$x}} {{len $x}}{{end}}",
  '{{define "one"}}<{{.}}>{{end}}{{range .RepoTags}}{{template "one" .}}{{end}}',
  "{{- /* nothing */ -}}  {{.Os -}}  \n{{- .Architecture}}",
  "{{and .Os .Architecture}} {{or .Comment .Os}} {{not .Comment}}",
  '{{join (split "a b" " ") "+"}} {{println .Os .Architecture}}',
  "{{.Nowhere}}",
  "{{.Config.Nowhere}}",
  "{{.Os.Nowhere}}",
  "{{index .RepoTags 7}}",
  "{{len .Size}}",
  "{{range .Os}}{{end}}",
  "{{nowhere .Os}}",
  "{{.Os",
  "{{if}}{{end}}",
  '{{template "nowhere"}}',
] as const;

describeWithPeers(
  "a dockerd on a root of tpull's",
  ["docker", "dockerd", "docker-registry", "python3", "busybox"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    let dockerd: Dockerd;
    let reference: string;
    let json: unknown;

    beforeAll(async () => {
      const root = join(await cleanups.tempDir(), "root");
      const { host } = cleanups.use(await startDockerRegistry());
      ({ reference } = await pushImage(host, "rich", "tag", richImage()));
      await tpullOk(["pull", "--root", root, reference]);
      dockerd = cleanups.use(await startDockerd(root));
      await dockerd.docker(["tag", reference, "also:1"]);
      const text = await dockerd.docker(["image", "inspect", reference]);
      [json] = JSON.parse(text) as unknown[];
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    it.each(ON_IMAGES)("inspect %j", async (template) => {
      // As maps: how docker's declared types print is for those who declare them.
      const text = `{{if .Id}}{{end}}${template}`;
      const theirs = await dockerd.tryDocker([
        "image",
        "inspect",
        `--format=${text}`,
        reference,
      ]);
      const mine = ours(() => {
        const options = { missingKey: "error" } as const;
        const value = fromJson(json);
        return `${executeTemplate(parseTemplate(text), value, options)}\n`;
      });
      expect(mine).toEqual(ofDocker(theirs));
    });

    it.each([
      ["images", "{{.Repository}}:{{.Tag}}"],
      ["images", "table {{.Repository}}\\t{{.Tag}}\\t{{.ID}}\\t{{.Size}}"],
      ["images", "table {{.Size}}\\t{{.Repository}}"],
      ["images", "{{.ID}}: {{upper .Repository}} {{.Digest}} {{.CreatedAt}}"],
      ["images", '{{if eq .Tag "tag"}}{{.Repository}}{{end}}'],
      ["history", "table {{.CreatedBy}}\\t{{.Size}}\\t{{.Comment}}"],
      ["history", "{{.ID}} {{truncate .CreatedBy 10}}|"],
    ])("%s %j", async (command, format) => {
      const words = command === "history" ? [reference] : [];
      const list = async (template: string): Promise<RunResult> =>
        await dockerd.tryDocker([command, "--format", template, ...words]);
      const { stdout } = await list("{{json .}}");
      const rows = stdout
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Row)
        // docker says which digest only where a template asks for it.
        .map((row) =>
          format.includes(".Digest") ? { ...row, Digest: DIGEST } : row,
        );
      const headers = {
        Repository: "REPOSITORY",
        Tag: "TAG",
        ID: command === "images" ? "IMAGE ID" : "IMAGE",
        Size: "SIZE",
        CreatedBy: "CREATED BY",
        Comment: "COMMENT",
      };
      const mine = formatRows({ columns: [], headers, rows }, format);
      const theirs = (await list(format)).stdout;
      expect(sortedLines(mine)).toEqual(
        sortedLines(theirs.replaceAll(/sha256:[0-9a-f]{64}/g, DIGEST)),
      );
    });
  },
);

const DIGEST = "<none>";

/** docker lists names of one image in any order. */
function sortedLines(text: string): string[] {
  return text.split("\n").sort();
}
