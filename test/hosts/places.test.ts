// The order of places from all sources, and how each is connected to.
import { chmod } from "node:fs/promises";
import { afterAll, describe, expect, it } from "vitest";
import { createHosts, type HostsOptions } from "#src/hosts/index.js";
import { Cleanups } from "../helpers/run.js";
import { TEST_CERTIFICATE } from "../helpers/test-certificate.js";
import { ConfigTree, plainPlace } from "./config-tree.js";

const cleanups = new Cleanups();
afterAll(() => cleanups.close());

const hub = plainPlace("https://registry-1.docker.io", true);
const unverified = { verify: false };
const fallback = { connection: unverified, plainHttpFallback: true };
const json = (value: unknown): Record<string, string> => ({
  "etc/docker/daemon.json": JSON.stringify(value),
});

describe("mirrors of the caller", () => {
  it("come before all else, in their order, for their registry only", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/containerd/certs.d/docker.io/hosts.toml": '[host."https://m"]',
    });
    const mirrors = [
      "docker.io=https://b:5000/",
      "quay.io=https://q",
      "index.docker.io=http://a/v2/",
      "docker.io=https://b:5000/",
      "[::1]:5000=https://[2001:db8::1]/x",
    ];
    expect(await tree.urls("docker.io", { mirrors })).toEqual([
      "https://b:5000",
      "http://a",
      "https://m",
      "https://registry-1.docker.io",
    ]);
    expect(await tree.urls("quay.io", { mirrors })).toEqual([
      "https://q",
      "https://quay.io",
    ]);
    const { places } = await tree.find("[::1]:5000", { mirrors });
    expect(places).toEqual([
      plainPlace("https://[2001:db8::1]/x", false),
      plainPlace("https://[::1]:5000", true, fallback),
    ]);
  });

  it.each([
    "https://m",
    "docker.io",
    "docker.io=",
    "docker.io=m:5000",
    "docker.io=ftp://m",
    "docker.io=https://user@m",
    "docker.io=https://user:s3cret@m",
    "docker.io=https://m?x=s3cret",
    "docker.io=https://m#s3cret",
    "https://user:s3cret@x=https://m",
    "a/b=https://m",
    "=https://m",
  ])("%s is refused at once", (mirror) => {
    let error: unknown;
    try {
      createHosts({ mirrors: [mirror] });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringMatching(/^mirror: /),
    });
    expect(JSON.stringify(error) + String(error)).not.toContain("s3cret");
  });
});

describe("dockerd's mirrors", () => {
  const mirrors = {
    "registry-mirrors": ["https://m1", "http://m2:5000/x/", "https://m1"],
  };

  it("are docker.io's only", async () => {
    const tree = await ConfigTree.write(cleanups, json(mirrors));
    expect((await tree.find("docker.io")).places).toEqual([
      plainPlace("https://m1", false),
      plainPlace("http://m2:5000/x", false),
      hub,
    ]);
    expect(await tree.urls("quay.io")).toEqual(["https://quay.io"]);
  });

  it("do not count where hosts.toml has some", async () => {
    const file = "etc/docker/certs.d/docker.io/hosts.toml";
    const tree = await ConfigTree.write(cleanups, {
      ...json(mirrors),
      [file]: '[host."https://m3"]',
    });
    expect(await tree.urls("docker.io")).toEqual(["https://m3", hub.url]);
    const other = await ConfigTree.write(cleanups, {
      ...json(mirrors),
      [file]: "[header]\nx = '1'",
    });
    expect(await other.urls("docker.io")).toEqual([
      "https://m1",
      "http://m2:5000/x",
      hub.url,
    ]);
  });

  it("of the user's own daemon come first, and any file can be named", async () => {
    const tree = await ConfigTree.write(cleanups, {
      ...json({ "registry-mirrors": ["https://machine"] }),
      "xdg/docker/daemon.json": '{ "registry-mirrors": ["https://user"] }',
      "other.json": '{ "registry-mirrors": ["https://other"] }',
    });
    const first = async (more: HostsOptions): Promise<string | undefined> =>
      (await tree.urls("docker.io", more))[0];
    expect(await first({})).toBe("https://machine");
    expect(await first({ env: { XDG_CONFIG_HOME: tree.at("xdg") } })).toBe(
      "https://user",
    );
    expect(await first({ daemonJson: tree.at("other.json") })).toBe(
      "https://other",
    );
    expect(await first({ daemonJson: false })).toBe(hub.url);
    await expect(
      tree.find("docker.io", { daemonJson: tree.at("missing.json") }),
    ).rejects.toMatchObject({ code: "HOSTS_CONFIG_INVALID" });
  });

  it.each<[string, string, RegExp]>([
    ["no JSON", "{", /daemon\.json: not JSON/],
    ["no object", "[]", /daemon\.json: not a JSON object/],
    ["another type", '{"registry-mirrors": [1]}', /registry-mirrors: neither/],
    [
      "a bad URL",
      '{"registry-mirrors": ["m:5000", "https://good"]}',
      /registry-mirrors: the URL has to begin/,
    ],
    [
      "a password",
      '{"registry-mirrors": ["https://u:s3cret@m", "https://good"]}',
      /registry-mirrors: the URL must have no user name/,
    ],
    [
      "a bad host",
      '{"insecure-registries": ["a b"], "registry-mirrors": ["https://good"]}',
      /insecure-registries: "a b" is not HOST/,
    ],
  ])("with %s are passed over with a warning", async (_, text, message) => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/docker/daemon.json": text,
    });
    const { places, warnings } = await tree.find("docker.io");
    expect(warnings).toEqual([expect.stringMatching(message)]);
    expect(warnings.join()).not.toContain("s3cret");
    expect(places.map(({ url }) => url)).toEqual(
      text.includes("good") ? ["https://good", hub.url] : [hub.url],
    );
  });

  it("are none in an empty file", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/docker/daemon.json": "\n",
    });
    expect(await tree.find("docker.io")).toEqual({
      places: [hub],
      warnings: [],
    });
  });

  it.skipIf(process.getuid?.() === 0)(
    "that may not be read are told",
    async () => {
      const tree = await ConfigTree.write(cleanups, json(mirrors));
      await chmod(tree.at("etc/docker/daemon.json"), 0);
      const { warnings } = await tree.find("docker.io");
      expect(warnings).toEqual([expect.stringContaining("EACCES")]);
    },
  );
});

describe("insecure registries", () => {
  const lookup = async (name: string): Promise<string[]> => {
    if (name === "inside.example") return ["198.51.100.1", "10.1.2.3"];
    if (name === "six.example") return ["2001:db8::7"];
    throw new Error(`${name} is not known`);
  };

  it.each<[string, string, boolean]>([
    ["reg.example", "reg.example", true],
    ["REG.example", "reg.example", true],
    ["reg.example:443", "reg.example", true],
    ["reg.example", "reg.example:5000", false],
    ["reg.example:5000", "reg.example:5000", true],
    ["http://reg.example:5000", "reg.example:5000", true],
    ["10.0.0.0/8", "10.1.2.3:5000", true],
    ["10.0.0.0/8", "11.1.2.3:5000", false],
    ["10.0.0.0/8", "inside.example:5000", true],
    ["10.0.0.0/8", "outside.example", false],
    ["0.0.0.0/0", "six.example", false],
    ["2001:db8::/32", "six.example", true],
    ["2001:db8::/32", "[2001:db8::1]:5000", true],
    ["2001:db8::1", "[2001:db8::1]", true],
    ["[2001:db8::1]:5000", "[2001:db8::1]:5000", true],
  ])("%s has %s: %s", async (entry, registry, insecure) => {
    const expected = plainPlace(
      `https://${registry}`,
      true,
      insecure ? fallback : {},
    );
    const none = await ConfigTree.write(cleanups);
    const asOption = await none.find(registry, {
      insecureRegistries: [entry],
      lookup,
    });
    expect(asOption.places).toEqual([expected]);
    const tree = await ConfigTree.write(
      cleanups,
      json({ "insecure-registries": [entry] }),
    );
    const asDaemons = await tree.find(registry, { lookup });
    expect(asDaemons.places).toEqual([expected]);
  });

  it("never has Docker Hub", async () => {
    const tree = await ConfigTree.write(cleanups);
    const { places } = await tree.find("docker.io", {
      insecureRegistries: ["0.0.0.0/0", "docker.io"],
      lookup: async () => ["10.0.0.1"],
    });
    expect(places).toEqual([hub]);
  });

  it("resolves no name unless there are blocks", async () => {
    const tree = await ConfigTree.write(cleanups);
    const asked: string[] = [];
    await tree.find("reg.example", {
      insecureRegistries: ["other.example", "127.0.0.1"],
      lookup: async (name) => {
        asked.push(name);
        return [];
      },
    });
    expect(asked).toEqual([]);
  });

  it("wins over what hosts.toml and certificates say", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/containerd/certs.d/reg/hosts.toml":
        'skip_verify = false\n[host."https://m"]\nca = "ca.crt"\n',
      "etc/containerd/certs.d/reg/ca.crt": TEST_CERTIFICATE,
    });
    const { places } = await tree.find("reg", {
      insecureRegistries: ["reg", "m"],
    });
    expect(places).toEqual([
      plainPlace("https://m", false, fallback),
      plainPlace("https://reg", true, fallback),
    ]);
  });

  it.each(["", "a b", "10.0.0.0/33", "reg/path", "2001:db8::/129", "reg:0"])(
    "%j is refused",
    (entry) => {
      expect(() => createHosts({ insecureRegistries: [entry] })).toThrow(
        expect.objectContaining({ code: "OPTION_INVALID" }),
      );
    },
  );
});

describe("plain HTTP", () => {
  it.each([
    ["reg.example", "http://reg.example"],
    ["reg.example:5000", "http://reg.example:5000"],
    ["localhost:5000", "http://localhost:5000"],
    ["[::1]:5000", "http://[::1]:5000"],
  ])("for %s", async (registry, url) => {
    const tree = await ConfigTree.write(cleanups);
    const { places } = await tree.find(registry, { plainHttp: [registry] });
    expect(places).toEqual([plainPlace(url, true)]);
  });

  it("for a mirror", async () => {
    const tree = await ConfigTree.write(cleanups);
    const { places } = await tree.find("reg", {
      plainHttp: ["m:5000"],
      mirrors: ["reg=https://m:5000/x", "reg=https://m/x"],
    });
    expect(places.map(({ url }) => url)).toEqual([
      "http://m:5000/x",
      "https://m/x",
      "https://reg",
    ]);
  });

  it("is for hosts, not for blocks of addresses", () => {
    expect(() => createHosts({ plainHttp: ["10.0.0.0/8"] })).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID" }),
    );
  });
});

describe("this machine", () => {
  it.each([
    "localhost",
    "localhost:5000",
    "127.0.0.1:5000",
    "127.8.9.1",
    "[::1]:5000",
  ])("%s may show any certificate and speak plain HTTP", async (registry) => {
    const tree = await ConfigTree.write(cleanups);
    expect((await tree.find(registry)).places).toEqual([
      plainPlace(`https://${registry}`, true, fallback),
    ]);
  });

  it.each<[string, object]>([
    ['[host."https://localhost:1"]', { connection: unverified }],
    ['[host."https://localhost:1"]\nskip_verify = false', {}],
    [
      '[host."https://localhost:1"]\nca = "ca.pem"',
      { connection: { verify: true, ca: [TEST_CERTIFICATE.trim()] } },
    ],
  ])("as a mirror: %s", async (toml, more) => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/containerd/certs.d/reg/hosts.toml": toml,
      "etc/containerd/certs.d/reg/ca.pem": TEST_CERTIFICATE,
    });
    const { places } = await tree.find("reg");
    expect(places[0]).toEqual(plainPlace("https://localhost:1", false, more));
  });

  it("as a server may not speak plain HTTP where HTTPS is said", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/containerd/certs.d/localhost_5000_/hosts.toml":
        'server = "https://localhost:5000"',
    });
    expect((await tree.find("localhost:5000")).places).toEqual([
      plainPlace("https://localhost:5000", true, { connection: unverified }),
    ]);
  });
});

describe("what is the same for many", () => {
  it("is one object, so that connections are shared", async () => {
    const tree = await ConfigTree.write(cleanups);
    const source = createHosts(tree.options());
    const [one] = await source("a.example");
    const [two] = await source("b.example");
    const [local] = await source("localhost:1");
    expect(one?.connection).toBe(two?.connection);
    expect(local?.connection).not.toBe(one?.connection);
  });

  it("is told once", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/containerd/certs.d/_default/hosts.toml": "what = 1",
    });
    const told: string[] = [];
    const source = createHosts(
      tree.options({ onWarning: ({ code }) => told.push(code) }),
    );
    await source("a.example");
    await source("b.example");
    expect(told).toEqual(["HOSTS_CONFIG_DOUBTFUL"]);
  });
});
