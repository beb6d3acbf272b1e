import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readImageLists, type ReadListsOptions } from "#src/lists/index.js";

/** What the readers make of files of these names and contents. */
async function read(
  files: Record<string, string>,
  options: ReadListsOptions = { env: {} },
  names: string[] = Object.keys(files).filter((name) => name !== ".env"),
) {
  const folder = mkdtempSync(join(tmpdir(), "tpull-lists-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content);
  }
  const paths = names.map((name) => join(folder, name));
  const { images, skipped } = await readImageLists(paths, options);
  const short = (text = ""): string => text.replace(`${folder}/`, "");
  return {
    images: images.map(({ reference, platform }) =>
      [reference, platform].filter((each) => each !== undefined).join(" "),
    ),
    from: images.map(({ from }) => short(from)),
    skipped: skipped.map(({ from, why }) => `${short(from)}: ${why}`),
  };
}

describe("text", () => {
  test("references, platforms, comments", async () => {
    const list =
      "# all\nnginx:1.27\n\nredis:7 linux/arm64  # cache\r\nnginx:1.27\n";
    expect(await read({ "images.txt": list })).toEqual({
      images: ["nginx:1.27", "redis:7 linux/arm64"],
      from: ["images.txt, line 2", "images.txt, line 4"],
      skipped: [],
    });
  });

  test.each([
    ["a b c", /list: line 1: more than a reference/],
    ["nginx\nteam/UPPER", /list, line 2: .*UPPER/],
  ])("%j is refused", async (list, message) => {
    await expect(read({ list })).rejects.toThrow(message);
  });

  test("no file", async () => {
    await expect(readImageLists(["/nowhere/list"])).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: expect.stringMatching(
        /^\/nowhere\/list: cannot be read: ENOENT/,
      ),
    });
  });
});

describe("compose files", () => {
  const file = `
x-base: &base
  image: \${REGISTRY:-docker.io}/library/nginx:\${TAG}
services:
  web: { <<: *base, platform: linux/arm64 }
  cache: { image: "redis:\${REDIS-7}" }
  debug: { image: busybox, profiles: [debug] }
  own: { image: team/own, build: . }
  worker: { extends: { service: cache } }
  there: { extends: { file: other.yaml, service: a } }
include: [more.yaml]
`;

  test("services, variables, .env, anchors, extends", async () => {
    const found = await read({
      "compose.yaml": file,
      ".env": "TAG='1.27' # x\n",
    });
    expect(found).toEqual({
      images: ["docker.io/library/nginx:1.27 linux/arm64", "redis:7"],
      from: ["compose.yaml, service web", "compose.yaml, service cache"],
      skipped: [
        "compose.yaml, include: other files are not read: name them, too",
        "compose.yaml, service debug: belongs to debug, a profile that was not asked for",
        "compose.yaml, service own: is built, not pulled",
        "compose.yaml, service there: extends a service of other.yaml, which is not read",
      ],
    });
  });

  test("the environment goes before .env; profiles", async () => {
    const env = { TAG: "2", REGISTRY: "r.test", REDIS: "8" };
    const files = { "compose.yaml": file, ".env": "TAG=1\n" };
    const { images } = await read(files, { env, profiles: ["debug"] });
    expect(images).toEqual([
      "r.test/library/nginx:2 linux/arm64",
      "redis:8",
      "busybox",
    ]);
    expect((await read(files, { env, profiles: ["*"] })).images).toEqual(
      images,
    );
  });

  test.each([
    [
      "services: { a: { image: 'x:${T}' } }",
      /service a, image: .*T is not set/,
    ],
    [
      "services: { a: { image: 'x:${T:?say which}' } }",
      /T is not set: say which/,
    ],
    ["services: { a: { image: 'x:${T' } }", /no variable/],
    ["services: { a: { image: 5 } }", /service a, image: is no text/],
    ["services: { a: { extends: b }, b: { extends: a } }", /extends itself/],
    ["services: [a]", /services: is no mapping/],
    ["services: {a: {image: x}, a: {image: y}}", /no YAML/],
    ["services: { a: ", /no YAML/],
  ])("%s is refused", async (content, message) => {
    await expect(read({ "compose.yml": content })).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: expect.stringMatching(message),
    });
  });

  test.each([
    ["$$x/${A:+a}b", { A: "1" }, "$x/ab"],
    ["${A:-${B:-c}}", {}, "c"],
    ["${A:-d}${A-e}", { A: "" }, "d"],
    ["$A-$B", { A: "a", B: "b" }, "a-b"],
  ])("variables: %s", async (text, env, image) => {
    const content = JSON.stringify({ services: { a: { image: text } } });
    const read_ = read({ "c.yaml": content }, { env });
    if (image.startsWith("$")) await expect(read_).rejects.toThrow(/\$x/);
    else expect((await read_).images).toEqual([image]);
  });

  test("aliases that multiply are refused", async () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let at = 1; at < 9; at++) {
      const before = Array.from({ length: 10 }, () => `*a${at - 1}`).join(", ");
      lines.push(`a${at}: &a${at} [${before}]`);
    }
    await expect(read({ "bomb.yaml": lines.join("\n") })).rejects.toMatchObject(
      {
        code: "IMAGE_LIST_INVALID",
      },
    );
  });
});

describe("Kubernetes objects", () => {
  test("every container, at any depth, of several documents", async () => {
    const content = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  template:
    spec:
      initContainers: [{ name: init, image: busybox:1 }]
      containers:
        - { name: app, image: "registry.test:5000/app@sha256:${"a".repeat(64)}" }
        - { name: bare }
      volumes: [{ name: model, image: { reference: team/model:1 } }]
---
apiVersion: v1
kind: List
items:
  - { apiVersion: v1, kind: Pod, metadata: { name: p }, spec: { ephemeralContainers: [{ name: e, image: alpine }], containers: [] } }
  - { apiVersion: batch/v1, kind: CronJob, metadata: { name: j }, spec: { jobTemplate: { spec: { template: { spec: { containers: [{ name: c, image: busybox:1 }, { name: d, image: cron:2 }] } } } } } }
---
# nothing
`;
    expect(await read({ "all.yaml": content })).toEqual({
      images: [
        "busybox:1",
        `registry.test:5000/app@sha256:${"a".repeat(64)}`,
        "team/model:1",
        "alpine",
        "cron:2",
      ],
      from: [
        "all.yaml, Deployment/web container init",
        "all.yaml, Deployment/web container app",
        "all.yaml, Deployment/web volume model",
        "all.yaml, Pod/p container e",
        "all.yaml, CronJob/j container d",
      ],
      skipped: ["all.yaml, Deployment/web container bare: has no image"],
    });
  });

  test("from standard input", async () => {
    const stdin = (async function* () {
      yield "kind: Pod\nspec:\n  containers:\n";
      yield Buffer.from("  - image: nginx\n");
    })();
    const { images } = await readImageLists(["-"], { stdin });
    expect(images).toEqual([
      {
        reference: "nginx",
        from: "standard input, Pod container without a name",
      },
    ]);
  });

  test("objects without images", async () => {
    const found = await read({
      "cm.json": '{"kind":"ConfigMap","data":{"containers":"x"}}',
    });
    expect(found.images).toEqual([]);
  });
});

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
        "golang:1.22",
        "tools:3",
        "debian:12-slim",
        "busybox:1.36",
        "alpine linux/s390x",
      ],
      from: [4, 5, 10, 13, 17].map((line) => `Dockerfile, line ${line}`),
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
});
