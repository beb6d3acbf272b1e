// tpull info: what kind of root this is, line by line.
import { execFileSync } from "node:child_process";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { openStore, privilege, storeInfo } from "#store/index.js";
import { humanSize } from "#src/cli/format/units.js";
import { TPULL } from "../../helpers/tpull-cli.js";
import { fakeImage, storeImage } from "../../store/support/images.js";
import { newRoot, rootWith, writing } from "../../store/support/roots.js";
import { run } from "./running.js";

/** What is said where these tests do not run as root. */
const ROOTLESS = /^ {2}Note: .*\(ROOTLESS\)\n/gm;

async function rootOfApp(): Promise<string> {
  const root = await newRoot();
  await writing(root, (writer) =>
    storeImage(writer, fakeImage("app", "one", "two")),
  );
  return root;
}

it("is a list of facts", async () => {
  const root = await rootOfApp();
  await mkdir(join(root, "volumes/data"));
  await writeFile(join(root, "notes\x1b"), "");
  const { filesystem } = await storeInfo(await openStore(root));
  const { status, out, err } = await run(root, ["info"]);
  expect({ status, err }).toEqual({ status: 0, err: "" });
  const shown = out.replace(/^Free Space: .*\n/m, "").replace(ROOTLESS, "");
  expect(shown).toBe(`Data Root: ${root}
Images: 1
 Dangling: 0
 Tags: 1
 Digests: 1
Layers: 2
 Orphans: 0
 Unfinished: 0
Partial Blobs: 0
Kept Manifests: 0
Containers: 0
 Running: 0
 Paused: 0
 Stopped: 0
Storage Driver: overlay2
 Backing Filesystem: ${filesystem.name}
 Supports d_type: ${filesystem.supportsDType}
 Using metacopy: ${filesystem.usingMetacopy}
 Native Overlay Diff: ${filesystem.nativeOverlayDiff}
 userxattr: ${filesystem.userxattr}
Format: docker overlay2 and layerdb, as of dockerd 20.10 to 29
 Staging: 1
Held By: nobody
Written By: nobody
Rights: ${privilege()}
Writable: true
Dockerd:
 20.10 to 29: usable; overlay2, because overlay2/ is not empty
Also There:
 volumes: volumes
 notes\\x1b: unknown
`);
  expect(out).toContain(` of ${humanSize(filesystem.total)}\n`);
  expect((await run(root, ["system", "info"])).status).toBe(0);
});

it("says what a pull would be refused for", async () => {
  const root = await rootWith("engine-id");
  const { out } = await run(root, ["info"]);
  expect(out).toContain("Writable: false\n Reason: the data root ");
  expect(out).toContain("(ROOT_IS_CONTAINERD_STORE)\n Hint: Layers written");
});

it("knows a root that is not there", async () => {
  const root = await newRoot();
  const { status, out } = await run(root, ["info"]);
  expect(status).toBe(0);
  expect(out).toContain(`Data Root: ${root} (not there yet)\n`);
  expect(out.replaceAll(ROOTLESS, "")).toContain(`Writable: true
Dockerd:
 20.10 to 28: usable; overlay2, because no storage driver has been in use
 29: usable; containerd's store, overlayfs, because no storage driver has been in use
Also There: nothing
`);
});

it("says which dockerds would not start, or hide images, and what to do", async () => {
  const root = await rootOfApp();
  await mkdir(join(root, "overlay/x"), { recursive: true });
  const { out } = await run(root, ["info"]);
  expect(out.replaceAll(ROOTLESS, "")).toContain(`Dockerd:
 20.10 to 23: does not start
  Reason: several storage drivers have been in use: overlay2, overlay (SEVERAL_DRIVERS)
  Hint: In daemon.json: "storage-driver": "overlay2". Or move the directories of the others away.
 24 to 29: usable; overlay2, because overlay2/ is not empty
`);
});

it("goes by a dockerd's configuration that is named, and by no other", async () => {
  const root = await rootOfApp();
  const file = join(dirname(root), "daemon.json");
  await writeFile(file, '{"features": {"containerd-snapshotter": true}}');
  const { out } = await run(root, ["info", "--daemon-json", file]);
  expect(out.replaceAll(ROOTLESS, "")).toContain(`Dockerd:
 20.10 to 23: usable; overlay2, because overlay2/ is not empty
 24 to 29: starts, with images hidden; containerd's store, overlayfs, because "containerd-snapshotter" is on
  Reason: 1 image in image/overlay2 would not be shown (IMAGES_HIDDEN)
  Hint: In daemon.json: "features": { "containerd-snapshotter": false }, "storage-driver": "overlay2".
`);
  await writeFile(file, '{"data-root": "/var/lib/docker"}');
  const elsewhere = await run(root, ["info", "--daemon-json", file]);
  expect(elsewhere.out.replaceAll(ROOTLESS, "")).toContain(`Dockerd:
 20.10 to 29: usable; overlay2, because overlay2/ is not empty
  Note: that daemon.json is for the data root /var/lib/docker, not for this one (DATA_ROOT_DIFFERS)
`);
  const missing = await run(root, ["info", "--daemon-json", `${file}.no`]);
  expect(missing).toMatchObject({ status: 1, out: "" });
  expect(missing.err).toContain("there is no such file (DAEMON_JSON_INVALID)");
});

it("reads a dockerd's configuration from standard input and from pipes", async () => {
  const root = await rootOfApp();
  const text = '{"storage-driver": "btrfs", "foo": 1}';
  const stdin = Readable.from([text.slice(0, 9), text.slice(9)]);
  const fromStdin = await run(root, ["info", "--daemon-json", "-"], {
    stdin: Object.assign(stdin, { isTTY: false }) as never,
  });
  expect(fromStdin.out).toContain("\n  Reason: btrfs: the data root is not on");
  expect(fromStdin.out).not.toContain("move the directory");
  expect(fromStdin.out).toContain('\n  Note: not judged: "foo"; a dockerd');
  const pipe = join(dirname(root), "pipe");
  execFileSync("mkfifo", [pipe]);
  const [fromPipe] = await Promise.all([
    run(root, ["info", "--daemon-json", pipe]),
    writeFile(pipe, text),
  ]);
  expect(fromPipe).toEqual(fromStdin);
  const folder = await run(root, ["info", "--daemon-json", dirname(root)]);
  expect(folder.err).toContain("it is a directory (DAEMON_JSON_INVALID)");
});

it.each([["info"], ["df"], ["images"], ["layers", "x"], ["save", "x"]])(
  "what is no directory is no root: %s %s",
  async (...words) => {
    const root = await newRoot();
    await symlink("gone", root);
    const link = await run(root, words);
    expect(link).toMatchObject({ status: 1, out: "" });
    expect(link.err).toContain(
      `${root} is a symbolic link to gone, and nothing is there (ROOT_NOT_A_DIRECTORY)`,
    );
    await rm(root);
    await writeFile(root, "");
    for (const path of [root, join(root, "below")]) {
      const file = await run(path, words);
      expect(file).toMatchObject({ status: 1, out: "" });
      expect(file.err).toContain(
        `${root} is not a directory (ROOT_NOT_A_DIRECTORY)`,
      );
    }
  },
);

it("the kernel's own filesystems are no place for a root", async () => {
  const { out } = await run("/proc/self/root/proc", ["info"]);
  expect(out).toContain("\n Reason: layers cannot be stored in ");
  expect(out).toContain("it is on procfs (ROOT_FILESYSTEM_UNFIT)");
  expect(out).toContain("\n 20.10 to 29: does not start\n");
});

it.runIf(privilege() === "native")(
  "a filesystem that is read-only is to be mounted for writing",
  async () => {
    const root = await rootOfApp();
    const script =
      'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@" info --root "$0"';
    const out = execFileSync(
      "unshare",
      ["-m", "sh", "-c", script, root, process.execPath, TPULL],
      { encoding: "utf8", stdio: "pipe" },
    );
    expect(out).toContain(`
 Reason: the data root ${root} cannot be written: the filesystem of ${root} is read-only (ROOT_NOT_WRITABLE)
 Hint: Mount it for writing, or choose another data root with --root.
`);
  },
);

it("tells of damage beside it", async () => {
  const root = await rootOfApp();
  await writeFile(join(root, "image/overlay2/repositories.json"), "{");
  const { status, out, err } = await run(root, ["info"]);
  expect(status).toBe(0);
  expect(out).toContain("Images: 1\n");
  expect(err).toContain("(REPOSITORIES_DAMAGED)");
});

it("is one document for programs", async () => {
  const root = await rootOfApp();
  const { filesystem, ...info } = await storeInfo(await openStore(root));
  for (const words of [
    ["info", "--json"],
    ["info", "--format", "json"],
  ]) {
    const { out } = await run(root, words);
    const found = JSON.parse(out) as { filesystem: typeof filesystem };
    expect(found).toMatchObject(
      JSON.parse(JSON.stringify(info)) as Record<string, unknown>,
    );
    expect({ ...found.filesystem, free: 0 }).toEqual({
      ...filesystem,
      free: 0,
    });
  }
});

it.each<[string, string | RegExp]>([
  ["{{.Driver}}", "overlay2\n"],
  ["{{.Images}} {{.ContainersStopped}}", "1 0\n"],
  ["{{.Counts.Tags}} {{.Writable.Possible}}", "1 true\n"],
  [
    "{{range .DriverStatus}}{{index . 0}},{{end}}",
    /^Backing Filesystem,Supports d_type,/,
  ],
  ["{{json .Counts.Layers}}", "2\n"],
  ["{{if .Holder}}held{{else}}free{{end}}", "free\n"],
  ["{{range .Others}}{{.Path}}{{end}}", "\n"],
  [
    "{{range .Daemons}}{{.Release}} {{.Outcome}},{{end}}",
    "20.10 usable,23 usable,24 usable,25 to 28 usable,29 usable,\n",
  ],
])("a template sees it: %s", async (format, expected) => {
  const { out } = await run(await rootOfApp(), ["info", "-f", format]);
  expect(out).toEqual(
    typeof expected === "string" ? expected : expect.stringMatching(expected),
  );
});

it("docker's own field names its root", async () => {
  const root = await rootOfApp();
  const { out } = await run(root, ["info", "-f", "{{.DockerRootDir}}"]);
  expect(out).toBe(`${root}\n`);
});

it("a template that is wrong says so before anything is looked at", async () => {
  const wrong = await run(await rootOfApp(), ["info", "-f", "{{.Nope}}"]);
  expect(wrong).toMatchObject({ out: "" });
  expect(wrong.err).toContain("can't evaluate field Nope in type StoreInfo");
  const broken = await run("/nonexistent/root", ["info", "-f", "{{"]);
  expect(broken.status).not.toBe(0);
  expect(broken.err).toContain("(FORMAT_INVALID)");
});
