// `tpull lock`, from argv to the file and what is printed.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { describe, expect, it, test } from "vitest";
import { main } from "#src/cli/main.js";
import type { CliInput } from "#src/cli/prompt.js";
import { loadAnswer } from "#src/cli/run-answer.js";
import { tpull } from "../helpers/tpull-cli.js";
import { written } from "../lists/reading.js";
import { AMD64, ARM64, publishIndex, publishOne } from "../lock/published.js";
import { requestCounts, serve } from "../pull/support/pulls.js";
import { fakes } from "./fake-context.js";

async function run(argv: string[], stdin = "") {
  const made = fakes({
    loadAnswer,
    stdin: Readable.from([stdin]) as CliInput,
  });
  const status = await main(["lock", ...argv], made.context);
  return { status, out: made.stdout.text, err: made.stderr.text };
}

/** A registry with two images, a list of them, and where the lock is to be. */
async function scene() {
  const registry = await serve();
  const app = publishIndex(registry, "app:1", [
    [AMD64, "a"],
    [ARM64, "a"],
  ]);
  const tool = publishOne(registry, "tool:1", AMD64, "a");
  const folder = written({ "images.txt": `${tool.name}\n${app.name}\n` });
  return {
    registry,
    app,
    tool,
    list: join(folder, "images.txt"),
    lock: join(folder, "tpull.lock"),
  };
}

describe("writing", () => {
  it("says what is new, what has moved, and what is no more", async () => {
    const { registry, app, tool, list, lock } = await scene();
    const first = await run(["-f", list, "-o", lock]);
    expect(first).toEqual({
      status: 0,
      out: `added      ${app.name}  ${app.index.digest}
added      ${tool.name}  ${tool.image.manifest.digest}
Lock: ${lock}: 2 added
`,
      err: "",
    });
    expect(JSON.parse(readFileSync(lock, "utf8"))).toMatchObject({
      lock: 1,
      images: [
        { reference: app.name, digest: app.index.digest },
        { reference: tool.name, digest: tool.image.manifest.digest },
      ],
    });
    const bytes = readFileSync(lock, "utf8");
    const again = await run(["-q", "-f", list, "-o", lock]);
    expect(again).toEqual({ status: 0, out: "", err: "" });
    expect(readFileSync(lock, "utf8")).toBe(bytes);

    const moved = publishIndex(registry, "app:1", [[AMD64, "b"]]);
    const new_ = publishOne(registry, "new:1", AMD64, "a");
    writeFileSync(list, `${app.name}\n${new_.name}\n`);
    const { out } = await run(["-f", list, "-o", lock, "--json"]);
    expect(JSON.parse(out).schema).toBe(1);
    expect(JSON.parse(out).images).toEqual([
      {
        reference: app.name,
        status: "moved",
        digest: moved.index.digest,
        before: app.index.digest,
      },
      {
        reference: new_.name,
        status: "added",
        digest: new_.image.manifest.digest,
      },
      {
        reference: tool.name,
        status: "removed",
        before: tool.image.manifest.digest,
      },
    ]);
  });

  it("brings a lock up to date from itself", async () => {
    const { registry, app, lock } = await scene();
    await run(["--platform", "linux/arm64", "-o", lock, app.name]);
    const moved = publishIndex(registry, "app:1", [
      [AMD64, "a"],
      [ARM64, "b"],
    ]);
    expect(await run(["-f", lock, "-o", lock])).toEqual({
      status: 0,
      out: `moved      ${app.name}  ${moved.index.digest}\nLock: ${lock}: 1 moved\n`,
      err: "",
    });
    expect(JSON.parse(readFileSync(lock, "utf8")).images).toMatchObject([
      { wanted: ["linux/arm64"], platforms: [{ platform: "linux/arm64" }] },
    ]);
    // For other platforms it is another lock, though the digest is the same.
    const { out } = await run(["--platform=all", "-f", lock, "-o", lock]);
    expect(out).toContain(`${app.name}  platforms: linux/arm64 -> all\n`);
    expect(out).toContain("1 moved");
  });

  it("takes only names and platforms of locks", async () => {
    const { registry, app, lock } = await scene();
    const other = join(written({}), "other.lock");
    await run(["-o", other, app.name]);
    const now = publishIndex(registry, "app:1", [[AMD64, "b"]]);
    await run(["-o", lock, app.name]);
    const made = await run(["-f", lock, "-f", other]);
    expect(made).toMatchObject({ status: 0, err: "" });
    expect(JSON.parse(made.out).images).toMatchObject([
      { reference: app.name, digest: now.index.digest },
    ]);
    const checked = await run(["--check", "-f", other, lock]);
    expect(checked.status).toBe(0);
  });

  it("says also with -q what is no longer there", async () => {
    const { app, tool, list, lock } = await scene();
    await run(["-f", list, "-o", lock]);
    expect(await run(["-q", "-o", lock, app.name])).toEqual({
      status: 0,
      out: "",
      err: `tpull: no longer in ${lock}: ${tool.name}\n`,
    });
  });

  it("says of a directory that it is one", async () => {
    const { registry, list } = await scene();
    const folder = written({});
    const { status, err } = await run(["-f", list, "-o", folder]);
    expect(status).toBe(1);
    expect(err).toContain(`tpull: ${folder} is a directory (OUTPUT_EXISTS)`);
    expect(err).toContain(`${folder}/tpull.lock`);
    expect(registry.requests).toEqual([]);
  });

  test.each([[[]], [["-o", "-"]]])(
    "prints the lock with %j",
    async (options) => {
      const { list, app, lock } = await scene();
      const { status, out, err } = await run(["-f", list, ...options]);
      expect({ status, err }).toEqual({ status: 0, err: "" });
      expect(JSON.parse(out).images[0].reference).toBe(app.name);
      await run(["-f", list, "-o", lock]);
      expect(readFileSync(lock, "utf8")).toBe(out);
    },
  );

  it("takes a list from standard input", async () => {
    const { app } = await scene();
    const { out } = await run(["-f", "-"], `${app.name}\n`);
    expect(JSON.parse(out).images).toHaveLength(1);
  });

  it("takes for each platform the image that a Dockerfile has for it", async () => {
    const { registry } = await scene();
    const base = publishOne(registry, "base:amd64", AMD64, "a");
    const other = publishOne(registry, "base:arm64", ARM64, "a");
    const image = `${registry.host}/base:$TARGETARCH`;
    const file = join(written({ Dockerfile: `FROM ${image}` }), "Dockerfile");
    const { status, out } = await run([
      "--platform=linux/amd64,linux/arm64",
      "-f",
      file,
    ]);
    expect(status).toBe(0);
    expect(JSON.parse(out).images).toMatchObject([
      { reference: base.name, wanted: ["linux/amd64"] },
      { reference: other.name, wanted: ["linux/arm64"] },
    ]);
  });

  it("names what fails, and leaves the lock as it was", async () => {
    const { registry, list, lock } = await scene();
    await run(["-f", list, "-o", lock]);
    const before = readFileSync(lock, "utf8");
    const none = `${registry.host}/none:1`;
    const failed = await run(["-f", list, "-o", lock, none]);
    expect(failed).toMatchObject({ status: 1, out: "" });
    expect(failed.err).toContain(`tpull: ${none}: `);
    expect(failed.err).toContain("MANIFEST_UNKNOWN");
    expect(failed.err).toContain(`tpull: ${lock} is not written\n`);
    expect(readFileSync(lock, "utf8")).toBe(before);
    const nothing = await run([none]);
    expect(nothing).toMatchObject({ status: 1, out: "" });
  });

  it("does not replace what is no lock, and asks nobody", async () => {
    const { registry, list, lock } = await scene();
    const { status, out, err } = await run(["-f", list, "-o", list]);
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toContain("it is not replaced (OUTPUT_EXISTS)");
    expect(registry.requests).toEqual([]);
    expect(existsSync(lock)).toBe(false);
  });

  test.each([
    [[], /no image is named/],
    [["--json", "a"], /--json needs -o FILE/],
    [["--check"], /--check takes one lock file/],
    [["--check", "a", "b"], /--check takes one lock file/],
    [["--check", "-o", "x", "a"], /--check and --output exclude each other/],
    [["--check", "--platform", "all", "a"], /--platform only with -f LIST/],
    [["--check", "-f", "-", "-"], /only one file can be standard input/],
    [["--platform", "a/b/c/d", "a"], /PLATFORM_INVALID/],
  ])("%j is a usage error", async (argv, message) => {
    const { status, out, err } = await run(argv);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toMatch(message);
  });
});

describe("--check", () => {
  it("ends with 0 where nothing has moved, and with 3 where something has", async () => {
    const { registry, app, tool, list, lock } = await scene();
    await run(["-f", list, "-o", lock]);
    const bytes = readFileSync(lock, "utf8");
    registry.requests.length = 0;
    expect(await run(["--check", lock])).toEqual({
      status: 0,
      out: `unchanged   ${app.name}\nunchanged   ${tool.name}\n`,
      err: "",
    });
    expect(requestCounts(registry)).toEqual({ "HEAD manifests": 2 });
    const silent = await run(["--check", "-q", "-f", list, lock]);
    expect(silent).toEqual({ status: 0, out: "", err: "" });

    const now = publishIndex(registry, "app:1", [
      [AMD64, "a"],
      [ARM64, "b"],
    ]);
    registry.removeManifest("tool", "1");
    registry.removeManifest("tool", tool.image.manifest.digest);
    const arm = now.images[1]!.manifest.digest;
    expect(await run(["--check", lock])).toEqual({
      status: 3,
      out: `moved       ${app.name}
  locked       ${app.index.digest}
  now          ${now.index.digest}
  linux/amd64  as it was
  linux/arm64  now ${arm}
gone        ${tool.name}
  locked  ${tool.image.manifest.digest}, which the registry no longer has
`,
      err: "",
    });
    const { status, out } = await run(["--check", "--json", lock]);
    expect(status).toBe(3);
    expect(JSON.parse(out).images).toMatchObject([
      { status: "moved", now: now.index.digest, available: true },
      { status: "gone", available: false },
    ]);
    expect(readFileSync(lock, "utf8")).toBe(bytes);
  });

  it("says what the list has and the lock has not, and the other way round", async () => {
    const { registry, app, tool, list, lock } = await scene();
    await run(["-f", list, "-o", lock]);
    const other = publishOne(registry, "other:1", AMD64, "a");
    writeFileSync(list, `${app.name}\n${other.name} linux/amd64\n`);
    expect(await run(["--check", "-f", list, lock])).toEqual({
      status: 3,
      out: `unchanged   ${app.name}
unchanged   ${tool.name}
not locked  ${other.name} linux/amd64 (${list}, line 2)
not listed  ${tool.name}
`,
      err: "",
    });
    const { out } = await run(["--check", "--json", "-f", list, lock]);
    expect(JSON.parse(out).list).toEqual({
      missing: [
        {
          reference: other.name,
          platform: "linux/amd64",
          from: `${list}, line 2`,
        },
      ],
      extra: [tool.name],
      platforms: [],
    });
    expect(JSON.parse(out).schema).toBe(1);
  });

  // What the one calls changed, the other must not pass: in any pair of lists.
  test.each([
    [" linux/arm64", "", "linux/arm64", "any"],
    ["", " linux/arm64", "any", "linux/arm64"],
    [" linux/arm64", " linux/amd64", "linux/arm64", "linux/amd64"],
    [" all", " linux/arm64", "all", "linux/arm64"],
  ])("agrees with lock, from '%s' to '%s'", async (was, is, from, to) => {
    const { app, list, lock } = await scene();
    writeFileSync(list, `${app.name}${was}\n`);
    await run(["-f", list, "-o", lock]);
    const same = await run(["--check", "-f", list, lock]);
    expect(same.status).toBe(0);
    writeFileSync(list, `${app.name}${is}\n`);
    expect(await run(["--check", "-f", list, lock])).toEqual({
      status: 3,
      out: `unchanged   ${app.name}
platforms   ${app.name}: locked for ${from}, listed for ${to}
`,
      err: "",
    });
    expect(await run(["-f", list, "-o", lock])).toEqual({
      status: 0,
      out: `moved      ${app.name}  platforms: ${from} -> ${to}\nLock: ${lock}: 1 moved\n`,
      err: "",
    });
  });

  it("does not take its operand for a list", async () => {
    const { list, lock } = await scene();
    await run(["-f", list, "-o", lock]);
    const { err } = await run(["--check", "--platform=all", lock]);
    expect(err).not.toContain("write -f before it");
  });

  it("takes the --platform that the lock was written with", async () => {
    const { list, lock } = await scene();
    const platform = ["--platform", "linux/amd64"];
    await run([...platform, "-f", list, "-o", lock]);
    const same = await run(["--check", ...platform, "-q", "-f", list, lock]);
    expect(same).toEqual({ status: 0, out: "", err: "" });
    const without = await run(["--check", "-q", "-f", list, lock]);
    expect(without.status).toBe(3);
    expect(without.out).toContain("locked for linux/amd64, listed for any\n");
  });

  it("ends with 1 where something could not be asked", async () => {
    const { registry, app, list, lock } = await scene();
    await run(["-f", list, "-o", lock]);
    publishIndex(registry, "app:1", [[AMD64, "b"]]);
    registry.faults.push({
      on: { path: /\/tool\// },
      do: "status",
      status: 403,
      times: 9,
    });
    const { status, out, err } = await run(["--check", lock]);
    expect(status).toBe(1);
    expect(out).toContain(`moved       ${app.name}`);
    expect(out).toContain("failed      ");
    expect(err).toMatch(/tool:1: .*\(DENIED\)/);
  });

  it("reads the lock from standard input, and refuses what is none", async () => {
    const { list, lock } = await scene();
    await run(["-f", list, "-o", lock]);
    const piped = await run(["--check", "-"], readFileSync(lock, "utf8"));
    expect(piped.status).toBe(0);
    const wrong = await run(["--check", list]);
    expect(wrong).toMatchObject({ status: 1, out: "" });
    expect(wrong.err).toContain(
      'images.txt: this is no lock file: it does not begin with "lock": 1',
    );
    expect(wrong.err).toContain("(LOCK_INVALID)");
  });
});

test("images-of shows what a lock pins, and that is a list again", async () => {
  const { app, lock } = await scene();
  await run(["-o", lock, "--platform", "linux/arm64", app.name]);
  const made = fakes({ loadAnswer });
  expect(await main(["images-of", lock], made.context)).toBe(0);
  expect(made.stdout.text).toBe(
    `${app.name}@${app.index.digest} linux/arm64\n`,
  );
  const json = fakes({ loadAnswer });
  await main(["images-of", "--json", lock], json.context);
  expect(JSON.parse(json.stdout.text).images).toEqual([
    {
      reference: app.name,
      digest: app.index.digest,
      platform: "linux/arm64",
      from: `${lock}, images[0]`,
    },
  ]);
});

test("the built program", async () => {
  const { list, lock, app } = await scene();
  const made = await tpull(["lock", "-f", list, "-o", lock]);
  expect(made).toMatchObject({ code: 0, stderr: "" });
  const checked = await tpull(["lock", "--check", lock]);
  expect(checked).toMatchObject({ code: 0, stderr: "" });
  expect(checked.stdout).toContain(`unchanged   ${app.name}\n`);
});
