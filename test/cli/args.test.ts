import { describe, expect, it, test } from "vitest";
import { parseCommandLine } from "#src/cli/args.js";

function pull(...argv: string[]) {
  const request = parseCommandLine(argv);
  if (request.command !== "pull") throw new Error(request.command);
  return request;
}

describe("the command", () => {
  test.each([
    [["nginx"], ["nginx"]],
    [["pull", "nginx"], ["nginx"]],
    [["pull", "images"], ["images"]],
    [["pull", "pull"], ["pull"]],
    [["image/ls"], ["image/ls"]],
    [["image:ls"], ["image:ls"]],
    [
      ["pull", "image", "ls"],
      ["image", "ls"],
    ],
    [
      ["--", "image", "ls"],
      ["image", "ls"],
    ],
    [["image", "pull", "images"], ["images"]],
    [
      ["nginx", "pull"],
      ["nginx", "pull"],
    ],
    [["--", "pull"], ["pull"]],
    [["pull", "--", "--quiet"], ["--quiet"]],
    [
      ["a", "b", "a"],
      ["a", "b"],
    ],
    [["constructor"], ["constructor"]],
  ])("%j pulls %j", (argv, images) => {
    expect(pull(...argv).images).toEqual(images);
  });

  it("may follow options", () => {
    const request = pull("--root", "/r", "pull", "demo");
    expect(request).toEqual({
      command: "pull",
      images: ["demo"],
      flags: { root: "/r" },
    });
  });

  test.each([
    [["--version"], { command: "version" }],
    [["version"], { command: "version" }],
    [["nginx", "--version"], { command: "version" }],
    [["--help"], { command: "help", topic: undefined }],
    [["help"], { command: "help", topic: undefined }],
    [["nginx", "-h"], { command: "help", topic: undefined }],
    [["pull", "--help"], { command: "help", topic: "pull" }],
    [["help", "pull"], { command: "help", topic: "pull" }],
    [["help", "demo", "--help"], { command: "help", topic: "demo" }],
    [["help", "image", "ls"], { command: "help", topic: "images" }],
    [["help", "ls"], { command: "help", topic: "images" }],
    [["help", "image"], { command: "help", topic: "image" }],
    [["image", "--help"], { command: "help", topic: "image" }],
    [["image", "nonsense", "-h"], { command: "help", topic: "image" }],
    [["image", "rm", "--help"], { command: "help", topic: "rmi" }],
    [["system", "df", "-v", "-h"], { command: "help", topic: "df" }],
    [["--wrong", "--concurrency=x", "--help"], { command: "help" }],
    [["--help", "--version"], { command: "help", topic: undefined }],
    [["demo", "--root", "d"], { command: "demo", flags: { root: "d" } }],
  ])("%j", (argv, request) => {
    expect(parseCommandLine(argv)).toEqual(request);
  });
});

describe("options", () => {
  it("stand before, between and behind images, in both spellings", () => {
    const request = pull(
      "--root=/a=b",
      "x",
      "--platform",
      "linux/arm64",
      "y",
      "--concurrency",
      "64",
      "--progress=json",
    );
    expect(request.images).toEqual(["x", "y"]);
    expect(request.flags).toEqual({
      root: "/a=b",
      platform: ["linux/arm64"],
      concurrency: 64,
      progress: "json",
    });
  });

  it("knows -q, also beside progress modes that print no more than it", () => {
    expect(pull("-q", "x").flags).toEqual({ quiet: true });
    expect(pull("x", "-q", "--progress", "none").flags.quiet).toBe(true);
    expect(pull("x", "--quiet", "--progress", "auto").flags.quiet).toBe(true);
  });

  it("reads lists, rates and times", () => {
    const { flags } = pull(
      "--platform=linux/amd64, linux/arm64,linux/amd64",
      "--limit-rate=1.5M",
      "--timeout=1h30m",
      "--all-tags",
      "x",
    );
    expect(flags).toEqual({
      platform: ["linux/amd64", "linux/arm64"],
      "limit-rate": 1.5 * 1024 * 1024,
      timeout: 5_400_000,
      "all-tags": true,
    });
    expect(
      pull("-a", "--limit-rate=500k", "--timeout=0.5s", "x").flags,
    ).toEqual({ "all-tags": true, "limit-rate": 512_000, timeout: 500 });
  });

  it("collects those that may be repeated", () => {
    const { flags } = pull(
      "--ca-file=a.pem",
      "--ca-file",
      "b.pem",
      "--insecure-registry=10.0.0.0/8",
      "--insecure-registry=[::1]:5000",
      "--plain-http=cache.example:5000",
      "--hosts-dir=/etc/h",
      "--mirror=docker.io=https://mirror.example:5000/x",
      "--mirror=10.0.0.1:5000=http://m",
      "--config=/c",
      "x",
    );
    expect(flags).toEqual({
      "ca-file": ["a.pem", "b.pem"],
      "insecure-registry": ["10.0.0.0/8", "[::1]:5000"],
      "plain-http": ["cache.example:5000"],
      "hosts-dir": ["/etc/h"],
      mirror: [
        { registry: "docker.io", url: "https://mirror.example:5000/x" },
        { registry: "10.0.0.1:5000", url: "http://m/" },
      ],
      config: "/c",
    });
  });

  it("lets the last of several count", () => {
    expect(pull("--concurrency=2", "x", "--concurrency=3").flags).toEqual({
      concurrency: 3,
    });
  });

  it("takes = behind a letter, as docker does", () => {
    const flagsOf = (...words: string[]) => {
      const request = parseCommandLine(words);
      return "flags" in request ? request.flags : undefined;
    };
    expect(flagsOf("history", "-H=false", "x")).toEqual({ human: false });
    expect(flagsOf("history", "-H=true", "-q", "x")).toEqual({
      human: true,
      quiet: true,
    });
    expect(flagsOf("images", "-f=label=a=b", "-qa")).toEqual({
      filter: ["label=a=b"],
      quiet: true,
      all: true,
    });
    expect(() => parseCommandLine(["history", "-H=x", "x"])).toThrow(
      "takes no value but =true or =false",
    );
    const images = parseCommandLine(["inspect", "--", "-f=x"]);
    expect(images).toMatchObject({ images: ["-f=x"], flags: {} });
  });

  it("takes a value with a dash in front only behind =", () => {
    expect(pull("--root=-odd", "x").flags.root).toBe("-odd");
  });
});

describe("commands that look after a data root", () => {
  test.each([
    [["images"], { command: "images", images: [], flags: {} }],
    [["ls"], { command: "images", images: [], flags: {} }],
    [["image", "ls"], { command: "images", images: [], flags: {} }],
    [["image", "list", "r"], { command: "images", images: ["r"], flags: {} }],
    [
      ["--root=/r", "image", "-q", "ls", "--json=false"],
      { command: "images", images: [], flags: { root: "/r", quiet: true } },
    ],
    [["image", "rm", "a", "b"], { command: "rmi", images: ["a", "b"] }],
    [["image", "remove", "a"], { command: "rmi", images: ["a"] }],
    [["image", "inspect", "a"], { command: "inspect", images: ["a"] }],
    [["image", "history", "a"], { command: "history", images: ["a"] }],
    [["image", "prune"], { command: "prune", images: [] }],
    [["image", "tag", "a", "b"], { command: "tag", images: ["a", "b"] }],
    [["system", "df"], { command: "df", images: [] }],
    [["system", "info"], { command: "info", images: [] }],
    [["images", "images"], { command: "images", images: ["images"] }],
    [["layers"], { command: "layers", images: [] }],
    [["verify", "a", "b"], { command: "verify", images: ["a", "b"] }],
    [["completion", "zsh"], { command: "completion", shell: "zsh" }],
  ])("%j", (argv, request) => {
    expect(parseCommandLine(argv)).toMatchObject(request);
  });

  test.each([
    [
      ["images", "-a", "-f", "dangling=true", "-f", "label=x"],
      { all: true, filter: ["dangling=true", "label=x"] },
    ],
    [["prune", "-a", "-f"], { all: true, force: true }],
    [
      ["prune", "--filter", "until=24h", "--keep-storage=1.5GB"],
      { filter: ["until=24h"], "keep-storage": 1.5e9 },
    ],
    [["rmi", "-f", "x"], { force: true }],
    [["inspect", "-f", "{{.Os}}", "x"], { format: "{{.Os}}" }],
    [["info", "-f", "json"], { format: "json" }],
    [["plan", "-a", "x"], { "all-tags": true }],
    [["image", "pull", "-a", "x"], { "all-tags": true }],
    [["df", "-v"], { verbose: true }],
    [["history", "-H", "x"], { human: true }],
    [["verify", "--repair", "-y"], { repair: true, yes: true }],
    [["images", "-qa"], { quiet: true, all: true }],
  ])("%j: a letter means what the command says", (argv, flags) => {
    expect(parseCommandLine(argv)).toHaveProperty("flags", flags);
  });

  test.each([
    [["images", "--all=true"], { all: true }],
    [["images", "--all=false"], {}],
    [["images", "-a", "--all=false"], {}],
    [["images", "--all=false", "-a"], { all: true }],
    [["history", "x"], {}],
    [["history", "--human=false", "x"], { human: false }],
    [["history", "--human", "x"], { human: true }],
    [["history", "--human=false", "-H", "x"], { human: true }],
    [["pull", "--keep-blobs=false", "x"], { "keep-blobs": false }],
    [
      ["pull", "--keep-blobs=false", "--keep-blobs", "x"],
      { "keep-blobs": true },
    ],
    [["pull", "--quiet=false", "--progress=json", "x"], { progress: "json" }],
  ])("%j: a switch may be told true or false", (argv, flags) => {
    expect(parseCommandLine(argv)).toHaveProperty("flags", flags);
  });
});

describe("usage errors", () => {
  test.each([
    [[], "no image is named"],
    [["pull"], "no image is named"],
    [[""], "the name of an image is empty"],
    [
      ["--concurency", "3", "x"],
      'unknown option "--concurency" (did you mean --concurrency?)',
    ],
    [["--quite", "x"], 'unknown option "--quite" (did you mean --quiet?)'],
    [["--plat=a", "x"], 'unknown option "--plat" (did you mean --platform?)'],
    [["--__proto__", "x"], 'unknown option "--__proto__"'],
    [["-x", "y"], 'unknown option "-x"'],
    [["x", "--root"], "--root needs a value: --root DIR"],
    [["x", "--root="], "the value of --root is empty"],
    [["x", "--root", ""], "the value of --root is empty"],
    [
      ["--root", "-q", "x"],
      '--root needs a value, but "-q" follows (write --root=DIR for a value that begins with "-")',
    ],
    [["--quiet=yes", "x"], "--quiet takes no value but =true or =false"],
    [["images", "--all="], "--all takes no value but =true or =false"],
    [
      ["image"],
      "'tpull image' is followed by ls, list, pull, inspect, history, rm, remove, prune, tag, save, load ('tpull pull image' pulls an image of that name)",
    ],
    [
      ["image", "nonsense"],
      "'tpull image' is followed by ls, list, pull, inspect, history, rm, remove, prune, tag, save, load, not \"nonsense\"",
    ],
    [
      ["image", "inspct", "x"],
      "'tpull image' is followed by ls, list, pull, inspect, history, rm, remove, prune, tag, save, load, not \"inspct\" (did you mean inspect?)",
    ],
    [
      ["--root=/r", "system", "prune"],
      "'tpull system' is followed by df, info, not \"prune\"",
    ],
    [
      ["help", "image", "lss"],
      "'tpull image' is followed by ls, list, pull, inspect, history, rm, remove, prune, tag, save, load, not \"lss\" (did you mean ls?)",
    ],
    [["help", "systm"], '"systm" is not a command (did you mean system?)'],
    [["images", "-v"], 'unknown option "-v"'],
    [["resolve", "-f", "x"], 'unknown option "-f"'],
    [
      ["--all-tags", "x", "-f", "y"],
      "--all-tags and --file exclude each other",
    ],
    [["inspect", "-a", "x"], "-a is not an option of 'tpull inspect'"],
    [["images", "--force"], "--force is not an option of 'tpull images'"],
    [
      ["pull", "--format=json", "x"],
      "--format is not an option of 'tpull pull'",
    ],
    [["images", "a", "b"], "unexpected argument \"b\" of 'tpull images'"],
    [["df", "x"], "unexpected argument \"x\" of 'tpull df'"],
    [["system", "df", "x"], "unexpected argument \"x\" of 'tpull df'"],
    [["inspect"], "no image is named"],
    [["rmi", ""], "the name of an image is empty"],
    [["tag", "x"], "'tpull tag' needs 2 words, and there is one"],
    [["images", "--format", ""], "the value of --format is empty"],
    [
      ["images", "--format=json", "--json"],
      "--format and --json exclude each other",
    ],
    [["images", "-q", "--json"], "--quiet and --json exclude each other"],
    [
      ["prune", "--keep-storage=much"],
      '--keep-storage is a size like 500MB, 1.5GB or 0, not "much"',
    ],
    [["completion"], "the shell is one of bash, zsh, fish"],
    [
      ["completion", "powershell"],
      'the shell is one of bash, zsh, fish, not "powershell"',
    ],
    [
      ["--progress", "jsno", "x"],
      '--progress is one of auto, tty, plain, json, none, not "jsno" (did you mean json?)',
    ],
    ...["0", "65", "1.5", "1e1", "0x3", "many", "9999999999"].map(
      (value): [string[], string] => [
        [`--concurrency=${value}`, "x"],
        `--concurrency is a whole number from 1 to 64, not "${value}"`,
      ],
    ),
    [
      ["-q", "--progress", "json", "x"],
      "--quiet and --progress json exclude each other",
    ],
    [
      ["-q", "--progress", "plain", "x"],
      "--quiet and --progress plain exclude each other",
    ],
    [
      ["demo", "--platform", "x"],
      "--platform is not an option of 'tpull demo'",
    ],
    [["demo", "x"], "unexpected argument \"x\" of 'tpull demo'"],
    [["version", "x"], "unexpected argument \"x\" of 'tpull version'"],
    [["help", "pul"], '"pul" is not a command (did you mean pull?)'],
    [["help", "pull", "x"], "unexpected argument \"x\" of 'tpull help'"],
    [["-a"], "no repository is named"],
    [["tags"], "no repository is named"],
    [["resolve"], "no image is named"],
    [["resolve", "x", "y"], "unexpected argument \"y\" of 'tpull resolve'"],
    [["manifest", "x", "y"], "unexpected argument \"y\" of 'tpull manifest'"],
    [["tags", "-q", "x"], "-q is not an option of 'tpull tags'"],
    [["resolve", "-q", "--json", "x"], "--quiet and --json exclude each other"],
    [["tags", "--jsn", "x"], 'unknown option "--jsn" (did you mean --json?)'],
    [
      ["--platform=linux/amd64,", "x"],
      '--platform has a platform missing beside a comma: "linux/amd64,"',
    ],
    [
      ["--platform=all,linux/amd64", "x"],
      "--platform is all, or a list of platforms, not both",
    ],
    ...["0", "10q", "-1", "0.5", "k", "1e3", "99999999g"].map(
      (value): [string[], string] => [
        [`--limit-rate=${value}`, "x"],
        `--limit-rate is a number of bytes a second like 500k, 10m or 1.5M, not "${value}"`,
      ],
    ),
    ...["0s", "10", "1d", "1m30", "s", "-5s"].map(
      (value): [string[], string] => [
        [`--timeout=${value}`, "x"],
        `--timeout is a time like 30s, 10m, 1h or 1h30m, not "${value}"`,
      ],
    ),
    [["--timeout=501h", "x"], '--timeout is at most 500h, not "501h"'],
    [
      ["--plain-http=http://x", "x"],
      '--plain-http is host[:port], without a scheme, not "http://x"',
    ],
    [
      ["--insecure-registry=user:secret@x", "x"],
      "--insecure-registry is host[:port] or a network like 10.0.0.0/8, without a scheme",
    ],
    ...["docker.io", "=http://x", "docker.io=mirror", "docker.io=ftp://x"].map(
      (value): [string[], string] => [
        [`--mirror=${value}`, "x"],
        "--mirror is REGISTRY=URL, like docker.io=https://mirror.example:5000",
      ],
    ),
    [
      ["--mirror=docker.io=https://user:secret@m", "x"],
      "--mirror has a user or password in its URL; credentials are read from docker's configuration",
    ],
    [
      ["--mirror=docker.io=https://m?secret", "x"],
      "--mirror has a URL with a query or a fragment",
    ],
  ] as [string[], string][])("%j: %s", (argv, message) => {
    expect(() => parseCommandLine(argv)).toThrow(
      expect.objectContaining({ code: "USAGE", message }),
    );
  });
});

describe("a dash alone", () => {
  test.each([
    [["pull", "-f", "-"], { file: ["-"] }],
    [["-f", "a", "--file", "-"], { file: ["a", "-"] }],
    [["bundle", "-o", "x", "-f", "-"], { output: "x", file: ["-"] }],
    [["load", "-i", "-"], { input: "-" }],
    [["lock", "-o", "-", "a"], { output: "-" }],
    [["bundle", "-o", "-", "a"], { output: "-" }],
  ])("%j is standard input or output", (argv, flags) => {
    expect(parseCommandLine(argv)).toMatchObject({ flags });
  });

  test.each([[["save", "-o", "-", "a"]], [["--root", "-", "a"]]])(
    "%j is no value",
    (argv) => {
      expect(() => parseCommandLine(argv)).toThrow(
        /needs a value, but "-" follows/,
      );
    },
  );
});
