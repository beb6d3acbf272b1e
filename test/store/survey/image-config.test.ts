// Which configs docker loads: those that fit its types, whatever else is in them.
import { describe, expect, it, test } from "vitest";
import { parseStoredConfig } from "#store/survey/image-config.js";

const DIFF_ID = `sha256:${"a".repeat(64)}`;
const rootfs = { type: "layers", diff_ids: [DIFF_ID] };

const parse = (config: unknown) =>
  parseStoredConfig(Buffer.from(JSON.stringify(config)));
const run = (config: object) => parse({ rootfs, config })?.image.config;

describe("what is loaded", () => {
  it("has the zero of everything that is missing or null", () => {
    const { image, diffIds } = parse({ rootfs, config: null })!;
    expect(diffIds).toEqual([DIFF_ID]);
    expect(image).toMatchObject({
      created: undefined,
      os: "",
      config: undefined,
      history: [],
    });
    expect(run({})).toEqual(run({ Cmd: null, Labels: null, User: null }));
    expect(run({})).toMatchObject({
      cmd: [],
      user: "",
      healthcheck: undefined,
    });
  });

  it("counts the names of members without their case", () => {
    const { image } = parse({
      RootFS: rootfs,
      ARCHITECTURE: "s390x",
      "OS.Version": "1",
      config: { uſer: "7", exposedports: { "80/tcp": {} } },
    })!;
    expect(image).toMatchObject({ architecture: "s390x", osVersion: "1" });
    expect(image.config?.user).toBe("7");
    expect([...image.config!.exposedPorts.keys()]).toEqual(["80/tcp"]);
  });

  it("takes the last of members that have one name", () => {
    const bytes = Buffer.from(
      `{"rootfs":{"diff_ids":null},"author":"a","Author":"b","config":{"User":"1","user":"2"}}`,
    );
    const { image } = parseStoredConfig(bytes)!;
    expect(image.author).toBe("b");
    expect(image.config?.user).toBe("2");
  });

  it("takes a single word for a list of them where docker does", () => {
    expect(run({ Cmd: "sh", Entrypoint: "a b", Shell: "x" })).toMatchObject({
      cmd: ["sh"],
      entrypoint: ["a b"],
      shell: ["x"],
    });
    expect(run({ Env: "A=b" })).toBeUndefined();
  });

  it("keeps names that mean something in JavaScript", () => {
    const bytes = Buffer.from(
      `{"rootfs":{},"config":{"Labels":{"__proto__":"p","constructor":"c","1":"n"}}}`,
    );
    expect([...parseStoredConfig(bytes)!.image.config!.labels]).toEqual([
      ["1", "n"],
      ["__proto__", "p"],
      ["constructor", "c"],
    ]);
  });

  it("reads text as Go does where it is not well formed", () => {
    const bytes = Buffer.concat([
      Buffer.from(`{"rootfs":{},"author":"\\ud800x`),
      Buffer.from([0xff]),
      Buffer.from(`"}`),
    ]);
    expect(parseStoredConfig(bytes)!.image.author).toBe("\ufffdx\ufffd");
  });

  it("may name Linux in any case, or no system", () => {
    expect(parse({ rootfs, os: "Linux" })?.image.os).toBe("Linux");
    expect(parse({ rootfs, os: "" })).toBeDefined();
    expect(parse({ rootfs, os: "windows" })).toBeUndefined();
  });
});

describe("what is not loaded", () => {
  test.each<[string, unknown]>([
    ["null", null],
    ["a list", []],
    ["no rootfs", { config: {} }],
    ["rootfs: null", { rootfs: null }],
    ["rootfs: a list", { rootfs: [] }],
    ["a diff ID that is none", { rootfs: { diff_ids: ["sha256:1"] } }],
    ["a diff ID that is a number", { rootfs: { diff_ids: [1] } }],
    ["author: a number", { rootfs, author: 1 }],
    ["created: empty", { rootfs, created: "" }],
    ["created: a number", { rootfs, created: 1 }],
    ["created: no RFC 3339", { rootfs, created: "2024-02-30T00:00:00Z" }],
    ["os.features: a string", { rootfs, "os.features": "x" }],
    ["Size: a fraction", { rootfs, Size: 1.5 }],
    ["Size: beyond 64 bits", { rootfs, Size: 1e300 }],
    ["history: an object", { rootfs, history: {} }],
    ["empty_layer: a string", { rootfs, history: [{ empty_layer: "true" }] }],
    ["history's created", { rootfs, history: [{ created: "now" }] }],
    ["config: a list", { rootfs, config: [] }],
    ["Labels: a number in it", { rootfs, config: { Labels: { a: 1 } } }],
    ["Labels: a list", { rootfs, config: { Labels: [] } }],
    ["Cmd: a number in it", { rootfs, config: { Cmd: ["a", 1] } }],
    ["Tty: a string", { rootfs, config: { Tty: "no" } }],
    ["Volumes: true in it", { rootfs, config: { Volumes: { "/a": true } } }],
    ["ExposedPorts: a list", { rootfs, config: { ExposedPorts: ["80"] } }],
    [
      "Interval: a string",
      { rootfs, config: { Healthcheck: { Interval: "1s" } } },
    ],
    ["container_config", { rootfs, container_config: { Env: 1 } }],
  ])("%s", (_, config) => {
    expect(parse(config)).toBeUndefined();
  });

  test.each(["", "{", "\ufeff{}", "not JSON"])("%j", (text) => {
    expect(parseStoredConfig(Buffer.from(text))).toBeUndefined();
  });
});
