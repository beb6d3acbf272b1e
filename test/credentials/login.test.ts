import { lstat, mkdir, readdir, stat, symlink } from "node:fs/promises";
import { login, logout, type LoginOptions } from "#src/index.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import type { TokenServerOptions } from "../helpers/token-server.js";
import { describe, expect, test } from "vitest";
import {
  authEntry,
  credentialHome,
  type CredentialHome,
} from "../helpers/credential-home.js";
import { serve } from "../registry/client.js";

const ann = { username: "ann", password: "p:w secret" };
const users = { ann: "p:w secret" };
const HUB_KEY = "https://index.docker.io/v1/";

interface Scene {
  home: CredentialHome;
  registry: FaultRegistry;
  warnings: string[];
  options: LoginOptions;
}

async function scene(auth?: TokenServerOptions): Promise<Scene> {
  const home = await credentialHome();
  const registry = await serve(auth === undefined ? {} : { auth });
  const warnings: string[] = [];
  const options: LoginOptions = {
    ...ann,
    env: home.env,
    registry: { retry: { baseMs: 1, maxMs: 2 } },
    onWarning: ({ code }) => warnings.push(code),
  };
  return { home, registry, warnings, options };
}

async function auths(home: CredentialHome): Promise<Record<string, object>> {
  return JSON.parse(await home.readConfig()).auths;
}

describe("the proof", () => {
  test("Basic: /v2/ bare, then with the password", async () => {
    const { home, registry, options, warnings } = await scene({
      users,
      basic: true,
    });
    const result = await login(registry.host, options);
    expect(result).toEqual({
      server: registry.host,
      username: "ann",
      path: home.configPath,
      identityToken: false,
    });
    expect(
      registry.requests.map(({ method, url, headers }) => [
        method,
        url,
        String(headers["authorization"]).slice(0, 6),
      ]),
    ).toEqual([
      ["GET", "/v2/", "undefi"],
      ["GET", "/v2/", "Basic "],
    ]);
    expect(await auths(home)).toEqual({
      [registry.host]: authEntry("ann", "p:w secret"),
    });
    expect(warnings).toEqual(["STORED_UNENCRYPTED"]);
  });

  test("Bearer: a token for the password, and the token is tried", async () => {
    const { registry, options } = await scene({ users });
    await login(registry.host, options);
    const { requests, tokens } = registry;
    expect(requests.map(({ url }) => url.split("?")[0])).toEqual([
      "/v2/",
      "/token",
      "/v2/",
    ]);
    expect(tokens?.asked).toEqual([
      {
        method: "GET",
        scopes: [],
        service: "fault-registry",
        user: "ann",
        offline: true,
      },
    ]);
    expect(requests[2]?.headers["authorization"]).toMatch(/^Bearer token-1/);
  });

  test("an identity token is kept instead of the password", async () => {
    const { home, registry, options } = await scene({
      users,
      refreshToken: "refresh-secret",
    });
    const result = await login(registry.host, options);
    expect(result.identityToken).toBe(true);
    expect(await auths(home)).toEqual({
      [registry.host]: {
        auth: Buffer.from("ann:").toString("base64"),
        identitytoken: "refresh-secret",
      },
    });
  });

  test.each<[string, TokenServerOptions]>([
    ["Basic", { users: { ann: "other" }, basic: true }],
    ["Bearer", { users: { ann: "other" } }],
  ])("%s refused: nothing is kept, nothing shown", async (_name, auth) => {
    const { home, registry, options } = await scene({ ...auth, echo: true });
    const error = await login(registry.host, options).catch(
      (error: unknown) => error,
    );
    expect(error).toMatchObject({
      code: "UNAUTHORIZED",
      message: expect.stringContaining("Sent the credentials of user ann."),
      hint: "Check the user name and the password or token.",
    });
    expect(String(error) + JSON.stringify(error)).not.toContain("p:w");
    await expect(home.readConfig()).rejects.toThrow(/ENOENT/);
  });

  test("a registry that asks for nothing: kept, with a word", async () => {
    const { home, registry, options, warnings } = await scene();
    await login(registry.host, options);
    expect(warnings).toEqual(["LOGIN_NOT_ASKED_FOR", "STORED_UNENCRYPTED"]);
    expect(Object.keys(await auths(home))).toEqual([registry.host]);
  });

  test("trouble passes", async () => {
    const { registry, options } = await scene({ users });
    registry.faults.push(
      { on: { path: /v2/ }, do: "status", status: 503 },
      { on: { path: /token/ }, do: "reset" },
    );
    await login(registry.host, options);
  });

  test("what is no registry is told", async () => {
    const { home, registry, options } = await scene();
    registry.faults.push({
      do: "status",
      status: 404,
      headers: { "content-type": "text/html" },
      body: "<html>sign in</html>",
    });
    await expect(login(registry.host, options)).rejects.toMatchObject({
      code: "NOT_A_REGISTRY",
    });
    await expect(home.readConfig()).rejects.toThrow(/ENOENT/);
  });

  test("a realm elsewhere does not see the password", async () => {
    const { registry, options } = await scene({
      users,
      realm: "http://169.254.169.254/token",
    });
    await expect(login(registry.host, options)).rejects.toMatchObject({
      code: "TOKEN_REALM_REFUSED",
    });
  });
});

describe("names", () => {
  test.each([undefined, "docker.io", "index.docker.io", HUB_KEY])(
    "%s is Docker Hub",
    async (name) => {
      const { home, registry, options } = await scene({ users });
      const asked: string[] = [];
      const result = await login(name, {
        ...options,
        registry: {
          endpoint: (host) => {
            asked.push(host);
            return registry.url;
          },
        },
      });
      expect(result.server).toBe(HUB_KEY);
      expect(asked).toEqual(["docker.io"]);
      expect(Object.keys(await auths(home))).toEqual([HUB_KEY]);
    },
  );

  test.each(["http://HOST", "https://HOST/", "HOST/v2/", "https://HOST/v1/"])(
    "%s is the host",
    async (name) => {
      const { registry, options } = await scene({ users });
      const server = name.replace("HOST", registry.host);
      expect((await login(server, options)).server).toBe(registry.host);
    },
  );

  test.each<[string, Partial<LoginOptions>]>([
    ["reg.test/team", {}],
    ["reg test", {}],
    ["reg.test:0", {}],
    ["", {}],
    ["reg.test", { username: "" }],
    ["reg.test", { username: "a:b" }],
    ["reg.test", { password: "" }],
    ["reg.test", { password: "a\nb" }],
  ])("%j with %j is refused", async (name, more) => {
    const { options } = await scene();
    await expect(login(name, { ...options, ...more })).rejects.toMatchObject({
      code: "OPTION_INVALID",
    });
  });
});

describe("config.json", () => {
  const OTHER = { auth: "b3RoZXI6cHc=", email: "x@y" };

  test("is made with its folder for its owner alone", async () => {
    const { home, registry, options } = await scene({ users });
    const before = process.umask(0);
    try {
      await login(registry.host, options);
    } finally {
      process.umask(before);
    }
    expect((await stat(home.configPath)).mode & 0o7777).toBe(0o600);
    expect((await stat(home.in("docker"))).mode & 0o7777).toBe(0o700);
    expect(await readdir(home.in("docker"))).toEqual(["config.json"]);
  });

  test("keeps everything else, its order and its indentation", async () => {
    const { home, registry, options } = await scene({ users });
    const text = JSON.stringify(
      {
        HttpHeaders: { "X-A": "b" },
        auths: { "z.test": OTHER, "a.test": {} },
        psFormat: "table {{.ID}}",
        plugins: { x: { enabled: "true" } },
      },
      undefined,
      "   ",
    );
    await home.config(`${text}\n`);
    await login(registry.host, options);
    const after = await home.readConfig();
    const added = `,\n      "${registry.host}": {\n         "auth": "${Buffer.from("ann:p:w secret").toString("base64")}"\n      }`;
    expect(after.replace(added, "")).toBe(`${text}\n`);
    expect((await stat(home.configPath)).mode & 0o777).toBe(0o600);
    expect(await logout(registry.host, { env: home.env })).toEqual({
      server: registry.host,
      removed: true,
    });
    expect(await home.readConfig()).toBe(`${text}\n`);
  });

  test("that is a link stays one", async () => {
    const { home, registry, options } = await scene({ users });
    await home.write("dotfiles/docker.json", { auths: { "a.test": OTHER } });
    await mkdir(home.in("docker"));
    await symlink("../dotfiles/docker.json", home.configPath);
    await login(registry.host, options);
    expect((await lstat(home.configPath)).isSymbolicLink()).toBe(true);
    expect(Object.keys(await auths(home))).toEqual(["a.test", registry.host]);
    expect(await readdir(home.in("dotfiles"))).toEqual(["docker.json"]);
  });

  test("that is a link to nothing yet leads there", async () => {
    const { home, registry, options } = await scene({ users });
    await mkdir(home.in("docker"));
    await symlink(home.in("new/docker.json"), home.configPath);
    await login(registry.host, options);
    expect((await lstat(home.configPath)).isSymbolicLink()).toBe(true);
    expect(await readdir(home.in("new"))).toEqual(["docker.json"]);
  });

  test("that cannot be read is not overwritten", async () => {
    const { home, registry, options } = await scene({ users });
    await home.config('{"auths": {');
    await expect(login(registry.host, options)).rejects.toMatchObject({
      code: "CREDENTIALS_FILE_INVALID",
    });
    expect(await home.readConfig()).toBe('{"auths": {');
  });

  test("that cannot be written is told", async () => {
    const { home, registry, options } = await scene({ users });
    await home.write("docker", "a file");
    await expect(login(registry.host, options)).rejects.toMatchObject({
      code: "CREDENTIALS_FILE_UNWRITABLE",
      message: expect.stringContaining(home.configPath),
      hint: expect.stringContaining("DOCKER_CONFIG"),
    });
  });

  test("many log-ins at once all stay", async () => {
    const scenes = await Promise.all(
      Array.from({ length: 6 }, () => scene({ users })),
    );
    const { home, options } = scenes[0] as Scene;
    await Promise.all(
      scenes.map(({ registry }) => login(registry.host, options)),
    );
    expect(Object.keys(await auths(home)).toSorted()).toEqual(
      scenes.map(({ registry }) => registry.host).toSorted(),
    );
  });
});

describe("helpers", () => {
  test("keep the secret; the file says only that there is one", async () => {
    const { home, registry, options, warnings } = await scene({ users });
    await home.helper("store");
    await home.config({
      credsStore: "store",
      auths: { [registry.host]: authEntry("ann", "old") },
    });
    const result = await login(registry.host, options);
    expect(result.helper).toBe("docker-credential-store");
    expect(await home.kept("store")).toEqual({
      [registry.host]: ["ann", "p:w secret"],
    });
    expect(await auths(home)).toEqual({ [registry.host]: {} });
    expect(warnings).toEqual([]);

    expect((await logout(registry.host, { env: home.env })).removed).toBe(true);
    expect(await home.kept("store")).toEqual({});
    expect(await auths(home)).toEqual({});
  });

  test("of one host, for an identity token", async () => {
    const { home, registry, options } = await scene({
      users,
      refreshToken: "refresh-secret",
    });
    await home.helper("own");
    await home.config({ credHelpers: { [registry.host]: "own" } });
    await login(registry.host, options);
    expect(await home.kept("own")).toEqual({
      [registry.host]: ["<token>", "refresh-secret"],
    });
  });

  test("that fail keep nothing, and the file stays as it was", async () => {
    const { home, registry, options } = await scene({ users });
    await home.helper("bad", "cat; exit 1");
    await home.config({ credsStore: "bad" });
    const error = await login(registry.host, options).catch(
      (error: unknown) => error,
    );
    expect(error).toMatchObject({ code: "CREDENTIAL_HELPER_FAILED" });
    expect(String(error) + JSON.stringify(error)).not.toContain("p:w");
    expect(await home.readConfig()).toBe('{"credsStore":"bad"}');
  });
});

describe("logout", () => {
  test("removes every key that would be found", async () => {
    const home = await credentialHome();
    await home.config({
      auths: {
        "docker.io": authEntry("a", "b"),
        "x.test": {},
        [HUB_KEY]: authEntry("a", "b"),
        "docker.io/team": authEntry("c", "d"),
      },
    });
    const found: string[] = [];
    const result = await logout(undefined, {
      env: home.env,
      onFound: (server) => found.push(server),
    });
    expect(result).toEqual({ server: HUB_KEY, removed: true });
    expect(found).toEqual([HUB_KEY]);
    expect(Object.keys(await auths(home))).toEqual([
      "x.test",
      "docker.io/team",
    ]);
  });

  test("of nothing makes nothing", async () => {
    const home = await credentialHome();
    const result = await logout("x.test", { env: home.env });
    expect(result).toEqual({ server: "x.test", removed: false });
    expect(await readdir(home.path)).toEqual([]);

    await home.config({ auths: {} });
    expect((await logout("x.test", { env: home.env })).removed).toBe(false);
    expect(await home.readConfig()).toBe('{"auths":{}}');
  });

  test("asks the helper also where the file has no entry", async () => {
    const home = await credentialHome();
    await home.helper("store");
    await home.keep("store", { "x.test": ["ann", "pw"] });
    await home.config({ credsStore: "store" });
    expect((await logout("x.test", { env: home.env })).removed).toBe(true);
    expect(await home.kept("store")).toEqual({});
    expect((await logout("x.test", { env: home.env })).removed).toBe(false);
  });

  test("with a helper that fails takes the entry away, and says so", async () => {
    const home = await credentialHome();
    await home.helper("bad", "exit 1");
    await home.config({ credsStore: "bad", auths: { "x.test": {} } });
    await expect(logout("x.test", { env: home.env })).rejects.toMatchObject({
      code: "CREDENTIAL_HELPER_FAILED",
      message: expect.stringContaining("asked to erase"),
    });
    expect(await auths(home)).toEqual({});
  });
});
