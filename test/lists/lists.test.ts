import { describe, expect, test } from "vitest";
import { readImageLists } from "#src/lists/index.js";
import { read } from "./reading.js";

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
    ["a\nmulti linux/amd64,linux/s390x", /list, line 2: .*"," at position 12/],
    ["nginx latest", /list, line 1: .*"latest"/],
    ["linux/arm64 nginx", /list, line 1: .*"nginx"/],
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
  local: { image: team/local, build: ., pull_policy: build }
`;

  test("services, variables, .env, anchors, extends", async () => {
    const found = await read({
      "compose.yaml": file,
      ".env": "TAG='1.27' # x\n",
    });
    expect(found).toEqual({
      images: [
        "docker.io/library/nginx:1.27 linux/arm64",
        "redis:7",
        "team/own",
      ],
      from: [
        "compose.yaml, service web",
        "compose.yaml, service cache",
        "compose.yaml, service own (which can be built, too)",
      ],
      skipped: [
        "compose.yaml, service debug: belongs to debug, a profile that was not asked for",
        "compose.yaml, service local: is built, not pulled: its pull_policy is build",
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
      "team/own",
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
  test("what operators run for objects of theirs", async () => {
    const found = await read({
      "monitoring.yaml": `
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: { name: main }
spec:
  image: quay.io/prometheus/prometheus:v2.55.0
  image2: other
---
apiVersion: v1
kind: List
items:
- apiVersion: example.com/v1
  kind: Disk
  metadata: { name: root }
  spec: { image: "https://example.com/disk.qcow2" }
- apiVersion: example.com/v1
  kind: App
  metadata: { name: web }
  spec: { image: { repository: team/app, tag: "1" }, template: { spec: { image: no } } }
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: prometheuses }
spec: { versions: [{ schema: { properties: { spec: { image: { type: string } } } } }] }
`,
    });
    expect(found).toEqual({
      images: ["quay.io/prometheus/prometheus:v2.55.0"],
      from: ["monitoring.yaml, Prometheus/main spec.image"],
      skipped: [
        "monitoring.yaml, Disk/root spec.image: is no reference of a container image",
        "monitoring.yaml, App/web spec.image: is no reference, but has a form of its own",
      ],
    });
  });

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
      "cm.json":
        '{"apiVersion":"v1","kind":"ConfigMap","data":{"containers":"x"}}',
    });
    expect(found).toMatchObject({
      images: [],
      skipped: ["cm.json: names no image: nothing in it has containers"],
    });
  });
});

describe("what names nothing", () => {
  test.each([
    ["images.txt", "# none yet\n", "there are only comments"],
    ["Dockerfile", "FROM scratch\n", "it builds on nothing but scratch"],
    ["compose.yaml", "services: {}\n", "nothing in it has containers"],
  ])("%s may, and that is said", async (name, content, why) => {
    expect(await read({ [name]: content })).toEqual({
      images: [],
      from: [],
      skipped: [`${name}: names no image: ${why}`],
    });
  });

  test.each([
    ["values.yaml", "image: { repository: nginx, tag: 1 }\nreplicas: 2\n"],
    ["package.json", '{ "name": "x", "version": "1.0.0" }'],
    ["empty.yaml", "---\n# nothing\n---\n"],
    ["list", "apiVersion: v2\nname: chart\n"],
  ])("%s is refused: it is no form that is known", async (name, content) => {
    await expect(read({ [name]: content })).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: expect.stringMatching(
        new RegExp(`${name}: names no image in any form that is known$`),
      ),
      hint: expect.stringContaining("a compose file, Kubernetes objects"),
    });
  });

  test("each file is looked at by itself", async () => {
    const files = { "a.txt": "nginx\n", "b.yaml": "some: thing\n" };
    await expect(read(files)).rejects.toThrow(/b\.yaml: names no image/);
  });

  test("nothing at all is what a program leaves that failed", async () => {
    const stdin = (async function* () {
      yield " \n";
    })();
    await expect(readImageLists(["-"], { stdin })).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: "standard input: is empty",
    });
  });
});

describe("several lists", () => {
  test("an image once, however it is spelled", async () => {
    const found = await read({
      "a.txt": "nginx\nredis:7 linux/arm64\n",
      "b.txt": "docker.io/library/nginx:latest\nredis:7\n",
    });
    expect(found.images).toEqual(["nginx", "redis:7 linux/arm64", "redis:7"]);
    expect(found.from.at(-1)).toBe("b.txt, line 2");
  });
});
