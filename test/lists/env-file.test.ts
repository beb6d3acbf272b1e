import { describe, expect, test } from "vitest";
import { parseEnvFile } from "#src/lists/env-file.js";
import { read } from "./reading.js";

describe("values", () => {
  test.each([
    ["A=1", { A: "1" }],
    ["export A = x y  # no", { A: "x y" }],
    ["A: 'x # y' # no", { A: "x # y" }],
    ["A=\nB=2", { A: "", B: "2" }],
    ["A=a#b", { A: "a#b" }],
    ['A="x\\"y\\n"\nB=1', { A: 'x"y\n', B: "1" }],
    [
      "A=\"one\ntwo\"\nB='three\nfour'\r\nC=5",
      {
        A: "one\ntwo",
        B: "three\nfour",
        C: "5",
      },
    ],
    ['A="x" y\nB=1', { A: '"x" y', B: "1" }],
    ['A="x\nB=1', { A: '"x', B: "1" }],
    ["no assignment\n=x\n# A=1\nB=1", { B: "1" }],
    ["__proto__=1\nB=1", { B: "1" }],
  ])("%j", (text, values) => {
    expect(parseEnvFile(text)).toEqual(values);
  });
});

describe("variables in values", () => {
  test.each([
    ["A=1\nB=${A}2$A", { A: "1", B: "121" }],
    ['A=1\nB="${A:-0}-${C:-3}"', { A: "1", B: "1-3" }],
    ["A=1\nB='${A}'", { A: "1", B: "${A}" }],
    ["B=$A\nA=1", { B: "", A: "1" }],
    ['A=$$x\nB=\\$x\nC="\\$x"', { A: "$x", B: "$x", C: "$x" }],
  ])("%j", (text, values) => {
    expect(parseEnvFile(text)).toEqual(values);
  });

  test("what is outside goes before what stands above", () => {
    expect(parseEnvFile("A=1\nB=$A", { A: "2", B: undefined })).toEqual({
      A: "1",
      B: "2",
    });
  });

  test("they reach the images", async () => {
    const found = await read({
      "compose.yaml": "services: { a: { image: '${IMAGE}' } }",
      ".env": "REGISTRY=r.test\nIMAGE=${REGISTRY}/app:${TAG:-1}\n",
    });
    expect(found.images).toEqual(["r.test/app:1"]);
  });

  test("one that is demanded and missing names the file", async () => {
    const files = {
      "compose.yaml": "services: { a: { image: x } }",
      ".env": "A=${B:?say which}\n",
    };
    await expect(read(files)).rejects.toMatchObject({
      code: "IMAGE_LIST_INVALID",
      message: expect.stringMatching(/\.env: .*B is not set: say which/),
    });
  });
});

test("values that hold each other over and over come to an end", () => {
  const lines = ["A0=xxxxxxxxxx"];
  for (let at = 1; at < 40; at++) {
    lines.push(`A${at}=${`\${A${at - 1}}`.repeat(4)}`);
  }
  expect(() => parseEnvFile(lines.join("\n"))).toThrow(/more than 1 MiB/);
});

test("a long file takes no time", () => {
  const lines = Array.from({ length: 50_000 }, (_, at) => `A${at}="x" y`);
  const started = performance.now();
  expect(Object.keys(parseEnvFile(lines.join("\n"))).length).toBe(50_000);
  expect(performance.now() - started).toBeLessThan(5000);
});

test("a variable that is undefined outside does not hide the one in .env", async () => {
  const files = {
    "compose.yaml": "services: { a: { image: 'x:${TAG}' } }",
    ".env": "TAG=1\n",
  };
  expect((await read(files, { env: { TAG: undefined } })).images).toEqual([
    "x:1",
  ]);
});

test("a directory of that name is none", async () => {
  const files = {
    "compose.yaml": "services: { a: { image: x } }",
    ".env/pyvenv.cfg": "",
  };
  const found = await read(files, { env: {} }, ["compose.yaml"]);
  expect(found.images).toEqual(["x"]);
});

test("COMPOSE_PROFILES is heard where no profile is named", async () => {
  const files = {
    "compose.yaml": `services:
  a: { image: a, profiles: [one] }
  b: { image: b, profiles: [two] }
  c: { image: c, profiles: ["\${P}"] }
`,
    ".env": "COMPOSE_PROFILES=one, three\nP=three\n",
  };
  expect((await read(files)).images).toEqual(["a", "c"]);
  const options = { env: {}, profiles: ["two"] };
  expect((await read(files, options)).images).toEqual(["b"]);
});
