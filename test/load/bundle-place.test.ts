// Where bundles go: what is refused before anything is fetched, pipes, room, who waits for whom, and what is said.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import {
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { BlobFolder } from "#src/bundle/blob-folder.js";
import { packFile } from "#src/bundle/pack.js";
import {
  bundleImages,
  checkArchive,
  type BundleOptions,
  type PullEvent,
} from "#src/index.js";
import type { Digest } from "#store/index.js";
import { layoutArchive } from "../helpers/image-archive.js";
import { imageOf, type Image } from "../helpers/image-builder.js";
import { describeWithPeers, requirePeer } from "../helpers/peers.js";
import { childEnv, run, runOk } from "../helpers/run.js";
import { smallDisks } from "../helpers/small-disk.js";
import { namesIn } from "../helpers/store/data-root.js";
import { TPULL, tpull, tpullOk } from "../helpers/tpull-cli.js";
import { bigLayer, smallImage } from "../pull/support/layers.js";
import {
  failureOf,
  fetches,
  IMPATIENT,
  publish,
} from "../pull/support/pulls.js";
import { one, published } from "./published.js";

const OPTIONS: BundleOptions = { registry: IMPATIENT };
const two = (): Image => smallImage(["base", "two"]);

describe("what is no place for a bundle", () => {
  it("is refused before a registry is asked, and stays as it is", async () => {
    const { registry, x, at } = await published();
    await writeFile(
      at("saved.tar"),
      layoutArchive(two(), "docker.io/library/y:1"),
    );
    await mkdir(at("layout"));
    await runOk("tar", ["-xf", at("saved.tar"), "-C", at("layout")]);
    await writeFile(at("file"), "mine");
    const before = await readdir(at(""), { recursive: true });
    for (const [place, code] of [
      ["none/x.tar", "OUTPUT_NOT_WRITABLE"],
      ["none/x/", "OUTPUT_NOT_WRITABLE"],
      ["file/x.tar", "OUTPUT_NOT_WRITABLE"],
      ["file/", "OUTPUT_NOT_WRITABLE"],
      ["file", "OUTPUT_EXISTS"],
      ["saved.tar", "OUTPUT_EXISTS"],
      ["layout", "OUTPUT_EXISTS"],
      ["x.tar.gz", "OPTION_INVALID"],
      ["x.tgz", "OPTION_INVALID"],
      ["x.tar.zst", "OPTION_INVALID"],
      ["x.ZIP", "OPTION_INVALID"],
    ] as const) {
      const making = bundleImages([x], at() + "/" + place, OPTIONS);
      expect([place, (await failureOf(making)).code]).toEqual([place, code]);
    }
    expect(registry.requests).toEqual([]);
    expect(await readdir(at(""), { recursive: true })).toEqual(before);
    // What ends so is the name of a directory, too.
    await bundleImages([x], at("x.gz/"), OPTIONS);
  });
});

describe("a bundle for somebody who reads it", () => {
  it("comes from standard output and through pipes, byte for byte", async () => {
    const { x, at, bundle } = await published();
    await bundleImages([x], at("b.tar"), OPTIONS);
    const bytes = await readFile(at("b.tar"));
    await runOk("mkfifo", [at("pipe")]);
    const shell = async (line: string, place: string): Promise<void> => {
      const args = bundle("-o", place, x);
      await runOk("/bin/sh", ["-c", line, process.execPath, TPULL, ...args], {
        cwd: at(""),
      });
      expect((await readFile(at("got"))).equals(bytes)).toBe(true);
      await rm(at("got"));
    };
    await shell('"$0" "$@" >got', "-");
    await shell('"$0" "$@" | cat >got', "/dev/stdout");
    await shell('cat pipe >got & "$0" "$@" && wait', "pipe");
    const chunks: Buffer[] = [];
    await bundleImages(
      [x],
      { write: async (chunk) => void chunks.push(Buffer.from(chunk)) },
      OPTIONS,
    );
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    expect((await readdir(at(""))).sort()).toEqual(["b.tar", "pipe"]);
  });

  it.each([
    ["that nobody opens", (pipe: string) => ["-o", pipe], ""],
    ["that nobody reads from", (pipe: string) => ["-o", pipe], "<pipe"],
    ["on standard output", () => ["-o", "-"], "<pipe"],
  ])(
    "does not wait for a pipe %s longer than for a signal",
    async (_what, output, reader) => {
      const { x, at, bundle } = await published(
        imageOf([bigLayer(900_000, 1)]),
      );
      await runOk("mkfifo", [at("pipe")]);
      const args = bundle("--progress", "plain", ...output(at("pipe")), x);
      // The reader is there, and takes nothing.
      const reading = reader === "" ? "" : `exec 3<>pipe;`;
      const writing = args.includes("-") ? " >&3" : "";
      const child = spawn(
        "/bin/sh",
        [
          "-c",
          `${reading} exec "$0" "$@"${writing}`,
          process.execPath,
          TPULL,
          ...args,
        ],
        { cwd: at(""), env: childEnv(), stdio: ["ignore", "ignore", "pipe"] },
      );
      const ended = once(child, "exit");
      let said = "";
      child.stderr.on("data", (text) => (said += String(text)));
      while (!said.includes("complete")) await delay(20);
      await delay(300);
      child.kill("SIGTERM");
      expect(await ended).toEqual([143, null]);
      expect(said).toContain("tpull: terminated");
    },
  );

  it("ends without a word when who reads it goes away", async () => {
    const { x, bundle } = await published(imageOf([bigLayer(900_000, 1)]));
    const line = '{ "$0" "$@"; echo "status $?" >&2; } | head -c 10';
    const args = ["-c", line, process.execPath, TPULL];
    const { stdout, stderr } = await run("/bin/sh", [
      ...args,
      ...bundle("-o", "-", x),
    ]);
    expect([stdout, stderr]).toEqual(["oci-layout", "status 141\n"]);
  });

  it("takes no JSON and no checksums beside it", async () => {
    const { x, bundle } = await published();
    for (const option of ["--json", "--checksum"]) {
      const said = await tpull(bundle("-o", "-", option, x));
      expect([said.code, said.stdout]).toEqual([2, ""]);
      expect(said.stderr).toContain(option);
    }
    if (!existsSync("/dev/full")) return;
    const full = await tpull(bundle("-o", "/dev/full", x));
    expect([full.code, full.stderr]).toEqual([
      1,
      expect.stringContaining("DISK_FULL"),
    ]);
  });
});

describe("a bundle that is written again", () => {
  it("says which images go", async () => {
    const { registry, x, at, bundle } = await published();
    const y = publish(registry, "y:1", two());
    for (const place of [at("d/"), at("b.tar")]) {
      await bundleImages([x, y], place, OPTIONS);
      const { removed } = await bundleImages([x, y], place, OPTIONS);
      expect(removed).toEqual([]);
      const said = await tpull(bundle("--json", "-o", place, x));
      expect(said.stderr).toContain(`${y} (IMAGES_REMOVED)`);
      expect(JSON.parse(said.stdout)).toMatchObject({ removed: [y] });
    }
  });

  it("has its own checksums renewed, and nobody else's", async () => {
    const { registry, x, at } = await published();
    const y = publish(registry, "y:1", two());
    for (const name of ["d", "b.tar"]) {
      const place = at(name === "d" ? "d/" : name);
      const sums = at(`${name}.SHA256SUMS`);
      await bundleImages([x], place, { ...OPTIONS, checksum: true });
      const before = await readFile(sums, "utf8");
      await bundleImages([x, y], place, OPTIONS);
      expect(await readFile(sums, "utf8")).not.toBe(before);
      await runOk("sha256sum", ["--strict", "-c", sums], { cwd: at("") });

      const foreign = `${"0".repeat(64)}  other\n`;
      await writeFile(sums, foreign);
      await bundleImages([x], place, OPTIONS);
      const making = bundleImages([x], place, { ...OPTIONS, checksum: true });
      expect(await failureOf(making)).toMatchObject({ code: "OUTPUT_EXISTS" });
      expect(await readFile(sums, "utf8")).toBe(foreign);
    }
  });

  it("names files with odd names as sha256sum does", async () => {
    const { x, at } = await published();
    const place = at("a\\b\nc.tar");
    await bundleImages([x], place, { ...OPTIONS, checksum: true });
    await runOk("sha256sum", ["--strict", "-c", `${place}.SHA256SUMS`], {
      cwd: at(""),
    });
    await tpullOk(["verify", "--checksum", place]);
  });

  it("has the mode that the umask leaves", async () => {
    const { x, at, bundle } = await published();
    for (const [umask, mode] of [
      ["022", 0o644],
      ["077", 0o600],
    ] as const) {
      for (const place of [`${umask}.tar`, `${umask}/`]) {
        const args = bundle("--checksum", "-o", place, x);
        const line = `umask ${umask}; "$0" "$@"`;
        await runOk("/bin/sh", ["-c", line, process.execPath, TPULL, ...args], {
          cwd: at(""),
        });
      }
      const [layer] = one().layers;
      for (const name of [
        `${umask}.tar`,
        `${umask}.tar.SHA256SUMS`,
        `${umask}/index.json`,
        `${umask}/blobs/sha256/${layer!.digest.slice(7)}`,
      ]) {
        expect([name, (await stat(at(name))).mode & 0o777]).toEqual([
          name,
          mode,
        ]);
      }
    }
  });
});

describe("a directory for a bundle", () => {
  it("may be named by a link", async () => {
    const { x, at, bundle } = await published();
    await mkdir(at("real"));
    await symlink("real", at("link"));
    for (const place of ["link", "link/"]) {
      await tpullOk(bundle("--checksum", "-o", place, x), { cwd: at("") });
    }
    await tpullOk(["verify", "--checksum", at("link")]);
    expect((await checkArchive(at("real"))).findings).toEqual([]);
  });
});

describe("what a killed run has left half written", () => {
  it("goes with the rest", async () => {
    const { x, at } = await published();
    for (const place of [at("d/"), at("b.tar")]) {
      const folder = place.endsWith("/") ? place : `${place}.tpull-parts`;
      const left = join(folder, "blobs/sha256/.tpull-new-1");
      await mkdir(join(folder, ".tpull-parts"), { recursive: true });
      await bundleImages([x], place, OPTIONS);
      await mkdir(join(folder, ".tpull-parts"), { recursive: true });
      await mkdir(dirname(left), { recursive: true });
      await writeFile(left, "half");
      await bundleImages([x], place, OPTIONS);
      expect(existsSync(left)).toBe(false);
    }
    expect((await readdir(at(""))).sort()).toEqual(["b.tar", "d"]);
  });
});

describe("two who write one bundle", () => {
  it("come one after the other", async () => {
    const { registry, x, at } = await published();
    const y = publish(registry, "y:1", two());
    for (const place of [at("d/"), at("b.tar")]) {
      await Promise.all([
        bundleImages([x], place, OPTIONS),
        bundleImages([x, y], place, OPTIONS),
      ]);
      expect((await checkArchive(place)).findings).toEqual([]);
    }
    expect((await readdir(at(""))).sort()).toEqual(["b.tar", "d"]);
  });

  it("say that they wait, and stop when they are told to", async () => {
    const { x, at } = await published();
    const { signal } = new AbortController();
    const first = await BlobFolder.open(at("b.tar.tpull-parts"), signal);
    const events: PullEvent[] = [];
    const stop = new AbortController();
    const making = bundleImages([x], at("b.tar"), {
      ...OPTIONS,
      signal: stop.signal,
      onEvent: (event) => {
        events.push(event);
        if (event.type === "wait") stop.abort();
      },
    });
    expect(await failureOf(making)).toMatchObject({ code: "ABORTED" });
    expect(events.filter(({ type }) => type === "wait")).toHaveLength(1);
    await using _second = first;
    const late = bundleImages([x], at("b.tar"), { ...OPTIONS, timeoutMs: 300 });
    expect(await failureOf(late)).toMatchObject({ code: "TIMEOUT" });
  });
});

describe("an archive in the making", () => {
  it("that is interrupted gives its blobs back", async () => {
    const layers = [1, 2, 3, 4].map((seed) => bigLayer(1_500_000, seed));
    const { registry, x, at } = await published(imageOf(layers));
    const file = at("b.tar");
    const parts = `${file}.tpull-parts`;
    for (const done of [1, 2, 3]) {
      {
        await using folder = await BlobFolder.open(
          parts,
          new AbortController().signal,
        );
        const blobs = new Map<Digest, number>();
        for (const { digest, size, data } of layers) {
          blobs.set(digest as Digest, size);
          if (folder.seems(digest as Digest, size)) continue;
          const bytes = [data as Buffer];
          const chunks = (async function* () {
            yield* bytes;
          })();
          const { signal } = new AbortController();
          await folder.copy(digest as Digest, size, chunks, signal);
        }
        // Ends inside the blob that follows.
        const signal = {
          get aborted() {
            const left = readdirSync(join(parts, "blobs/sha256")).length;
            return left <= layers.length - done;
          },
        } as AbortSignal;
        const files = [{ name: "oci-layout", bytes: Buffer.from("{}") }];
        const packing = packFile(file, files, blobs, folder, signal);
        expect(await failureOf(packing)).toMatchObject({ code: "ABORTED" });
      }
      expect(await namesIn(parts)).toContain("archive");
      registry.requests.length = 0;
      await bundleImages([x], file, OPTIONS);
      for (const { digest } of layers)
        expect(fetches(registry, digest)).toBe(0);
      expect(await checkArchive(file)).toMatchObject({
        images: 1,
        findings: [],
      });
      expect(await readdir(at(""))).toEqual(["b.tar"]);
      await rm(file);
    }
  });
});

describeWithPeers("a small medium", [], { root: true }, () => {
  const mounted = smallDisks();

  it("takes what fits, and is left as it is by what does not", async () => {
    const layers = [1, 2, 3, 4].map((seed) => bigLayer(2_500_000, seed));
    const { registry, x } = await published(imageOf(layers));
    const [least] = layers.map(({ size }) => size);
    const small = await mounted(`size=${4 * least! + 1_500_000}`);
    const making = bundleImages([x], join(small, "b.tar"), OPTIONS);
    const failure = await failureOf(making);
    expect(failure.code).toBe("NOT_ENOUGH_SPACE");
    for (const { digest } of layers) expect(fetches(registry, digest)).toBe(0);
    expect(await readdir(small)).toEqual([]);
    await mkdir(join(small, "mine"));
    await bundleImages([x], join(small, "d/"), OPTIONS);
    expect((await readdir(small)).sort()).toEqual(["d", "mine"]);

    const enough = await mounted(`size=${5 * least! + 2_500_000}`);
    await bundleImages([x], join(enough, "b.tar"), OPTIONS);
    expect(await readdir(enough)).toEqual(["b.tar"]);
    expect((await checkArchive(join(enough, "b.tar"))).findings).toEqual([]);
  });

  it("that is read-only is called so", async () => {
    const { registry, x } = await published();
    const folder = await mounted("ro");
    for (const place of ["b.tar", "d/", ""]) {
      const making = bundleImages([x], join(folder, place), OPTIONS);
      expect(await failureOf(making)).toMatchObject({
        code: "OUTPUT_NOT_WRITABLE",
        details: { errno: "EROFS" },
      });
    }
    expect(registry.requests).toEqual([]);
  });
});

describe("what tpull bundle says", () => {
  it("of a failed image: that nothing was written", async () => {
    const { registry, x, at, bundle } = await published();
    const none = `${registry.host}/none:1`;
    const said = await tpull(bundle("-o", at("b.tar"), x, none));
    expect([said.code, said.stdout]).toEqual([1, ""]);
    expect(said.stderr).toMatch(/none:1.*\n(.*\n)*.*nothing was written/);
  });

  it("when it ends early: what is kept, and where", async () => {
    const layers = [bigLayer(600_000, 1), bigLayer(500_000, 2)];
    const { registry, x, at, bundle } = await published(imageOf(layers));
    registry.faults.push({
      do: "stall",
      after: 100_000,
      on: { path: new RegExp(layers[0]!.digest) },
      times: 9,
    });
    for (const place of [at("d/"), at("b.tar")]) {
      const args = bundle("--timeout", "2s", "-o", place, x);
      const said = await tpull(args);
      const folder = place.endsWith("/") ? at("d") : `${place}.tpull-parts`;
      expect(said.code).toBe(1);
      expect(said.stderr).toContain("(TIMEOUT)");
      expect(said.stderr).toContain(`are kept in ${folder}; the same command`);
    }
  });

  it("on its way, as --progress wants it", async () => {
    const { x, at, bundle } = await published();
    const place = at("b.tar");
    const lines = await tpull(bundle("--progress", "plain", "-o", place, x));
    const [layer] = one().layers;
    const id = layer!.digest.slice(7, 19);
    expect(lines.stderr).toContain(`tpull: ${id}: complete\n`);
    expect(lines.stdout).toContain("Bundle: ");
    const json = await tpullOk(bundle("--progress", "json", "-o", place, x));
    const events = json
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { schema: number; type: string });
    expect(events.every(({ schema }) => schema === 1)).toBe(true);
    expect(events.at(-1)).toMatchObject({ type: "bundle", failures: [] });
    expect(events.map(({ type }) => type)).toContain("layers");
    const quiet = await tpull(bundle("-q", "-o", place, x));
    expect([quiet.stdout, quiet.stderr]).toEqual(["", ""]);
    const failed = await run(process.execPath, [
      TPULL,
      ...bundle("--progress", "json", "-o", at("none/b.tar"), x),
    ]);
    const last = JSON.parse(failed.stdout.trimEnd()) as object;
    expect(last).toMatchObject({
      type: "error",
      error: { code: "OUTPUT_NOT_WRITABLE" },
    });
  });
});

describeWithPeers("a bundle on a terminal", ["python3"], {}, () => {
  it("has bars, and its result after them", async () => {
    const { x, at, bundle } = await published();
    const { stdout } = await run(
      requirePeer("python3"),
      [
        join(import.meta.dirname, "../helpers/terminal.py"),
        "[]",
        process.execPath,
        TPULL,
        ...bundle("-o", at("b.tar"), x),
      ],
      { env: { TERM: "xterm", CI: "" } },
    );
    const [layer] = one().layers;
    expect(stdout).toMatch(/total +2\/2 done/);
    expect(stdout).toContain(layer!.digest.slice(7, 19));
    expect(stdout.indexOf("Bundle: ")).toBeGreaterThan(stdout.indexOf("total"));
    expect(stdout).toMatch(/status 0\s*$/);
  });
});
