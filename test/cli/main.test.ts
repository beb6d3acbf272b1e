import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, test } from "vitest";
import { main } from "#src/cli/main.js";
import { abortedError, TpullError } from "#store/errors.js";
import { fakes, type Fakes } from "./fake-context.js";
import { image, result, summary } from "./samples.js";

type Parts = NonNullable<Parameters<typeof fakes>[0]>;
type PullAll = NonNullable<Parts["pullAll"]>;

async function run(argv: string[], parts: Parts = {}) {
  const made = fakes(parts);
  const status = await main(argv, made.context);
  return { status, out: made.stdout.text, err: made.stderr.text, made };
}

/** Pulls every image but those whose name begins with "no". */
const pullAll: PullAll = async (references, { onEvent } = {}) => {
  const results = [];
  const failures = [];
  for (const reference of references.map(String)) {
    const events = image(reference, [["layer", 10]]);
    onEvent?.(events.resolve());
    if (reference.startsWith("no")) {
      const failed = events.error();
      if (failed.type === "error") {
        failures.push({ reference, error: failed.error });
      }
      onEvent?.(failed);
      continue;
    }
    onEvent?.(events.pulling());
    onEvent?.(events.layers());
    onEvent?.(events.layer(0, "complete"));
    onEvent?.(events.result());
    results.push(result(reference));
  }
  onEvent?.(summary(results, failures));
  return { results, failures };
};

function failing(error: unknown): PullAll {
  return async () => {
    throw error;
  };
}

/** Waits for the signal, as a pull does, and calls `begun` before. */
function waiting(begun: () => void): PullAll {
  return (_, { signal } = {}) =>
    new Promise((_resolve, reject) => {
      signal?.addEventListener("abort", () => reject(abortedError()));
      begun();
    });
}

describe("without a pull", () => {
  it("prints the version of package.json", async () => {
    const manifest = new URL("../../package.json", import.meta.url);
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as {
      version: string;
    };
    for (const argv of [["--version"], ["version"]]) {
      const { status, out, err } = await run(argv);
      expect({ status, out, err }).toEqual({
        status: 0,
        out: `${version}\n`,
        err: "",
      });
    }
  });

  it("prints help on stdout", async () => {
    const { status, out, err } = await run(["pull", "--help"]);
    expect(status).toBe(0);
    expect(out).toMatch(/^tpull pull - .*\n\nUsage:\n/);
    expect(err).toBe("");
  });

  it("prints help for docker's forms", async () => {
    const plain = await run(["images", "--help"]);
    expect(plain.out).toMatch(/^tpull images - /);
    expect(await run(["image", "ls", "--help"])).toMatchObject({
      status: 0,
      out: plain.out,
    });
    expect(await run(["help", "image", "ls"])).toMatchObject({
      out: plain.out,
    });
    expect((await run(["image", "--help"])).out).toMatch(/^tpull image - /);
  });

  it("answers a usage error with one line and status 2", async () => {
    const { status, out, err } = await run(["--rot", "--\x1b", "x"]);
    expect(status).toBe(2);
    expect(out).toBe("");
    expect(err).toBe(
      "tpull: unknown option \"--rot\" (did you mean --root?); try 'tpull --help'\n",
    );
  });
});

describe("a usage error of a command", () => {
  it.each([
    [["save"], "no image is named; try 'tpull save --help'"],
    [["image", "rm"], "no image is named; try 'tpull rmi --help'"],
    [["verify", "--checksum"], "--checksum goes with an archive"],
    [["verify", "--checksum", "nginx"], "--checksum goes with an archive"],
    [["verify", "--quick", "./a"], "--quick is for a data root"],
    [["verify", "--repair", "a.tar"], "--repair is for a data root"],
  ])("%j: %s", async (argv, message) => {
    const { status, out, err } = await run(argv);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toContain(message);
    expect(err).toMatch(/; try 'tpull [a-z]+ --help'\n$/);
  });
});

describe("pull", () => {
  it("takes an image whose name is a command's behind the word", async () => {
    for (const argv of [
      ["pull", "images"],
      ["image", "pull", "images"],
      ["--", "images"],
    ]) {
      const { status, out } = await run(["-q", ...argv], { pullAll });
      expect({ status, out }).toEqual({
        status: 0,
        out: "docker.io/library/images:latest\n",
      });
    }
  });

  it("hands on what the user chose, and defaults only where it has them", async () => {
    const seen: unknown[] = [];
    const record: PullAll = async (references, options = {}) => {
      const { signal, onEvent, ...rest } = options;
      seen.push([references, rest]);
      expect(signal?.aborted).toBe(false);
      return pullAll(references, { onEvent: onEvent ?? (() => {}) });
    };
    await run(["a", "b", "a"], { pullAll: record });
    await run(["a", "--root=/r", "--platform=linux/arm64", "--concurrency=3"], {
      pullAll: record,
    });
    await run(
      [
        "-a",
        "r",
        "--root=/r",
        "--platform=linux/arm64,linux/amd64",
        "--timeout=10s",
        "--ca-file=/ca.pem",
        "--limit-rate=1k",
        "--plain-http=h",
      ],
      { pullAll: record },
    );
    await run(["a", "--root=/r", "--keep-blobs", "--keep-blobs-limit=1k"], {
      pullAll: record,
    });
    expect(seen.pop()).toEqual([
      ["a"],
      { root: "/r", keepBlobs: { maxBytes: 1000 } },
    ]);
    expect(seen).toEqual([
      [["a", "b"], { root: "/home/u/.local/share/tpull" }],
      [["a"], { root: "/r", platform: "linux/arm64", concurrency: 3 }],
      [
        ["r"],
        {
          root: "/r",
          allTags: true,
          platform: ["linux/arm64", "linux/amd64"],
          timeoutMs: 10_000,
          network: { caFiles: ["/ca.pem"], limitRate: 1024, plainHttp: ["h"] },
        },
      ],
    ]);
  });

  it("prints docker's transcript where there is no terminal", async () => {
    const { status, out, err } = await run(["nginx"], { pullAll });
    expect(status).toBe(0);
    expect(err).toBe("");
    expect(out).toMatch(
      /^latest: Pulling from library\/nginx\n\w{12}: Pull complete\nDigest: .*\nStatus: .*\ndocker.io\/library\/nginx:latest\n$/,
    );
  });

  it("ends with 1 when one image fails, and pulls the others", async () => {
    const { status, out, err } = await run(["-q", "a", "nope", "b"], {
      pullAll,
    });
    expect(status).toBe(1);
    expect(out).toBe(
      "docker.io/library/a:latest\ndocker.io/library/b:latest\n",
    );
    expect(err).toBe(
      "tpull: nope: manifest unknown (NOT_FOUND)\n  hint: Check the tag.\n",
    );
  });

  it("prints only JSON in JSON mode, the summary last", async () => {
    const { status, out, err } = await run(["--progress=json", "a", "nope"], {
      pullAll,
    });
    const types = jsonLines(out).map(({ type }) => type);
    expect(status).toBe(1);
    expect(types.filter((type) => type === "summary")).toHaveLength(1);
    expect(types.at(-1)).toBe("summary");
    expect(err).toBe("");
  });
});

describe("a failure of the run", () => {
  const refused = new TpullError("ROOT_IN_USE", "dockerd uses /r", {
    hint: "Stop it.",
  });

  it("is told with its hint, without a stack", async () => {
    const { status, out, err } = await run(["a"], {
      pullAll: failing(refused),
      env: { TPULL_DEBUG: "1" },
    });
    expect(status).toBe(1);
    expect(out).toBe("");
    expect(err).toBe(
      "tpull: dockerd uses /r (ROOT_IN_USE)\n  hint: Stop it.\n",
    );
  });

  it("is an error and a summary in JSON", async () => {
    const { status, out, err } = await run(["--progress=json", "a", "b"], {
      pullAll: failing(refused),
    });
    const error = {
      code: "ROOT_IN_USE",
      message: "dockerd uses /r",
      hint: "Stop it.",
    };
    expect(status).toBe(1);
    expect(err).toBe("");
    expect(jsonLines(out)).toMatchObject([
      { type: "error", error },
      {
        type: "summary",
        pulled: 0,
        failed: 2,
        results: [],
        failures: [
          { reference: "a", error },
          { reference: "b", error },
        ],
      },
    ]);
  });

  it("after the summary leaves the summary the last line of JSON", async () => {
    const { status, out, err } = await run(["--progress=json", "a"], {
      pullAll: async (references, options) => {
        await pullAll(references, options);
        throw new TpullError("LOCK_LOST", "the lock is gone");
      },
    });
    const types = jsonLines(out).map(({ type }) => type);
    expect(status).toBe(1);
    expect(types.indexOf("summary")).toBe(types.length - 1);
    expect(types).not.toContain("error");
    expect(err).toBe("tpull: the lock is gone (LOCK_LOST)\n");
  });

  it("ends with 2 if the platform is no platform", async () => {
    const wrong = new TpullError("PLATFORM_INVALID", "invalid platform");
    const { status } = await run(["--platform=x", "a"], {
      pullAll: failing(wrong),
    });
    expect(status).toBe(2);
  });

  it("that is a defect shows its stack only when asked", async () => {
    const parts = { pullAll: failing(new TypeError("x is not a function")) };
    const usual = await run(["a"], parts);
    expect(usual.status).toBe(1);
    expect(usual.err).toContain("defect in tpull");
    expect(usual.err.split("\n")).toHaveLength(3);
    const debug = await run(["a"], { ...parts, env: { TPULL_DEBUG: "1" } });
    expect(debug.err).toContain("main.test");
  });
});

describe("being stopped", () => {
  function interrupt(
    signal: "SIGINT" | "SIGTERM",
    argv: string[],
  ): Promise<{ status: number; made: Fakes }> {
    const made = fakes({ pullAll: waiting(() => made.signals.emit(signal)) });
    return main(argv, made.context).then((status) => ({ status, made }));
  }

  test.each([
    ["SIGINT", 130, "tpull: interrupted\n"],
    ["SIGTERM", 143, "tpull: terminated\n"],
  ] as const)("by %s: %i", async (signal, expected, line) => {
    const { status, made } = await interrupt(signal, ["a"]);
    expect(status).toBe(expected);
    expect(made.stdout.text).toBe("");
    expect(made.stderr.text).toBe(line);
    expect(made.exits).toEqual([]);
    expect(made.signals.listenerCount("SIGINT")).toBe(0);
    expect(made.signals.listenerCount("SIGTERM")).toBe(0);
  });

  it("ends JSON with its summary", async () => {
    const { status, made } = await interrupt("SIGINT", [
      "--progress=json",
      "a",
    ]);
    expect(status).toBe(130);
    expect(jsonLines(made.stdout.text)).toMatchObject([
      { type: "error", error: { code: "ABORTED" } },
      { type: "summary", failed: 1 },
    ]);
  });

  it("twice ends the process at once", async () => {
    const made = fakes({
      pullAll: (_, { signal } = {}) =>
        new Promise((_resolve, reject) => {
          made.signals.emit("SIGINT");
          expect(signal?.aborted).toBe(true);
          expect(made.exits).toEqual([]);
          made.signals.emit("SIGINT");
          reject(abortedError());
        }),
    });
    await main(["a"], made.context);
    expect(made.exits).toEqual([130]);
  });

  it("when all is done changes nothing", async () => {
    const made = fakes({
      pullAll: async (references, options) => {
        const done = await pullAll(references, options);
        made.signals.emit("SIGINT");
        return done;
      },
    });
    expect(await main(["a"], made.context)).toBe(0);
    expect(made.stderr.text).toBe("");
  });
});

describe("stdout", () => {
  const broken = (code: string) =>
    Object.assign(new Error(`write ${code}`), { code });

  it("that nobody reads any more ends the run quietly", async () => {
    const made = fakes({
      pullAll: waiting(() => made.stdout.emit("error", broken("EPIPE"))),
    });
    expect(await main(["a"], made.context)).toBe(141);
    expect(made.stderr.text).toBe("");
  });

  it("that cannot be written to is a failure, when the pull is over", async () => {
    const made = fakes({
      pullAll: async (references, options) => {
        made.stdout.emit("error", broken("ENOSPC"));
        return pullAll(references, options);
      },
    });
    expect(await main(["a"], made.context)).toBe(1);
    expect(made.stdout.text).toBe("");
    expect(made.stderr.text).toBe(
      "tpull: cannot write to stdout: write ENOSPC (ENOSPC)\n",
    );
  });
});

test("demo runs the demo, which prints through us", async () => {
  const { status, out } = await run(["demo", "--root", "d"], {
    runDemo: async ({ root, write }) => {
      write?.(`stored in ${root}\n`);
      return 3;
    },
  });
  expect(status).toBe(3);
  expect(out).toBe("stored in d\n");
});

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("a first word that is nearly a command", () => {
  const without =
    (code: string): PullAll =>
    async (references) => ({
      results: [],
      failures: references.map(String).map((reference) => ({
        reference,
        error: { code, message: "no" },
      })),
    });

  test.each([
    ["verfy", "MANIFEST_UNKNOWN", "verify"],
    ["imges", "DENIED", "images"],
    ["bundel", "NAME_UNKNOWN", "bundle"],
  ])("%s, and there is no such image", async (word, code, command) => {
    const { context, stderr } = fakes({ pullAll: without(code) });
    expect(await main([word], context)).toBe(1);
    expect(stderr.text).toContain(
      `did you mean the command 'tpull ${command}'?`,
    );
  });

  test.each([
    [["verfy"], "CONNECTION_FAILED"],
    [["pull", "verfy"], "MANIFEST_UNKNOWN"],
    [["verfy:1"], "MANIFEST_UNKNOWN"],
    [["postgres"], "MANIFEST_UNKNOWN"],
  ])("%s may be meant as an image (%s)", async (words, code) => {
    const { context, stderr } = fakes({ pullAll: without(code) });
    expect(await main(words, context)).toBe(1);
    expect(stderr.text).not.toContain("did you mean");
  });
});

test.each([
  [["bundel", "nginx", "-o", "x.tar"], "bundle"],
  [["verfy", "--quick"], "verify"],
])("%j is told the command that it may be", async (argv, command) => {
  const { context, stderr } = fakes();
  expect(await main(argv, context)).toBe(2);
  expect(stderr.text).toContain(`did you mean the command 'tpull ${command}'?`);
});

test("nginx --quick is told of the option alone", async () => {
  const { context, stderr } = fakes();
  expect(await main(["nginx", "--quick"], context)).toBe(2);
  expect(stderr.text).not.toContain("did you mean");
});

describe("a word that is the name of a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "tpull-words-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const list = join(folder, "a.yaml");
  const other = join(folder, "other");
  writeFileSync(
    list,
    "kind: Pod\napiVersion: v1\nspec: {containers: [{image: a}]}\n",
  );
  writeFileSync(other, "");
  const fails = failing(new TpullError("REFERENCE_INVALID", "no"));

  test.each([
    [["-f", list, other], other],
    [[list], list],
    [["pull", "-f", list, "x", list], list],
  ])("%j", async (argv, file) => {
    const { status, err } = await run(argv, { pullAll: fails });
    expect(status).toBe(1);
    expect(err).toContain(`write -f before it: -f ${file}`);
  });

  test.each([[[other]], [["-f", list, "x"]], [["missing.yaml"]]])(
    "is not %j",
    async (argv) => {
      const { status, err } = await run(argv, { pullAll: fails });
      expect(status).toBe(1);
      expect(err).not.toContain("-f before");
    },
  );

  test("is no matter where all goes well", async () => {
    const { status, err } = await run(["-f", list, other], { pullAll });
    expect({ status, err }).toEqual({ status: 0, err: "" });
  });
});

test.each(["--yes", "--dry-run"])(
  "verify %s goes with --repair",
  async (option) => {
    const { context, stderr } = fakes();
    expect(await main(["verify", option], context)).toBe(2);
    expect(stderr.text).toContain(`${option} goes with --repair`);
  },
);

test("a pull has its head start before its code is asked for", async () => {
  const order: string[] = [];
  const { context } = fakes({ pullAll });
  await main(["a"], {
    ...context,
    headStart: ({ command }) => order.push(`head start of ${command}`),
    loadPull: () => {
      order.push("pull");
      return context.loadPull();
    },
  });
  expect(order).toEqual(["head start of pull", "pull"]);
});
