// Which of several folders speaks for a registry.
import { afterAll, describe, expect, it } from "vitest";
import { folderNames } from "#src/hosts/folders.js";
import { Cleanups } from "../helpers/run.js";
import { ConfigTree, plainPlace } from "./config-tree.js";

const cleanups = new Cleanups();
afterAll(() => cleanups.close());

const toml = (name: string): string => `[host."https://${name}"]\n`;

describe("the names of a registry's folder", () => {
  it.each([
    ["docker.io", ["docker.io", "_default"]],
    ["reg.example:5000", ["reg.example_5000_", "reg.example:5000", "_default"]],
    ["[::1]", ["[::1]", "_default"]],
    [
      "[2001:db8::1]:5000",
      ["[2001:db8::1]_5000_", "[2001:db8::1]:5000", "_default"],
    ],
  ])("of %s", (host, names) => {
    expect(folderNames(host)).toEqual(names);
  });
});

describe("within one directory", () => {
  it.each<[string, string, string[], string]>([
    [
      "host_port_ before host:port",
      "reg:5000",
      ["reg_5000_", "reg:5000", "_default"],
      "reg_5000_",
    ],
    [
      "host:port before _default",
      "reg:5000",
      ["reg:5000", "reg", "_default"],
      "reg:5000",
    ],
    [
      "_default, and not the name without the port",
      "reg:5000",
      ["reg", "_default"],
      "_default",
    ],
    ["the name alone", "reg", ["reg", "reg_443_", "_default"], "reg"],
    ["an address", "[::1]:5000", ["[::1]_5000_", "[::1]:5000"], "[::1]_5000_"],
    [
      "docker.io, not its API's name",
      "docker.io",
      ["docker.io", "registry-1.docker.io"],
      "docker.io",
    ],
    [
      "_default for docker.io",
      "docker.io",
      ["registry-1.docker.io", "_default"],
      "_default",
    ],
  ])("%s", async (_, registry, names, chosen) => {
    const tree = await ConfigTree.write(
      cleanups,
      Object.fromEntries(
        names.map((name, index) => [
          `etc/containerd/certs.d/${name}/hosts.toml`,
          toml(`m${index}`),
        ]),
      ),
    );
    const [first] = await tree.urls(registry);
    expect(first).toBe(`https://m${names.indexOf(chosen)}`);
  });

  it("a folder of its own without hosts.toml hides _default", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/containerd/certs.d/reg/notes.txt": "",
      "etc/containerd/certs.d/_default/hosts.toml": toml("mirror"),
    });
    expect(await tree.urls("reg")).toEqual(["https://reg"]);
    expect(await tree.urls("other")).toEqual([
      "https://mirror",
      "https://other",
    ]);
  });

  it("an empty hosts.toml is none, and a file is no folder", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "etc/containerd/certs.d/reg/hosts.toml": "",
      "etc/containerd/certs.d/other": "",
      "etc/containerd/certs.d/_default/hosts.toml": toml("mirror"),
    });
    expect(await tree.urls("reg")).toEqual(["https://reg"]);
    expect(await tree.urls("other")).toEqual([
      "https://mirror",
      "https://other",
    ]);
  });
});

describe("among the directories", () => {
  const places = [
    "first/reg/hosts.toml",
    "second/reg/hosts.toml",
    "etc/containerd/certs.d/reg/hosts.toml",
    "etc/docker/certs.d/reg/hosts.toml",
    "home/.config/docker/certs.d/reg/hosts.toml",
  ];

  it.each(places)("%s is the first that is there", async (_place) => {
    const from = places.indexOf(_place);
    const tree = await ConfigTree.write(cleanups, {
      "first/unused/x": "",
      "second/unused/x": "",
      ...Object.fromEntries(
        places.slice(from).map((name, index) => [name, toml(`m${index}`)]),
      ),
    });
    const hostsDirs = [tree.at("first"), tree.at("second")];
    expect(await tree.urls("reg", { hostsDirs })).toEqual([
      "https://m0",
      "https://reg",
    ]);
  });

  it("an earlier one's _default comes before a later one's own folder", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "mine/_default/hosts.toml": toml("mine"),
      "etc/containerd/certs.d/reg/hosts.toml": toml("machine"),
    });
    const hostsDirs = [tree.at("mine")];
    expect(await tree.urls("reg", { hostsDirs })).toEqual([
      "https://mine",
      "https://reg",
    ]);
  });

  it("XDG_CONFIG_HOME moves the user's, if it is absolute", async () => {
    const tree = await ConfigTree.write(cleanups, {
      "xdg/docker/certs.d/reg/hosts.toml": toml("xdg"),
      "home/.config/docker/certs.d/reg/hosts.toml": toml("home"),
    });
    const first = async (value: string): Promise<string | undefined> =>
      (await tree.urls("reg", { env: { XDG_CONFIG_HOME: value } }))[0];
    expect(await first(tree.at("xdg"))).toBe("https://xdg");
    expect(await first("relative")).toBe("https://home");
    expect(await first("")).toBe("https://home");
  });

  it("nothing at all is the registry itself", async () => {
    const tree = await ConfigTree.write(cleanups);
    expect(await tree.find("reg.example")).toEqual({
      places: [plainPlace("https://reg.example", true)],
      warnings: [],
    });
    expect(await tree.find("docker.io")).toEqual({
      places: [plainPlace("https://registry-1.docker.io", true)],
      warnings: [],
    });
  });

  it("a directory that was named has to be there", async () => {
    const tree = await ConfigTree.write(cleanups, { file: "" });
    for (const name of ["missing", "file"]) {
      await expect(
        tree.find("reg", { hostsDirs: [tree.at(name)] }),
      ).rejects.toMatchObject({
        code: "OPTION_INVALID",
        message: expect.stringContaining(tree.at(name)),
      });
    }
  });

  it("refuses what is no registry before any path is made of it", async () => {
    const tree = await ConfigTree.write(cleanups);
    for (const registry of ["../reg", "_default", "a/b", "", "reg:x"]) {
      await expect(tree.find(registry)).rejects.toMatchObject({
        code: "REFERENCE_INVALID",
      });
    }
  });
});
