// images, inspect and history beside docker's own, on the same root: one that
// dockerd filled, and one that tpull filled.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd, type Dockerd } from "../helpers/dockerd.js";
import { sha256 } from "../helpers/image-builder.js";
import {
  imageWithConfig,
  ODD_CONFIGS,
  STORED_CONFIGS,
} from "../helpers/images/odd-configs.js";
import { onBusybox } from "../helpers/images/odd-images.js";
import { describeWithPeers } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups } from "../helpers/run.js";
import { tpull } from "../helpers/tpull-cli.js";
import {
  ask,
  comparable,
  expectSame,
  versionsOf,
  type Versions,
} from "./looking.js";
import {
  dockerdPuller,
  SUITE_PEERS,
  tpullPuller,
  type Puller,
} from "./suite.js";

const LONG_MS = 300_000;

/** Pulled by digest alone. */
const BY_DIGEST = ["words", "no-created"];

const WITH_HISTORY = ["everything", "epoch", "other-case", "no-layers"];
/** Those that old clients show as new ones do: not very old, not wide. */
const PLAIN_HISTORY = ["comments", "no-layers"];
/** Types that templates print as a whole have other fields in old clients. */
const NEW_TYPES = "{{.RootFS}} {{.GraphDriver}} {{len .RootFS.Layers}}";

function describeLooks(
  name: string,
  startPuller: (root: string) => Promise<Puller>,
): void {
  describeWithPeers(name, [...SUITE_PEERS, "busybox"], { root: true }, () => {
    const cleanups = new Cleanups();
    let host = "";
    let dockerd: Dockerd;
    let versions: Versions;
    /** All image IDs, intermediate images included. */
    let ids: string[] = [];

    beforeAll(async () => {
      const folder = await cleanups.tempDir();
      const root = join(folder, "root");
      ({ host } = cleanups.use(await startDockerRegistry()));
      const puller = await startPuller(root);
      try {
        for (const odd of ODD_CONFIGS) {
          const image = imageWithConfig(odd);
          const pushed = await pushImage(host, odd.name, "tag", image);
          const byDigest = BY_DIGEST.includes(odd.name);
          await puller.pull(byDigest ? pushed.byDigest : pushed.reference);
        }
        const busybox = await pushImage(host, "busybox", "1", onBusybox([]));
        await puller.pull(busybox.reference);
      } finally {
        await puller.stop();
      }
      await plantConfigs(root);
      dockerd = cleanups.use(await startDockerd(root));
      versions = await versionsOf(dockerd);
      await useDocker(dockerd, host, folder);
      ids = lines(await dockerd.docker(["images", "-aq", "--no-trunc"]));
      ids = [...new Set(ids)].sort();
    }, LONG_MS);
    afterAll(() => cleanups.close(), LONG_MS);

    const image = (odd: string): string => `${host}/${odd}:tag`;

    describe("images", () => {
      it.each(
        commandLines([
          [],
          ["-a"],
          ["-q"],
          ["-aq", "--no-trunc"],
          ["--digests"],
          ["--digests", "--no-trunc", "-a"],
          ["-f", "dangling=true"],
          ["-f", "dangling=true", "-a"],
          ["-f", "dangling=false", "--digests"],
          ["-f", "label=made"],
          ["-f", "label=made=here", "-a"],
          ["-f", "label=made=here", "-f", "label=second"],
          ["-f", "label=made=there"],
          ["-f", "reference=*/*", "-q"],
          ["-f", "reference=*:1", "-f", "reference=*/*:t?g"],
          ["-f", "since=built:1", "-a"],
          ["no/match"],
          ["zeta"],
          ["z*:[0-9]"],
          ["--format", "{{json .}}"],
          ["--format", "{{json .}}", "--digests", "--no-trunc", "-a"],
          ["--format", "{{.Repository}}|{{.Tag}}|{{.Digest}}|{{.CreatedAt}}"],
          ["--format", "{{.ID}} {{ .Digest }} {{.Containers}} {{.SharedSize}}"],
          ["--format", "table {{.Repository}}\\t{{.Size}}\\t{{.VirtualSize}}"],
          ["--format", "table {{.Tag}}", "--digests"],
          ["--format", "raw"],
          ["--format", "raw", "-q"],
          ["--format", "table", "-q"],
          ["--format", "{{.Tag}}", "-q"],
        ]),
      )("images %s", async (_, words) => {
        await expectSame(dockerd, ["images", ...words], {
          ordered: false,
        });
      });

      it("by a pattern of its host", async () => {
        const words = ["images", "--digests", `${host}/*[es]`];
        const text = await expectSame(dockerd, words, { ordered: false });
        expect(lines(text).length).toBeGreaterThan(3);
      });

      it("created before and after others", async () => {
        const list = async (...filters: string[]): Promise<string[]> => {
          const given = filters.flatMap((filter) => ["-f", filter]);
          const words = ["images", "-q", "--no-trunc", ...given];
          return lines(await expectSame(dockerd, words, { ordered: false }));
        };
        // Old versions count what has no date as old, new ones leave it out.
        const dated = `since=${image("long-ago")}`;
        const all = await list(dated);
        const old = await list(dated, `before=${image("words-by-tag")}`);
        const between = await list(
          `since=${image("comments")}`,
          `before=${image("everything")}`,
        );
        expect(all.length).toBeGreaterThan(old.length);
        expect(old.length).toBeGreaterThan(between.length);
        expect(between.length).toBeGreaterThan(0);
        await list(`since=${between[0]!.slice(7, 20)}`);
        if (versions.server < 25) return;
        await list(dated, `since=${image("comments")}`);
        await list(dated, `before=${image("comments")}`, "before=built:1");
        await list(dated, "until=2022-01-05");
      });

      it("newest first", async () => {
        const words = ["images", "--format", "{{.CreatedAt}}", "-a"];
        const { docker, tpull: ours } = await ask(dockerd, words, {
          TZ: "UTC",
        });
        expect(ours.text).toBe(docker.text);
      });

      it("in other zones", async () => {
        for (const TZ of ["America/St_Johns", "Asia/Kathmandu", ":UTC", ""]) {
          const words = ["images", "--format", "{{.Tag}} {{.CreatedAt}}"];
          await expectSame(dockerd, words, { env: { TZ }, ordered: false });
        }
      });
    });

    it("image ls --format json", async (test) => {
      if (versions.client < 23) test.skip();
      const words = ["image", "ls", "--format", "json", "--digests"];
      await expectSame(dockerd, words, { ordered: false });
    });

    it("the same images as dockerd, of all that lie there", async () => {
      const words = ["images", "-aq", "--no-trunc", "--root", dockerd.dataRoot];
      const { stdout, stderr } = await tpull(words);
      expect([...new Set(lines(stdout))].sort()).toEqual(ids);
      const dropped = (await dockerd.log()).match(
        /level=error .*invalid image/g,
      );
      const ours = stderr.match(/ is damaged: /g);
      // Among ours is one whose layer is not there, and one for another system.
      expect(ours?.length).toBeGreaterThanOrEqual(dropped?.length ?? 0);
      expect(dropped?.length).toBeGreaterThan(20);
    });

    describe("inspect", () => {
      it("every field of every image", async () => {
        const words = ["image", "inspect", ...ids];
        const { docker, tpull: ours } = await ask(dockerd, words);
        if (versions.server >= 28.05) expect(ours.text).toBe(docker.text);
        const parsed = [docker, ours].map(
          ({ text }) => JSON.parse(text) as Record<string, unknown>[],
        );
        const [theirs = [], mine = []] = parsed;
        expect(mine).toHaveLength(ids.length);
        for (const [at, one] of mine.entries()) {
          expect(comparable(one)).toEqual(comparable(theirs[at]!));
        }
      });

      it("in docker's indentation and order", async () => {
        const words = ["image", "inspect", image("everything"), "built:1"];
        const { docker, tpull: ours } = await ask(dockerd, words);
        const kept = (text: string): string[] =>
          text
            .replace(/ {8}"Config": \{.*?\n {8}\},?\n/gs, "")
            .replace(/ {8}"ContainerConfig": \{.*?\n {8}\},?\n/gs, "")
            .replace(/ {8}"(?:Container|VirtualSize)": .*\n/g, "")
            .replace(/,$/gm, "")
            .split("\n");
        const unescaped = ours.text.replaceAll(
          /\\u00(26|3c|3e)/g,
          (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)),
        );
        expect(kept(unescaped)).toEqual(kept(docker.text));
      });

      it.each([
        "{{.Id}} {{.Os}}",
        "{{.ID}}",
        "{{.RepoTags}} {{.RepoDigests}} {{.Parent}}",
        "{{json .RepoTags}} {{json .RootFS}} {{json .GraphDriver}}",
        NEW_TYPES,
        "{{.Metadata}} {{.Metadata.LastTagTime}} {{json .Metadata}}",
        '{{.Metadata.LastTagTime.Format "Mon, 2 Jan 2006 03:04:05.000 PM MST"}}',
        "{{.Config.Labels}} {{json .Config.Labels}}",
        "{{.Config.ExposedPorts}} {{.Config.Volumes}} {{.Config.Env}}",
        "{{.Config.Cmd}} {{.Config.Entrypoint}} {{.Config.Shell}}",
        "{{with .Config.Healthcheck}}{{.Test}} {{.Interval}} {{.Timeout.Seconds}}{{end}}",
        '{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}{{index .Config.Labels "a"}}',
        "{{.Size}} {{.Author}} {{.Comment}} {{.Variant}} {{.OsVersion}}",
        "{{.Config.User}}{{.Config.WorkingDir}}{{.Config.StopSignal}}{{.Config.OnBuild}}",
      ])("%s", async (format) => {
        if (format === NEW_TYPES && versions.client < 23) return;
        const odd = ["everything", "other-case", "healthcheck-none"];
        const words = ["image", "inspect", "-f", format, ...odd.map(image)];
        await expectSame(dockerd, [...words, "built:1"], {
          env: { TZ: "Europe/Berlin" },
        });
      });

      it("what is there of several, and fails for the rest", async () => {
        const words = ["image", "inspect", "-f", "{{.Author}}", "no:1"];
        await expectSame(dockerd, [...words, image("everything"), "no:2"]);
        await expectSame(dockerd, words);
        await expectSame(dockerd, ["image", "inspect", "no:1", "no:2"]);
        await expectSame(dockerd, [
          "image",
          "inspect",
          "-f",
          "{{.Nope}}",
          ...ids,
        ]);
      });
    });

    describe("history", () => {
      it.each(
        commandLines([
          [],
          ["--no-trunc"],
          ["-q"],
          ["-q", "--no-trunc"],
          ["-H=false"],
          ["--human=false", "--no-trunc"],
          ["--format", "{{json .}}"],
          ["--format", "{{json .}}", "--no-trunc", "-H=false"],
          ["--format", "table {{.CreatedBy}}\\t{{.Comment}}\\t{{.Size}}"],
        ]),
      )("history %s", async (_, words) => {
        const TZ = "America/St_Johns";
        const odd = versions.client < 23 ? PLAIN_HISTORY : WITH_HISTORY;
        for (const name of [...odd.map(image), "built:1"]) {
          await expectSame(dockerd, ["history", ...words, name], {
            env: { TZ },
          });
        }
      });

      it("of an image that is not there", async () => {
        await expectSame(dockerd, ["history", "no:1"]);
      });
    });

    it("says that a dockerd runs there", async () => {
      for (const words of [
        ["images"],
        ["inspect", ids[0]!],
        ["history", ids[0]!],
      ]) {
        const root = ["--root", dockerd.dataRoot];
        const { stderr } = await tpull([...words, ...root]);
        expect(stderr).toContain(`note: dockerd (pid ${dockerd.pid}) runs on `);
      }
    });
  });
}

/** Configs without names, good ones and others, as somebody may have left them. */
async function plantConfigs(root: string): Promise<void> {
  const folder = join(root, "image/overlay2/imagedb/content/sha256");
  await mkdir(folder, { recursive: true });
  for (const text of STORED_CONFIGS) {
    const name = sha256(text).slice("sha256:".length);
    await writeFile(join(folder, name), text, { mode: 0o600 });
  }
  await writeFile(join(folder, "f".repeat(64)), "has another hash");
  await writeFile(join(folder, ".tmp-x"), "");
}

/** What only docker does: names, images of containers, intermediate images. */
async function useDocker(
  dockerd: Dockerd,
  host: string,
  folder: string,
): Promise<void> {
  const busybox = `${host}/busybox:1`;
  for (const name of [
    "zeta:1",
    "a-b/c:2",
    "quay.io/o/x:3",
    `${host}/words-by-tag:tag`,
  ]) {
    const source = name.includes("words") ? `${host}/comments:tag` : busybox;
    await dockerd.docker(["tag", source, name]);
  }
  const commit = async (from: string, ...words: string[]): Promise<string> => {
    const [container = ""] = lines(
      await dockerd.docker(["create", from, "true"]),
    );
    const id = await dockerd.docker(["commit", ...words, container]);
    await dockerd.docker(["rm", container]);
    return id.trim();
  };
  const labels = ["-c", 'LABEL made=here second="<&>"'];
  const first = await commit(busybox, "-m", "c <&>", "-a", "me", ...labels);
  const exposed = await commit(first, "-c", "EXPOSE 80 53/udp");
  await dockerd.docker(["tag", exposed, "committed:1"]);
  await commit(first, "-c", "VOLUME /a /b");
  const context = join(folder, "context");
  await mkdir(context);
  await writeFile(
    join(context, "Dockerfile"),
    [
      `FROM ${busybox}`,
      "ENV a=b",
      'LABEL made=there x="<y>"',
      'RUN ["/bin/sh", "-c", "echo x >/x"]',
      'HEALTHCHECK --interval=3s --timeout=90s CMD ["/bin/true"]',
      "STOPSIGNAL SIGINT",
      'SHELL ["/bin/sh", "-ec"]',
    ].join("\n"),
  );
  // The old builder leaves an image of each step.
  await dockerd.docker(["build", "--network=none", "-t", "built:1", context], {
    env: { DOCKER_BUILDKIT: "0" },
  });
}

/** With a name for each that can be read. */
function commandLines(
  all: readonly (readonly string[])[],
): [string, readonly string[]][] {
  return all.map((words) => [words.join(" "), words]);
}

function lines(text: string): string[] {
  return text.trim() === "" ? [] : text.trim().split("\n");
}

describeLooks("a root that dockerd filled", dockerdPuller);
describeLooks("a root that tpull filled", tpullPuller);
