import { describe, expect, test } from "vitest";
import { read } from "./reading.js";

describe("Dockerfiles", () => {
  test("stages, arguments, platforms, mounts", async () => {
    const content = `# syntax=docker/dockerfile:1
ARG BASE=debian VERSION="12-slim"
# a comment
FROM --platform=$BUILDPLATFORM golang:1.22 AS Build
RUN --mount=type=bind,from=tools:3,target=/t <<EOF
FROM notanimage
EOF
COPY --from=build /a /b
COPY --from=0 /a /b
FROM \\
  # in between
  \${BASE}:\${VERSION}
COPY --from=busybox:1.36 /bin/sh /sh
FROM --platform=linux/arm64 build
FROM scratch
FROM build AS last
FROM --platform=linux/s390x alpine
`;
    expect(await read({ Dockerfile: content })).toEqual({
      images: [
        "docker/dockerfile:1",
        "golang:1.22",
        "tools:3",
        "debian:12-slim",
        "busybox:1.36",
        "alpine linux/s390x",
      ],
      from: [1, 4, 5, 10, 13, 17].map((line) => `Dockerfile, line ${line}`),
      skipped: [],
    });
  });

  test("with another escape sign, and under another name", async () => {
    const content = "# escape=`\r\nFROM `\r\n  a:1\r\n";
    expect((await read({ list: content })).images).toEqual(["a:1"]);
    expect((await read({ "app.Dockerfile": "from b" })).images).toEqual(["b"]);
  });

  test.each([
    ["ARG V\nFROM a:$V", /line 2: a:\$V needs a value for V/],
    ["RUN x", /no FROM/],
    ["FROM --platform=linux/arm64", /names no image/],
  ])("%j is refused", async (content, message) => {
    await expect(read({ Dockerfile: content })).rejects.toThrow(message);
  });

  test("a directive with blanks without end is read at once", async () => {
    const content = `# syntax=a:1${" ".repeat(500_000)}x\nFROM b`;
    const started = performance.now();
    expect((await read({ Dockerfile: content })).images).toEqual(["a:1", "b"]);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test("the frontend that reads it is fetched, too", async () => {
    const content = `#!/usr/bin/env docker-build
# escape=\`
# Syntax = registry.test/frontend:2 --option
FROM a
`;
    expect(await read({ Dockerfile: content })).toMatchObject({
      images: ["registry.test/frontend:2", "a"],
      from: ["Dockerfile, line 3", "Dockerfile, line 4"],
    });
  });

  test.each([
    "# a comment\n# syntax=x/y:1\nFROM a",
    "\n# syntax=x/y:1\nFROM a",
    "FROM a\n# syntax=x/y:1",
    "# unknown=1\n# syntax=x/y:1\nFROM a",
  ])("%j has no directive", async (content) => {
    expect((await read({ Dockerfile: content })).images).toEqual(["a"]);
  });
});

describe("the arguments that BuildKit sets itself", () => {
  const content = `FROM --platform=$BUILDPLATFORM tools AS build
FROM base-\${TARGETARCH}\${TARGETVARIANT:+-$TARGETVARIANT}
COPY --from=build /a /a
`;
  const images = async (text: string, ...platforms: string[]) =>
    (await read({ Dockerfile: text }, { platforms })).images;

  test.each([
    ["linux/arm64", "base-arm64"],
    ["linux/arm/v7", "base-arm-v7"],
    ["amd64", "base-amd64"],
    ["linux/amd64/v3", "base-amd64-v3"],
  ])("%s is what is built for", async (platform, base) => {
    expect(await images(content, platform)).toEqual(["tools", base]);
  });

  test("this machine is, where nothing is said", async () => {
    const machine = { x64: "amd64" }[process.arch as "x64"] ?? process.arch;
    expect((await images(content))[1]).toMatch(new RegExp(`^base-${machine}`));
  });

  test("of several platforms each has its own image", async () => {
    expect(await images(content, "linux/amd64", "linux/arm64")).toEqual([
      "tools",
      "base-amd64 linux/amd64",
      "base-arm64 linux/arm64",
    ]);
  });

  test("stages are chosen by them", async () => {
    const staged = `FROM one AS build-amd64
FROM two AS build-arm64
FROM build-$TARGETARCH
FROM x-$TARGETOS-\${BUILDARCH}
FROM --platform=linux/$TARGETARCH y
`;
    expect(await images(staged, "linux/arm64")).toEqual([
      "one",
      "two",
      "x-linux-arm64",
      "y linux/arm64",
    ]);
  });

  test("an ARG line may give them another value", async () => {
    const text =
      "ARG TARGETARCH\nARG TARGETOS=plan9\nFROM $TARGETOS-$TARGETARCH";
    expect(await images(text, "linux/s390x")).toEqual(["plan9-s390x"]);
  });

  test("all platforms have no name", async () => {
    expect(await images("FROM --platform=$TARGETPLATFORM a", "all")).toEqual([
      "a",
    ]);
    await expect(images(content, "all")).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: expect.stringMatching(/line 2: .* needs a value for TARGETARCH/),
      hint: "Name the platforms one by one instead of all.",
    });
  });

  test("a platform that is none", async () => {
    await expect(images(content, "a/b/c/d")).rejects.toMatchObject({
      code: "PLATFORM_INVALID",
    });
  });
});
