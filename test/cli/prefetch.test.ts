// The command: what it asks the API for, and what it says of the outcome.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type {
  PrefetchedImage,
  PrefetchOptions,
  PrefetchResult,
} from "#src/index.js";
import { main } from "#src/cli/main.js";
import { reportText } from "#src/cli/prefetch-report.js";
import { abortedError, TpullError } from "#store/errors.js";
import { fakes, FakeStream } from "./fake-context.js";

const DIGEST = `sha256:${"a".repeat(64)}`;

const image = (
  reference: string,
  rest: Partial<PrefetchedImage> = {},
): PrefetchedImage => ({
  reference,
  status: "fetched",
  bytesFetched: 1_500_000,
  bytesReused: 20_000,
  durationMs: 12,
  ...rest,
});

const FAILED = { code: "MANIFEST_UNKNOWN", message: "b: there is none" };
const MIXED = [
  image("a"),
  image("b", { status: "failed", error: FAILED, bytesFetched: 0 }),
  image("c", { status: "not-started", durationMs: 3210 }),
  image("d", { status: "up-to-date", bytesFetched: 0, durationMs: 125_000 }),
];

function resultOf(images: PrefetchedImage[]): PrefetchResult {
  const there = images.filter(({ status }) => /fetched|date/.test(status));
  return {
    images,
    results: there.map(({ reference }) => ({ reference }) as never),
    failures: images.flatMap(({ reference, error }) =>
      error === undefined ? [] : [{ reference, error }],
    ),
    bytesFetched: 1_500_000,
    durationMs: 4200,
  };
}

/** Runs the command with a prefetch that ends so. */
async function run(
  argv: string[],
  images: PrefetchedImage[] | Error = [image("a")],
  streams: { stdout?: FakeStream; stderr?: FakeStream } = {},
  known?: PrefetchedImage[],
) {
  const calls: [unknown, PrefetchOptions][] = [];
  const made = fakes({
    prefetch: async (requests, options = {}) => {
      calls.push([requests, options]);
      options.onEvent?.({ type: "delay", delayMs: 65_000, mostMs: 3_600_000 });
      if (images instanceof Error) {
        if (known !== undefined) options.onRunFailed?.(resultOf(known));
        throw images;
      }
      for (const { reference, error } of images) {
        if (error === undefined) continue;
        options.onEvent?.({ type: "error", image: reference, error });
      }
      return resultOf(images);
    },
  });
  const stdout = streams.stdout ?? made.stdout;
  const stderr = streams.stderr ?? made.stderr;
  const context = { ...made.context, stdout, stderr };
  const status = await main(["prefetch", ...argv], context);
  return { status, out: stdout.text, err: stderr.text, calls };
}

describe("tpull prefetch", () => {
  it("passes on what it is told", async () => {
    const { calls, status } = await run([
      "-k",
      "--jitter=10m",
      "--root=/r",
      "--platform=linux/386",
      "--concurrency=3",
      "--timeout=1h",
      "a",
      "b",
      "a",
    ]);
    expect(status).toBe(0);
    expect(calls).toEqual([
      [
        ["a", "b"],
        expect.objectContaining({
          root: "/r",
          keepGoing: true,
          jitterMs: 600_000,
          platform: "linux/386",
          concurrency: 3,
          timeoutMs: 3_600_000,
        }),
      ],
    ]);
    expect((await run(["a"])).calls[0]?.[1]).not.toHaveProperty("keepGoing");
  });

  it("takes lists, each image for its own platform", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tpull-listed-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const list = join(folder, "images.txt");
    writeFileSync(list, "b linux/arm64\nc\n");
    const { calls } = await run(["-f", list, "a"]);
    expect(calls[0]?.[0]).toEqual([
      { reference: "a" },
      { reference: "b", platforms: "linux/arm64" },
      { reference: "c" },
    ]);
  });

  it("prints a table and what it comes to; failures on stderr; status 1", async () => {
    const { status, out, err } = await run(["a", "b", "c", "d"], MIXED);
    expect(status).toBe(1);
    expect(out.split("\n")).toEqual([
      "IMAGE  STATUS       FETCHED  REUSED   TIME",
      "a      fetched      1.50 MB  20.0 kB  12ms",
      "b      failed       0 B      20.0 kB  12ms",
      "c      not started  1.50 MB  20.0 kB  3.2s",
      "d      up to date   0 B      20.0 kB  2m05s",
      "",
      "4 images: 1 fetched, 1 up to date, 1 failed, 1 not started; 1.50 MB in 4.2s",
      "",
    ]);
    expect(err.split("\n")).toEqual([
      "tpull: waiting for 1m05s of 1h00m, this machine's part",
      "tpull: b: there is none (MANIFEST_UNKNOWN)",
      "tpull: 1 image was not started because of that; --keep-going fetches what it can",
      "",
    ]);
  });

  it("says nothing with -q but what went wrong", async () => {
    expect(await run(["-q", "a"])).toMatchObject({
      status: 0,
      out: "",
      err: "",
    });
    const { status, out, err } = await run(["-qk", "a", "b"], [MIXED[1]!]);
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toBe("tpull: b: there is none (MANIFEST_UNKNOWN)\n");
  });

  it("prints one document with --json", async () => {
    const target = "linux/arm64";
    const one = image("a", { target, digest: DIGEST as never });
    const { out, err, status } = await run(["--json", "a"], [one, MIXED[2]!]);
    expect(status).toBe(1);
    expect(JSON.parse(out)).toEqual({
      schema: 1,
      fetched: 1,
      upToDate: 0,
      failed: 0,
      notStarted: 1,
      bytesFetched: 1_500_000,
      durationMs: 4200,
      images: [one, MIXED[2]],
    });
    expect(err).toContain("1 image was not started");
  });

  it.each([
    [new TpullError("NOT_ENOUGH_SPACE", "no room"), "", ""],
    [abortedError(), "IMAGE", "3 images: 1 fetched, 1 not started, 1 stopped;"],
  ])("says what is known where the run fails: %s", async (error, head, sum) => {
    const known = [
      image("a"),
      image("b", { status: "failed", error: abortedError().toJSON() }),
      image("c", { status: "not-started" }),
    ];
    const json = await run(["--json", "a", "c"], error, {}, known);
    expect(json.status).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({
      schema: 1,
      error: { code: error.code, message: error.message },
      fetched: 1,
      notStarted: 1,
      images: known,
    });
    const table = await run(["a", "c"], error, {}, known);
    expect(table.out.split(" ")[0]).toBe(head);
    expect(table.out).toContain(sum);
    const quiet = await run(["-q", "a", "c"], error, {}, known);
    expect(quiet.out).toBe("");
  });

  it("advises --keep-going only where that is of help", async () => {
    const late = { code: "TIMEOUT", message: "b: not done after 2 s" };
    const images = [
      image("b", { status: "failed", error: late }),
      image("c", { status: "not-started" }),
    ];
    const { err } = await run(["b", "c"], images);
    expect(err).toContain(
      "not started because of that; the same prefetch goes on there\n",
    );
  });

  it("says that --platform counts only where a list says something else", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tpull-listed-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const list = join(folder, "images.txt");
    writeFileSync(list, "a linux/arm64\nb arm64\nc\n");
    const same = await run(["--platform=linux/arm64", "-f", list]);
    expect(same.err).not.toContain("counts");
    const other = await run(["--platform=linux/386", "-f", list]);
    expect(other.err).toContain("not what the list says for 2 images\n");
    const more = await run(["--platform=linux/arm64,linux/386", "-f", list]);
    expect(more.err).toContain("not what the list says for 2 images\n");
  });

  it("prints only events with --progress json", async () => {
    const { out, err } = await run(["--progress", "json", "a", "c"], MIXED);
    expect(err).toBe("");
    const lines = out.trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as never)["type"])).toEqual([
      "delay",
      "error",
    ]);
  });

  it("draws bars on a terminal, and the report after them", async () => {
    const streams = {
      stdout: new FakeStream(true),
      stderr: new FakeStream(true),
    };
    const { out, err } = await run(["a"], [image("a")], streams);
    expect(err).toContain("waiting for 1m05s");
    expect(out).toMatch(/^IMAGE {2}STATUS/);
  });

  it.each([
    [new TpullError("NOT_ENOUGH_SPACE", "no room"), 1, /no room \(NOT_ENOUGH/],
    [new TpullError("OPTION_INVALID", "wrong"), 2, /wrong/],
    [abortedError(), 1, /^tpull: waiting.*\n$/],
  ])(
    "ends with a status where the run fails: %s",
    async (error, code, said) => {
      const { status, out, err } = await run(["a"], error);
      expect({ status, out }).toEqual({ status: code, out: "" });
      expect(err).toMatch(said);
    },
  );

  it.each([
    [["--json", "--progress", "json", "a"], /--json and --progress json/],
    [["--json", "-q", "a"], /exclude each other/],
    [["--jitter", "0", "a"], /--jitter is a time like 30s/],
    [[], /no image is named/],
  ])("refuses %j", async (argv, message) => {
    const { status, err, calls } = await run(argv);
    expect({ status, calls }).toEqual({ status: 2, calls: [] });
    expect(err).toMatch(message);
  });

  it("does not lend its options to a pull", async () => {
    const made = fakes();
    expect(await main(["pull", "--keep-going", "a"], made.context)).toBe(2);
    expect(made.stderr.text).toContain("is not an option of 'tpull pull'");
  });
});

describe("the table", () => {
  const long = `registry.example.com:5000/team/project/${"service".repeat(6)}:1.2.3`;
  const named = [image(long, { target: "linux/arm64" }), image("a")];

  it("is no wider than the terminal, and keeps what tells names apart", () => {
    const lines = reportText(resultOf(named), 80).split("\n");
    expect(lines.every((line) => line.length <= 80)).toBe(true);
    expect(lines[1]).toMatch(
      /^registry\.exam.*….*:1\.2\.3 \(linux\/arm64\) {2}f/,
    );
    expect(lines[0]?.indexOf("STATUS")).toBe(lines[2]?.indexOf("fetched"));
  });

  it("has whole names where there is no terminal", () => {
    expect(reportText(resultOf(named), undefined)).toContain(
      `${long} (linux/arm64)  fetched`,
    );
  });

  it("shows neither control characters nor what may be a password", () => {
    const text = reportText(
      resultOf([image("user:secret@host/a\u001b[2J:1")]),
      undefined,
    );
    expect(text).not.toContain("secret");
    expect(text).not.toContain("\u001b");
  });
});
