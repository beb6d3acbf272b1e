// What hosts.toml says, field by field.
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { afterAll, describe, expect, it } from "vitest";
import type { HostConfig } from "#src/registry/endpoint.js";
import { Cleanups } from "../helpers/run.js";
import { TEST_CERTIFICATE, TEST_KEY } from "../helpers/test-certificate.js";
import { ConfigTree, plainPlace, type Found } from "./config-tree.js";

const cleanups = new Cleanups();
afterAll(() => cleanups.close());

const FOLDER = "etc/containerd/certs.d/reg.example";

async function read(
  toml: string,
  files: Readonly<Record<string, string>> = {},
): Promise<Found> {
  const tree = await ConfigTree.write(cleanups, {
    [`${FOLDER}/hosts.toml`]: toml,
    ...files,
  });
  return tree.find("reg.example");
}

/** The only mirror in the file. */
async function mirror(
  toml: string,
  files: Readonly<Record<string, string>> = {},
): Promise<HostConfig> {
  const { places, warnings } = await read(toml, files);
  expect(warnings).toEqual([]);
  expect(places).toHaveLength(2);
  return places[0]!;
}

const origin = plainPlace("https://reg.example", true);

describe("the order", () => {
  it("is the file's, whatever the names, and the registry comes last", async () => {
    const names = ["https://z", "https://10", "http://9", "8", "https://a"];
    const { places } = await read(
      ["https://z", "https://10", "http://9:5000", "m:8", "https://a"]
        .map((name) => `[host."${name}"]\ncapabilities = ["pull"]\n`)
        .join(""),
    );
    expect(places).toHaveLength(names.length + 1);
    expect(places.map(({ url }) => url)).toEqual([
      "https://z",
      "https://0.0.0.10",
      "http://0.0.0.9:5000",
      "https://m:8",
      "https://a",
      "https://reg.example",
    ]);
    expect(places.map((place) => place.origin)).toEqual([
      ...names.map(() => false),
      true,
    ]);
  });

  it("counts the first mention, of a header's table, too", async () => {
    const { places } = await read(`
      [host."https://b".header]
      x-b = "1"
      [host."https://a"]
      [host."https://b"]
      capabilities = ["pull"]
    `);
    expect(places.map(({ url }) => url)).toEqual([
      "https://b",
      "https://a",
      "https://reg.example",
    ]);
    expect(places[0]).toMatchObject({
      headers: { "x-b": "1" },
      capabilities: ["pull"],
    });
  });

  it("refuses a number as a host: it would lose its place", async () => {
    await expect(read("[host.5000]\n")).rejects.toMatchObject({
      code: "HOSTS_CONFIG_INVALID",
      message: expect.stringContaining('"5000" is not a URL'),
    });
  });
});

describe("server", () => {
  it.each<[string, Partial<HostConfig>[]]>([
    ["", [origin]],
    ["# nothing but this\n", [origin]],
    ['server = "https://reg.example"', [origin]],
    ['server = "https://reg.example:443/"', [origin]],
    ['server = "https://reg.example/v2"', [origin]],
    ['server = "http://reg.example"', [plainPlace("http://reg.example", true)]],
    [
      'server = "https://only.example/x"',
      [plainPlace("https://only.example/x", false)],
    ],
    ['server = "only.example"', [plainPlace("https://only.example", false)]],
    [
      'server = "https://up.example"\n[host."https://m"]',
      [plainPlace("https://m", false), plainPlace("https://up.example", false)],
    ],
  ])("%s", async (toml, places) => {
    expect(await read(toml)).toEqual({ places, warnings: [] });
  });

  it.each([
    "https://docker.io",
    "https://index.docker.io",
    "https://registry-1.docker.io",
    "docker.io",
  ])("%s is Docker Hub's API", async (server) => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/containerd/certs.d/docker.io/hosts.toml": `server = "${server}"\n[host."http://cache"]\n`,
    });
    expect((await tree.find("docker.io")).places).toEqual([
      plainPlace("http://cache", false),
      plainPlace("https://registry-1.docker.io", true),
    ]);
  });

  it("is not asked twice when a host is the same", async () => {
    const both = await read(`
      [host."https://reg.example"]
        [host."https://reg.example".header]
        x-a = "1"
      [host."https://m"]
    `);
    expect(both.places).toEqual([
      { ...origin, headers: { "x-a": "1" } },
      plainPlace("https://m", false),
    ]);
  });

  it("is asked for what the same host may not do", async () => {
    const { places } = await read(`
      [host."https://reg.example"]
      capabilities = ["pull"]
    `);
    expect(places).toEqual([{ ...origin, capabilities: ["pull"] }, origin]);
  });

  it("takes the fields at the top", async () => {
    const { places, warnings } = await read(
      `
        server = "https://up.example/api"
        capabilities = ["pull"]
        ca = "ca.pem"
        client = [["c.pem", "k.pem"]]
        override_path = true
        dial_timeout = "1m30s"
        [header]
        X-Top = ["a", "b"]
      `,
      {
        [`${FOLDER}/ca.pem`]: TEST_CERTIFICATE,
        [`${FOLDER}/c.pem`]: TEST_CERTIFICATE,
        [`${FOLDER}/k.pem`]: TEST_KEY,
      },
    );
    expect(warnings).toEqual([]);
    expect(places).toEqual([
      {
        url: "https://up.example/api",
        origin: false,
        capabilities: ["pull"],
        overridePath: true,
        headers: { "x-top": "a, b" },
        connection: {
          verify: true,
          ca: [TEST_CERTIFICATE.trim()],
          client: [{ cert: TEST_CERTIFICATE.trim(), key: TEST_KEY }],
          connectTimeoutMs: 90_000,
        },
        plainHttpFallback: false,
      },
    ]);
  });

  it("left out, the fields at the top are the registry's, but for what it can do", async () => {
    const { places } = await read(`
      capabilities = ["push"]
      skip_verify = true
      override_path = true
      dial_timeout = "2s"
      [header]
      x-top = "1"
    `);
    expect(places).toEqual([
      {
        ...origin,
        headers: { "x-top": "1" },
        connection: { verify: false, connectTimeoutMs: 2000 },
      },
    ]);
  });
});

describe("the path", () => {
  it.each([
    ["https://m", "https://m", false],
    ["https://m/", "https://m", false],
    ["https://m/v2", "https://m", false],
    ["https://m/v2/", "https://m", false],
    ["https://m/us", "https://m/us", false],
    ["https://m/us/v2", "https://m/us", false],
    ["https://m/v2/us", "https://m/v2/us", false],
    ["HTTPS://M:443/x", "https://m/x", false],
    ["m:5000/x", "https://m:5000/x", false],
    ["http://[2001:db8::1]:5000", "http://[2001:db8::1]:5000", false],
    ["[::1]:5000", "https://[::1]:5000", false],
    ["https://m", "https://m", true],
    ["https://m/v2", "https://m/v2", true],
    ["https://m/v2/project/", "https://m/v2/project", true],
  ])("%s is %s (override_path: %s)", async (name, url, overridePath) => {
    expect(
      await mirror(`[host."${name}"]\noverride_path = ${overridePath}\n`),
    ).toMatchObject({ url, overridePath, origin: false });
  });

  it.each([
    "ftp://m",
    "https://",
    "https://a b",
    "",
    "://m",
    "https://m:99999",
  ])("%j is refused", async (name) => {
    await expect(read(`[host.'${name}']\n`)).rejects.toMatchObject({
      code: "HOSTS_CONFIG_INVALID",
    });
  });

  it("has no use for a password, a query, a fragment, and does not show them", async () => {
    const { places, warnings } = await read(
      '[host."https://user:s3cret@m/x?token=s3cret#s3cret"]\n',
    );
    expect(places[0]).toEqual(plainPlace("https://m/x", false));
    expect(warnings).toHaveLength(3);
  });
});

describe("capabilities", () => {
  it.each<[string, string[]]>([
    ['["pull", "resolve", "push"]', ["pull", "resolve"]],
    ['["resolve"]', ["resolve"]],
    ['["PULL"]', ["pull"]],
    ['["push", "referrers", "pull"]', ["pull"]],
    ["[]", ["pull", "resolve"]],
  ])("%s", async (list, capabilities) => {
    expect(
      await mirror(`[host."https://m"]\ncapabilities = ${list}\n`),
    ).toMatchObject({ capabilities });
  });

  it("is passed over for pushes only", async () => {
    const { places } = await read(
      '[host."https://m"]\ncapabilities = ["push"]',
    );
    expect(places).toEqual([origin]);
  });

  it("warns of others, which give no right", async () => {
    const { places, warnings } = await read(
      '[host."https://m"]\ncapabilities = ["pull", "fly"]',
    );
    expect(places[0]).toMatchObject({ capabilities: ["pull"] });
    expect(warnings).toEqual([
      expect.stringMatching(/hosts\.toml: .*https:\/\/m.* capabilities: "fly"/),
    ]);
  });

  it("says so when nothing is left to ask", async () => {
    await expect(
      read('server = "https://m"\ncapabilities = ["push"]'),
    ).rejects.toMatchObject({ code: "HOSTS_CONFIG_INVALID" });
  });
});

describe("TLS", () => {
  const files = {
    [`${FOLDER}/a.pem`]: TEST_CERTIFICATE,
    [`${FOLDER}/sub/b.pem`]: `# two\n${TEST_CERTIFICATE}\n${TEST_CERTIFICATE}`,
    [`${FOLDER}/both.pem`]: TEST_CERTIFICATE + TEST_KEY,
    [`${FOLDER}/key.pem`]: TEST_KEY,
  };
  const pem = TEST_CERTIFICATE.trim();
  const own = { cert: pem, key: TEST_KEY };
  const joint = { cert: pem, key: TEST_CERTIFICATE + TEST_KEY };

  it.each<[string, object]>([
    ["skip_verify = true", { verify: false }],
    ["skip_verify = false", { verify: true }],
    ['ca = "a.pem"', { verify: true, ca: [pem] }],
    ['ca = ["a.pem", "sub/b.pem"]', { verify: true, ca: [pem, pem, pem] }],
    ['client = "both.pem"', { verify: true, client: [joint] }],
    [
      'client = ["both.pem", "both.pem"]',
      { verify: true, client: [joint, joint] },
    ],
    [
      'client = [["a.pem", "key.pem"], ["both.pem", ""]]',
      { verify: true, client: [own, joint] },
    ],
    [
      'skip_verify = true\nca = "a.pem"\nclient = [["a.pem", "key.pem"]]',
      { verify: false, client: [own] },
    ],
  ])("%s", async (fields, connection) => {
    expect(await mirror(`[host."https://m"]\n${fields}\n`, files)).toEqual(
      plainPlace("https://m", false, {
        connection: connection as HostConfig["connection"],
      }),
    );
  });

  it("takes whole paths, and is on every connection of the same object", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "ca.pem": TEST_CERTIFICATE,
    });
    const file = `${FOLDER}/hosts.toml`;
    await mkdir(tree.at(FOLDER), { recursive: true });
    await symlink(tree.at("hosts.toml"), tree.at(file));
    await writeFile(
      tree.at("hosts.toml"),
      ["m1", "m2"]
        .map(
          (name) => `[host."https://${name}"]\nca = "${tree.at("ca.pem")}"\n`,
        )
        .join(""),
    );
    const { places } = await tree.find("reg.example");
    expect(places[0]?.connection.ca).toEqual([pem]);
    expect(places[1]?.connection).toBe(places[0]?.connection);
    expect(places[2]?.connection).not.toBe(places[0]?.connection);
  });

  it.each<[string, string, HostConfig["connection"], boolean]>([
    ["http://m:5000", "https://m:5000", { verify: false }, true],
    ["http://m", "http://m", { verify: true }, false],
    ["http://m:80", "http://m", { verify: true }, false],
  ])("configured for %s", async (name, url, connection, plainHttpFallback) => {
    expect(await mirror(`[host."${name}"]\nskip_verify = true\n`)).toEqual(
      plainPlace(url, false, { connection, plainHttpFallback }),
    );
  });
});

describe("dial_timeout", () => {
  it.each([
    ["3s", 3000],
    ["200ms", 200],
    ["1us", 1],
  ])("%s", async (text, connectTimeoutMs) => {
    expect(
      await mirror(`[host."https://m"]\ndial_timeout = "${text}"\n`),
    ).toMatchObject({ connection: { connectTimeoutMs } });
  });

  it("0 is none", async () => {
    expect(await mirror('[host."https://m"]\ndial_timeout = "0s"\n')).toEqual(
      plainPlace("https://m", false),
    );
  });
});

describe("header", () => {
  it("has strings and lists", async () => {
    const { headers } = await mirror(`
      [host."https://m".header]
      X-Custom-1 = "one"
      x-custom-2 = ["a", "b"]
      x-none = []
      __proto__ = "p"
    `);
    expect(Object.entries(headers)).toEqual([
      ["x-custom-1", "one"],
      ["x-custom-2", "a, b"],
      ["__proto__", "p"],
    ]);
  });

  it("leaves out what belongs to each request", async () => {
    const { places, warnings } = await read(`
      [host."https://m".header]
      Host = "other"
      range = "bytes=0-1"
      x-a = "1"
    `);
    expect(places[0]?.headers).toEqual({ "x-a": "1" });
    expect(warnings).toHaveLength(2);
  });
});

describe("what cannot be understood", () => {
  it.each<[string, string, RegExp]>([
    ["no TOML", 'server = "x"\nhost = {\n', /hosts\.toml: line \d: not TOML/],
    [
      "a type",
      '[host."https://m"]\nskip_verify = "yes"',
      /\[host\."https:\/\/m"\] skip_verify: neither true nor false/,
    ],
    ["another type", "override_path = 1", /override_path: neither/],
    [
      "a host that is no table",
      'host = { "https://m" = 1 }',
      /host: "https:\/\/m" is not a table/,
    ],
    ["hosts that are no table", "host = 1", /host: not a table/],
    ["a list of tables", '[[host."https://m"]]', /is not a table/],
    ["a server that is no string", "server = 1", /server: not a string/],
    ["a server that is no URL", 'server = "ftp://x"', /"ftp" is not spoken/],
    [
      "capabilities",
      '[host."https://m"]\ncapabilities = "pull"',
      /capabilities: not a list/,
    ],
    [
      "capabilities of another type",
      "capabilities = [1]",
      /capabilities: neither/,
    ],
    ["ca", "ca = [1]", /ca: neither a string nor/],
    ["client", 'client = [["a"]]', /client: neither a file/],
    ["client of another type", "client = 1", /client: neither a file/],
    ["a duration", 'dial_timeout = "3"', /dial_timeout: "3" is not a duration/],
    ["a negative one", 'dial_timeout = "-3s"', /not a duration/],
    ["a number for one", "dial_timeout = 3", /dial_timeout: not a string/],
    ["header", 'header = "x"', /header: not a table/],
    ["a header's value", "[header]\nx = 1", /header x: neither/],
    [
      "a header's name",
      '[header]\n"x y" = "1"',
      /cannot be the name of a header/,
    ],
    [
      "a header in two lines",
      '[header]\nx = "s3cret\\ny"',
      /no header can have/,
    ],
    [
      "a file that is not there",
      'ca = "missing.pem"',
      /ca: there is no file .*missing\.pem/,
    ],
    ["a folder for a file", 'ca = "."', /is not a file/],
    [
      "a file without a certificate",
      'ca = "hosts.toml"',
      /hosts\.toml has no certificate in it/,
    ],
    [
      "client without a certificate",
      'client = "hosts.toml"',
      /has no certificate/,
    ],
  ])("%s", async (_, toml, message) => {
    const error: unknown = await read(toml).catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: "HOSTS_CONFIG_INVALID",
      message: expect.stringMatching(message),
      hint: expect.any(String),
      details: { file: expect.stringContaining(`${FOLDER}/hosts.toml`) },
    });
    expect(String(error)).not.toContain("s3cret");
  });

  it("does not show the line that may hold a password", async () => {
    const error: unknown = await read(
      '[header]\nauthorization = "Basic s3cret\n',
    ).catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: "HOSTS_CONFIG_INVALID",
      message: expect.stringMatching(/line 2/),
    });
    expect(JSON.stringify(error) + String(error)).not.toContain("s3cret");
  });

  it("is the trouble of that registry only", async () => {
    const tree = await ConfigTree.write(cleanups, {
      [`${FOLDER}/hosts.toml`]: "not toml",
      "etc/containerd/certs.d/other/hosts.toml": '[host."https://m"]',
    });
    await expect(tree.find("reg.example")).rejects.toMatchObject({
      code: "HOSTS_CONFIG_INVALID",
    });
    expect(await tree.urls("other")).toEqual(["https://m", "https://other"]);
  });

  it("is told, if it is a key that nobody knows", async () => {
    const { places, warnings } = await read(`
      servr = "https://x"
      [host."https://m"]
      auth_through = true
      [host."https://m".host."https://n"]
    `);
    expect(places).toEqual([plainPlace("https://m", false), origin]);
    expect(warnings.map((text) => text.replace(/^.*toml: /, ""))).toEqual([
      'unknown key "servr"; not used',
      '[host."https://m"]: unknown key "auth_through"; not used',
      '[host."https://m"]: unknown key "host"; not used',
    ]);
  });

  it("reads a byte order mark away, and refuses what is not UTF-8", async () => {
    const { places } = await read('\ufeff[host."https://m"]\n');
    expect(places).toHaveLength(2);
    const tree = await ConfigTree.write(cleanups, { [`${FOLDER}/x`]: "" });
    await writeFile(tree.at(`${FOLDER}/hosts.toml`), Buffer.from([0x23, 0xff]));
    await expect(tree.find("reg.example")).rejects.toMatchObject({
      code: "HOSTS_CONFIG_INVALID",
      message: expect.stringContaining("not UTF-8"),
    });
  });
});
