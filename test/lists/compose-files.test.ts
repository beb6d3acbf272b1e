import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readImageLists } from "#src/lists/index.js";
import { read, written } from "./reading.js";

const MAIN = ["compose.yaml"];
const env = {};

describe("extends, from another file", () => {
  test("takes over what the base has, and paths are relative to each file", async () => {
    const files = {
      "compose.yaml": `services:
  web: { extends: { file: common/base.yaml, service: web }, platform: linux/arm64 }
  own: { extends: { file: "\${WHERE}/base.yaml", service: web }, image: own }
`,
      "common/base.yaml": `services:
  web: { extends: { file: ../deep/low.yaml, service: low }, profiles: [p] }
`,
      "deep/low.yaml": "services: { low: { image: 'nginx:${TAG}' } }",
      "deep/.env": "TAG=no\n",
      ".env": "TAG=1\nWHERE=common\n",
    };
    expect((await read(files, { env, profiles: ["p"] }, MAIN)).images).toEqual([
      "nginx:1 linux/arm64",
      "own",
    ]);
    // Profiles are taken over, too.
    expect((await read(files, { env }, MAIN)).images).toEqual([]);
  });

  test.each([
    [
      {
        "b.yaml":
          "services: { x: { extends: { file: compose.yaml, service: a } } }",
      },
      /service a: extends itself/,
    ],
    [
      { "b.yaml": "services: { y: { image: y } }" },
      /extends x of .*b\.yaml, which is not there/,
    ],
    [{ "b.yaml": "name: b" }, /extends a service of b\.yaml, which has none/],
    [{ "b.yaml": "[1]" }, /b\.yaml: this is no compose file/],
    [{ "b.yaml": "a: [" }, /b\.yaml: this is no YAML/],
    [{}, /b\.yaml: cannot be read: ENOENT/],
  ])("%j is refused", async (others, message) => {
    const files = {
      "compose.yaml":
        "services: { a: { extends: { file: b.yaml, service: x } } }",
      ...others,
    };
    await expect(read(files, { env }, MAIN)).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: expect.stringMatching(message),
    });
  });

  test("a service that is not there is refused in the same file, too", async () => {
    const content = "services: { a: { extends: b } }";
    await expect(read({ "compose.yaml": content })).rejects.toThrow(
      /service a: extends b, which is not there/,
    );
  });

  test("what would have to be fetched is said", async () => {
    const content =
      "services: { a: { extends: { file: 'https://example.test/x.git', service: b } } }";
    expect((await read({ "compose.yaml": content })).skipped).toEqual([
      "compose.yaml, service a: extends a service of https://example.test/x.git, which would have to be fetched",
    ]);
  });
});

describe("include", () => {
  test("each has its own directory and variables; those outside go first", async () => {
    const files = {
      "compose.yaml": `include:
  - one/compose.yaml
  - { path: [two/a.yaml, two/b.yaml], env_file: two/vars, project_directory: "\${HOME_OF_TWO}" }
services: { a: { image: "a:\${TAG}" } }
`,
      ".env": "TAG=outer\nHOME_OF_TWO=elsewhere\n",
      "one/compose.yaml": `include: [../three.yaml]
services: { b: { image: "b:\${TAG}-\${OWN}" } }
`,
      "one/.env": "TAG=inner\nOWN=1-${TAG}\n",
      "three.yaml": "services: { c: { image: 'c:${OWN:-none}' } }",
      "two/a.yaml": `services:
  d: { image: d, platform: linux/arm64 }
  e: { image: e, profiles: [p] }
`,
      "two/b.yaml": `services:
  d: { image: "d:\${OWN}" }
  f: { extends: { file: base.yaml, service: x } }
`,
      "two/vars": "OWN=2\n",
      "elsewhere/base.yaml": "services: { x: { image: x } }",
    };
    expect(await read(files, { env }, MAIN)).toEqual({
      images: [
        "c:1-outer",
        "b:outer-1-outer",
        "d:2 linux/arm64",
        "x",
        "a:outer",
      ],
      from: [
        "compose.yaml, include one/compose.yaml, include ../three.yaml, service c",
        "compose.yaml, include one/compose.yaml, service b",
        "compose.yaml, include two/a.yaml, service d",
        "compose.yaml, include two/a.yaml, service f",
        "compose.yaml, service a",
      ],
      skipped: [
        "compose.yaml, include two/a.yaml, service e: belongs to p, a profile that was not asked for",
      ],
    });
  });

  test("a file of nothing but includes is a compose file", async () => {
    const files = {
      "compose.yaml": "include: [b.yaml, b.yaml]",
      "b.yaml": "services: { a: { image: a } }",
    };
    expect((await read(files, { env }, MAIN)).images).toEqual(["a"]);
  });

  test("what would have to be fetched is said", async () => {
    const content = "include: ['oci://registry.test/app:1']\nservices: {}";
    expect((await read({ "compose.yaml": content })).skipped).toEqual([
      "compose.yaml, include: oci://registry.test/app:1 would have to be fetched: name a copy of it",
    ]);
  });

  test.each([
    [
      { "b.yaml": "include: [compose.yaml]" },
      /include b\.yaml, include: compose\.yaml includes itself/,
    ],
    [{ "b.yaml": "include: [./b.yaml]" }, /includes itself/],
    [{ "b.yaml": "include: x" }, /include b\.yaml, include: is no list/],
    [
      { "b.yaml": "services: { a: { image: 1 } }" },
      /include b\.yaml, service a, image: is no text/,
    ],
    [{}, /b\.yaml: cannot be read: ENOENT/],
  ])("%j is refused", async (others, message) => {
    const files = { "compose.yaml": "include: [b.yaml]", ...others };
    await expect(read(files, { env }, MAIN)).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: expect.stringMatching(message),
    });
  });

  test.each([
    ["include: [5]", /include, path: is no text/],
    ["include: [{ env_file: x }]", /include: names no file/],
    ["include: ['${NONE}']", /NONE is not set/],
  ])("%s is refused", async (content, message) => {
    await expect(read({ "compose.yaml": content })).rejects.toThrow(message);
  });

  test("a circle by way of a link is one", async () => {
    const folder = written({ "compose.yaml": "include: [link.yaml]" });
    symlinkSync("compose.yaml", join(folder, "link.yaml"));
    await expect(
      readImageLists([join(folder, "compose.yaml")], { env }),
    ).rejects.toThrow(/includes itself/);
  });

  test("files that include others by twos come to an end", async () => {
    const leaf = "services: { a: { image: a } }";
    const files: Record<string, string> = {
      "compose.yaml": "include: [f0/a.yaml, f0/b.yaml]",
      "f20/a.yaml": leaf,
      "f20/b.yaml": leaf,
    };
    for (let at = 0; at < 20; at++) {
      for (const name of ["a", "b"]) {
        files[`f${at}/${name}.yaml`] =
          `include: [../f${at + 1}/a.yaml, ../f${at + 1}/b.yaml]`;
      }
    }
    await expect(read(files, { env }, MAIN)).rejects.toThrow(
      /draws in more than 200 files/,
    );
  });

  test("neither a pipe nor a directory is waited for", async () => {
    const folder = written({});
    for (const [name, make] of [
      ["pipe", (path: string) => spawnSync("mkfifo", [path])],
      ["directory", (path: string) => mkdirSync(path)],
    ] as const) {
      make(join(folder, name));
      const path = join(folder, `${name}.yaml`);
      writeFileSync(path, `include: [${name}]`);
      await expect(readImageLists([path], { env })).rejects.toThrow(
        new RegExp(`${name}: is no file`),
      );
    }
  });

  test("standard input is where the process is", async () => {
    const folder = written({ "b.yaml": "services: { a: { image: a } }" });
    const stdin = (async function* () {
      yield `include: ["${folder}/b.yaml"]`;
    })();
    const { images } = await readImageLists(["-"], { stdin, env });
    expect(images.map(({ reference }) => reference)).toEqual(["a"]);
  });
});

describe("services that can be built", () => {
  const content = `services:
  a: { image: a, build: . }
  b: { image: b, build: ., pull_policy: always }
  c: { image: c, build: ., pull_policy: build }
  d: { image: d, build: ., pull_policy: never }
  e: { image: e, pull_policy: never }
  f: { build: . }
  g: { image: g, pull_policy: "\${POLICY}" }
`;

  test("are pulled as docker compose pulls them", async () => {
    const found = await read(
      { "compose.yaml": content },
      { env: { POLICY: "build" } },
    );
    expect(found.images).toEqual(["a", "b", "e"]);
    expect(found.from[0]).toBe(
      "compose.yaml, service a (which can be built, too)",
    );
    expect(found.skipped).toEqual([
      "compose.yaml, service c: is built, not pulled: its pull_policy is build",
      "compose.yaml, service d: is built, not pulled: its pull_policy is never",
      "compose.yaml, service f: is built, not pulled",
      "compose.yaml, service g: is built, not pulled: its pull_policy is build",
    ]);
  });

  test("or left out, if that is asked for", async () => {
    const options = { env: { POLICY: "missing" }, ignoreBuildable: true };
    const found = await read({ "compose.yaml": content }, options);
    expect(found.images).toEqual(["e", "g"]);
    expect(found.skipped[0]).toBe(
      "compose.yaml, service a: can be built, and such services were to be left out",
    );
  });
});

test("images are volumes, too", async () => {
  const content = `services:
  base: { image: base, volumes: [{ type: image, source: models/a:1, target: /a }] }
  web:
    extends: base
    build: .
    pull_policy: build
    platform: linux/arm64
    volumes:
      - "./data:/data"
      - { type: image, source: "models/b:\${V:-2}", target: /b }
      - { type: image, source: base, target: /c }
      - { type: bind, source: ., target: /d }
  off: { image: off, profiles: [off], volumes: [{ type: image, source: off-volume }] }
`;
  expect(await read({ "compose.yaml": content })).toMatchObject({
    images: [
      "base",
      "models/a:1",
      "models/a:1 linux/arm64",
      "models/b:2 linux/arm64",
    ],
    from: [
      "compose.yaml, service base",
      "compose.yaml, service base volume",
      "compose.yaml, service web volume",
      "compose.yaml, service web volume",
    ],
  });
});
