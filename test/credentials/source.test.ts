import { chmod } from "node:fs/promises";
import { createCredentialSource } from "#src/credentials/index.js";
import type { CredentialWarning } from "#src/credentials/index.js";
import type { Credential } from "#src/registry/credentials.js";
import { describe, expect, test } from "vitest";
import {
  authEntry,
  credentialHome,
  type CredentialHome,
} from "../helpers/credential-home.js";

const HUB = "docker.io";
const HUB_KEY = "https://index.docker.io/v1/";

function password(username: string, secret = `${username}-secret`): Credential {
  return { kind: "password", username, password: secret };
}

function entry(username: string): object {
  return authEntry(username, `${username}-secret`);
}

function sourceOf(home: CredentialHome, helperTimeLimitMs?: number) {
  const warnings: CredentialWarning[] = [];
  const find = createCredentialSource({
    env: home.env,
    onWarning: (warning) => warnings.push(warning),
    ...(helperTimeLimitMs === undefined ? {} : { helperTimeLimitMs }),
  });
  return { find, warnings };
}

async function findIn(config: object, host: string, repository?: string) {
  const home = await credentialHome();
  await home.config(config);
  return await sourceOf(home).find(host, repository);
}

describe("keys of auths", () => {
  test.each([
    [HUB, HUB_KEY],
    [HUB, "https://index.docker.io/v1"],
    [HUB, "index.docker.io"],
    [HUB, "index.docker.io/v1/"],
    [HUB, "docker.io"],
    [HUB, "https://docker.io/"],
    [HUB, "registry-1.docker.io"],
    [HUB, "https://registry-1.docker.io/v2/"],
    ["reg.test", "reg.test"],
    ["reg.test", "REG.Test"],
    ["reg.test", "https://reg.test"],
    ["reg.test", "http://reg.test/"],
    ["reg.test", "https://reg.test/v1/"],
    ["reg.test", "https://reg.test/v2/"],
    ["reg.test:5000", "reg.test:5000"],
    ["reg.test:5000", "https://reg.test:5000/v2"],
    ["[::1]:5000", "[::1]:5000"],
  ])("%s is found under %s", async (host, key) => {
    const auths = { "other.test": entry("other"), [key]: entry("ann") };
    expect(await findIn({ auths }, host)).toEqual(password("ann"));
  });

  test.each([
    ["reg.test", "reg.test:443"],
    ["reg.test:5000", "reg.test"],
    ["reg.test", "sub.reg.test"],
    ["reg.test", "reg.test.evil.test"],
    ["reg.test", "https://reg.test/c/login"],
    [HUB, "https://index.docker.io/v1/access-token"],
    [HUB, "hub.docker.io"],
    ["mirror.test", HUB_KEY],
  ])("%s is not found under %s", async (host, key) => {
    const auths = { [key]: entry("ann") };
    expect(await findIn({ auths }, host, "v1/access-token")).toBeUndefined();
  });

  test("of several forms docker's own counts, whatever the order", async () => {
    const auths = {
      "docker.io": entry("podman"),
      [HUB_KEY]: entry("docker"),
      "index.docker.io": entry("old"),
    };
    expect(await findIn({ auths }, HUB)).toEqual(password("docker"));
  });

  test("an empty entry stands in no other's way", async () => {
    const auths = { [HUB_KEY]: {}, "docker.io": entry("podman") };
    expect(await findIn({ auths }, HUB)).toEqual(password("podman"));
  });

  test("the most specific path wins, at borders of names only", async () => {
    const auths = {
      "reg.test": entry("host"),
      "reg.test/team": entry("team"),
      "reg.test/team/app": entry("app"),
      "docker.io/library/nginx": entry("nginx"),
    };
    const home = await credentialHome();
    await home.config({ auths });
    const { find } = sourceOf(home);
    const users = [];
    for (const repository of [
      "team/app",
      "team/app/x",
      "team/apple",
      "teams/app",
      undefined,
    ]) {
      const found = await find("reg.test", repository);
      users.push(found?.kind === "password" && found.username);
    }
    expect(users).toEqual(["app", "app", "team", "host", "host"]);
    expect(await find(HUB, "library/nginx")).toEqual(password("nginx"));
    expect(await find(HUB, "library/redis")).toBeUndefined();
  });
});

describe("entries", () => {
  const encode = (text: string) => Buffer.from(text).toString("base64");
  test.each<[string, object, Credential | undefined]>([
    ["a colon", authEntry("ann", "a:b:"), password("ann", "a:b:")],
    ["NULs", { auth: encode("ann:pw\0\0") }, password("ann", "pw")],
    [
      "plain fields",
      { username: "ann", password: "pw" },
      password("ann", "pw"),
    ],
    [
      "auth before plain fields",
      { ...authEntry("ann", "pw"), username: "bob", password: "no" },
      password("ann", "pw"),
    ],
    [
      "an identity token",
      { auth: encode("ann:"), identitytoken: "refresh" },
      { kind: "identity", token: "refresh", username: "ann" },
    ],
    [
      "an identity token alone",
      { identitytoken: "refresh" },
      { kind: "identity", token: "refresh" },
    ],
    [
      "a registry token before all",
      { ...authEntry("ann", "pw"), identitytoken: "x", registrytoken: "ready" },
      { kind: "bearer", token: "ready" },
    ],
    ["nothing", {}, undefined],
    ["no password", { auth: encode("ann:") }, undefined],
  ])("%s", async (_name, value, expected) => {
    const found = await findIn({ auths: { "reg.test": value } }, "reg.test");
    expect(found).toEqual(expected);
  });

  test.each<[string, unknown]>([
    ["no base64", { auth: "hunter2-secret!" }],
    ["no colon", { auth: encode("hunter2-secret") }],
    ["no user", { auth: encode(":hunter2-secret") }],
    ["no string", { auth: ["hunter2-secret"] }],
    [
      "a token that would end its header",
      { registrytoken: "hunter2-secret\r\nX: y" },
    ],
    ["no object", "hunter2-secret"],
  ])("%s: named, and not shown", async (_name, value) => {
    const home = await credentialHome();
    const path = await home.config({
      auths: { "reg.test": value, "other.test": entry("ann") },
    });
    const { find, warnings } = sourceOf(home);
    const error = await find("reg.test").catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: "CREDENTIALS_FILE_INVALID",
      message: expect.stringContaining(`${path}: the entry for "reg.test"`),
    });
    expect(JSON.stringify([error, warnings])).not.toContain("hunter2");
    expect(await find("other.test")).toEqual(password("ann"));
  });
});

describe("the order", () => {
  test("each place counts when those before it have nothing", async () => {
    const home = await credentialHome();
    const auths = (name: string) => ({ auths: { "reg.test": entry(name) } });
    home.env["DOCKER_AUTH_CONFIG"] = JSON.stringify(auths("inline"));
    await home.helper("own");
    await home.keep("own", { "reg.test": ["own", "own-secret"] });
    await home.helper("store");
    await home.keep("store", { "reg.test": ["store", "store-secret"] });
    await home.write("run/containers/auth.json", auths("runtime"));
    await home.write("config/containers/auth.json", auths("config"));
    const config = {
      credHelpers: { "reg.test": "own" } as Record<string, string>,
      credsStore: "store" as string | undefined,
      ...auths("docker"),
    };
    const users: unknown[] = [];
    const look = async () => {
      await home.config(config);
      const found = await sourceOf(home).find("reg.test", "a/b");
      users.push(found?.kind === "password" ? found.username : found);
    };
    await look();
    delete home.env["DOCKER_AUTH_CONFIG"];
    await look();
    config.credHelpers = {};
    await look();
    config.credsStore = undefined;
    await look();
    config.auths = { "reg.test": {} };
    await look();
    await home.write("run/containers/auth.json", {});
    await look();
    await home.write("named.json", auths("named"));
    home.env["REGISTRY_AUTH_FILE"] = home.in("named.json");
    await look();
    // As for podman a file that is named is the only one.
    home.env["REGISTRY_AUTH_FILE"] = home.in("absent.json");
    await look();
    expect(users).toEqual([
      "inline",
      "own",
      "store",
      "docker",
      "runtime",
      "config",
      "named",
      undefined,
    ]);
  });

  test("an empty name in credHelpers takes a host out of the store", async () => {
    const home = await credentialHome();
    await home.helper("store");
    await home.config({
      credsStore: "store",
      credHelpers: { "reg.test": "" },
      auths: { "reg.test": entry("file") },
    });
    expect(await sourceOf(home).find("reg.test")).toEqual(password("file"));
    expect(await home.calls("store")).toEqual([]);
  });

  test("without DOCKER_CONFIG it is ~/.docker", async () => {
    const home = await credentialHome();
    delete home.env["DOCKER_CONFIG"];
    await home.write(".docker/config.json", {
      auths: { "reg.test": entry("ann") },
    });
    expect(await sourceOf(home).find("reg.test")).toEqual(password("ann"));
  });

  test("nothing anywhere is anonymous, and silent", async () => {
    const { find, warnings } = sourceOf(await credentialHome());
    expect(await find("reg.test", "a/b")).toBeUndefined();
    expect(warnings).toEqual([]);
  });
});

describe("helpers", () => {
  async function withHelper(script?: string, timeLimitMs?: number) {
    const home = await credentialHome();
    await home.helper("mine", script);
    await home.config({ credsStore: "mine" });
    return { home, ...sourceOf(home, timeLimitMs) };
  }

  test("are asked by docker's name of the server, once, whatever the repository", async () => {
    const { home, find } = await withHelper();
    await home.keep("mine", {
      [HUB_KEY]: ["ann", "pw"],
      "reg.test:5000": ["<token>", "refresh"],
    });
    const found = await Promise.all([
      find(HUB, "library/nginx"),
      find(HUB, "library/redis"),
      find("reg.test:5000", "x"),
      find("absent.test", "x"),
    ]);
    expect(found).toEqual([
      password("ann", "pw"),
      password("ann", "pw"),
      { kind: "identity", token: "refresh" },
      undefined,
    ]);
    const calls = await home.calls("mine");
    expect(calls.map(({ action }) => action)).toEqual(["get", "get", "get"]);
    expect(calls.map(({ input }) => input).toSorted()).toEqual([
      "absent.test",
      HUB_KEY,
      "reg.test:5000",
    ]);
  });

  test.each([HUB_KEY, "docker.io", "index.docker.io"])(
    "of Docker Hub alone are found under %s",
    async (key) => {
      const home = await credentialHome();
      await home.helper("hub");
      await home.keep("hub", { [HUB_KEY]: ["ann", "pw"] });
      await home.config({ credHelpers: { [key]: "hub" } });
      const { find } = sourceOf(home);
      expect(await find(HUB)).toEqual(password("ann", "pw"));
      expect(await find("reg.test")).toBeUndefined();
      expect(await home.calls("hub")).toHaveLength(1);
    },
  );

  const SECRET = "hunter2-secret";
  test.each([
    [
      "fails",
      `echo ${SECRET}; echo ${SECRET} >&2; exit 3`,
      /exits with status 3/,
    ],
    ["no JSON", `echo ${SECRET}`, /does not answer with JSON/],
    ["no secret", `echo '{"Username":"${SECRET}"}'`, /without a secret/],
    ["no user", `echo '{"Secret":"${SECRET}"}'`, /without a user name/],
    [
      "numbers",
      `echo '{"Username":1,"Secret":"${SECRET}"}'`,
      /without a user name and/,
    ],
    ["endless", `while :; do echo ${SECRET}; done`, /more than 262144 bytes/],
    ["killed", `echo ${SECRET}; kill -9 $$`, /was killed/],
    [
      "says not found, but ends well",
      "echo credentials not found in native keychain",
      /JSON/,
    ],
  ])(
    "%s: named with what to do, its words kept back",
    async (_name, script, why) => {
      const { home, find, warnings } = await withHelper(script);
      const error = await find("reg.test").catch((error: unknown) => error);
      expect(error).toMatchObject({
        code: "CREDENTIAL_HELPER_FAILED",
        message: expect.stringMatching(why),
        hint: expect.stringContaining(
          `${home.configPath} names this helper. See what it says with: echo reg.test | docker-credential-mine get`,
        ),
      });
      expect(warnings).toEqual([
        {
          code: "CREDENTIAL_HELPER_FAILED",
          message: expect.stringMatching(why),
        },
      ]);
      expect(JSON.stringify([error, warnings])).not.toContain(SECRET);
    },
  );

  test("one that does not answer is killed", async () => {
    const { home, find } = await withHelper(
      'echo $$ >"$HOME/pid"; exec sleep 1000',
      300,
    );
    await expect(find("reg.test")).rejects.toMatchObject({
      code: "CREDENTIAL_HELPER_FAILED",
      message: expect.stringContaining("does not answer within 0.3 s"),
    });
    const pid = Number(await readText(home, "pid"));
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  test("one at work is killed by the signal", async () => {
    const home = await credentialHome();
    await home.helper("slow", 'echo $$ >"$HOME/pid"; exec sleep 1000');
    await home.config({ credsStore: "slow" });
    const stop = new AbortController();
    const find = createCredentialSource({ env: home.env, signal: stop.signal });
    const found = find("reg.test");
    found.catch(() => undefined);
    await expect.poll(() => readText(home, "pid")).toMatch(/\d+\n/);
    stop.abort();
    await expect(found).rejects.toMatchObject({ code: "ABORTED" });
    const pid = Number(await readText(home, "pid"));
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  test.each([
    ["not installed", "absent"],
    ["a name with a path", "../bin/docker-credential-mine"],
    ["a name with a space", "mine get"],
    ["a name for a shell", "mine;touch pwned"],
  ])("%s", async (_name, name) => {
    const home = await credentialHome();
    await home.helper("mine");
    await home.config({ credHelpers: { "reg.test": name } });
    await expect(sourceOf(home).find("reg.test")).rejects.toMatchObject({
      code: "CREDENTIAL_HELPER_MISSING",
      message: expect.stringContaining(home.configPath),
      hint: expect.stringContaining("Install that helper"),
    });
    expect(await home.calls("mine")).toEqual([]);
  });

  test.each(["", ".", "bin", "./bin", ":"])(
    "PATH %j does not lead to one in the current folder",
    async (path) => {
      const home = await credentialHome();
      await home.helper("mine");
      await home.config({ credsStore: "mine" });
      home.env["PATH"] = path;
      const before = process.cwd();
      try {
        process.chdir(path === "." ? home.in("bin") : home.path);
        await expect(sourceOf(home).find("reg.test")).rejects.toMatchObject({
          code: "CREDENTIAL_HELPER_MISSING",
        });
      } finally {
        process.chdir(before);
      }
    },
  );

  test("a folder or a plain file of that name is no program", async () => {
    const home = await credentialHome();
    await home.helper("mine");
    await home.keep("mine", { "reg.test": ["ann", "pw"] });
    await home.config({ credsStore: "mine" });
    await home.write("first/docker-credential-mine/x", "");
    await home.write("second/docker-credential-mine", "#!/bin/false");
    await chmod(home.in("second/docker-credential-mine"), 0o644);
    home.env["PATH"] = ["first", "second", "bin"]
      .map((name) => home.in(name))
      .join(":");
    expect(await sourceOf(home).find("reg.test")).toEqual(
      password("ann", "pw"),
    );
  });
});

describe("what cannot be read is warned of and passed over", () => {
  test.each<[string, string]>([
    ["no JSON", '{"auths": {"reg.test": {"auth": "aHVudGVyMg=="'],
    ["no object", "[]"],
    ["auths is no object", '{"auths": []}'],
    ["credsStore is no string", '{"credsStore": 1}'],
  ])("config.json: %s", async (_name, text) => {
    const home = await credentialHome();
    const path = await home.config(text);
    await home.write("config/containers/auth.json", {
      auths: { "reg.test": entry("podman") },
    });
    const { find, warnings } = sourceOf(home);
    expect(await find("reg.test")).toEqual(password("podman"));
    await expect(find("other.test")).rejects.toMatchObject({
      code: "CREDENTIALS_FILE_INVALID",
    });
    expect(warnings).toEqual([
      {
        code: "CREDENTIALS_FILE_INVALID",
        message: expect.stringContaining(path),
      },
    ]);
    expect(JSON.stringify(warnings)).not.toContain("aHVudGVy");
  });

  test("DOCKER_AUTH_CONFIG", async () => {
    const home = await credentialHome();
    home.env["DOCKER_AUTH_CONFIG"] = "{hunter2";
    await home.config({ auths: { "reg.test": entry("ann") } });
    const { find, warnings } = sourceOf(home);
    expect(await find("reg.test")).toEqual(password("ann"));
    expect(warnings).toEqual([
      {
        code: "CREDENTIALS_FILE_INVALID",
        message:
          "the credentials in $DOCKER_AUTH_CONFIG cannot be read: not JSON",
      },
    ]);
  });

  test("a folder where the file should be", async () => {
    const home = await credentialHome();
    await home.write("docker/config.json/x", "");
    await expect(sourceOf(home).find("reg.test")).rejects.toMatchObject({
      code: "CREDENTIALS_FILE_UNREADABLE",
      message: expect.stringContaining(
        `${home.configPath} cannot be read: EISDIR`,
      ),
    });
  });

  test("a helper that fails, where podman has an entry", async () => {
    const home = await credentialHome();
    await home.config({ credsStore: "desktop" });
    await home.write("config/containers/auth.json", {
      auths: { "reg.test": entry("podman") },
    });
    const { find, warnings } = sourceOf(home);
    expect(await find("reg.test")).toEqual(password("podman"));
    expect(warnings.map(({ code }) => code)).toEqual([
      "CREDENTIAL_HELPER_MISSING",
    ]);
  });
});

async function readText(home: CredentialHome, name: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  return await readFile(home.in(name), "utf8").catch(() => "");
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
