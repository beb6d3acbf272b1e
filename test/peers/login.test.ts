// What docker and podman logged in to works with tpull, and the other way
// round, at a real registry that lets in only who has a password, or a token
// signed for it.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { startDockerRegistry } from "../helpers/docker-registry.js";
import { startDockerd, type Dockerd } from "../helpers/dockerd.js";
import { imageOf, layerOf } from "../helpers/image-builder.js";
import { describeWithPeers, requirePeer } from "../helpers/peers.js";
import { pushImage } from "../helpers/push.js";
import { Cleanups, run, runOk, type RunResult } from "../helpers/run.js";
import { signedTokens, type SignedTokens } from "../helpers/signed-tokens.js";
import { archive, file } from "../helpers/tar-writer.js";
import { TEST_CERTIFICATE } from "../helpers/test-certificate.js";
import { TPULL } from "../helpers/tpull-cli.js";

const USER = "ann";
const PASSWORD = "peer-secret-password";
const IDENTITY = "peer-secret-identity-token";
/** bcrypt of the password, at its least cost. */
const HTPASSWD = `${USER}:$2b$04$Re7sgg1yQo9XTZdIcVMWXud3keEhASLZiWzP6GZ.PrytRQFXMOEaq`;
const LONG_MS = 120_000;

describeWithPeers(
  "log-ins shared with docker, podman and skopeo",
  ["docker", "dockerd", "docker-registry", "podman", "skopeo"],
  { root: true },
  () => {
    const cleanups = new Cleanups();
    const hosts: Record<string, string> = {};
    let tokens: SignedTokens;
    let dockerd: Dockerd;
    let folder = "";
    let serial = 0;
    /** Everything that was said in these tests. */
    const said: string[] = [];

    beforeAll(async () => {
      folder = await cleanups.tempDir();
      const storage = join(folder, "storage");
      const certificatePath = join(folder, "certificate.pem");
      await writeFile(certificatePath, TEST_CERTIFICATE);
      const open = await startDockerRegistry({ storage });
      const image = imageOf([layerOf(archive([file("a", "b")]))]);
      await pushImage(open.host, "team/app", "1.0", image);
      await open.stop();
      tokens = cleanups.use(
        await signedTokens({
          user: USER,
          password: PASSWORD,
          identityToken: IDENTITY,
          certificatePath,
        }),
      );
      const htpasswd = HTPASSWD;
      const basic = await startDockerRegistry({ storage, htpasswd });
      const bearer = await startDockerRegistry({ storage, auth: tokens.auth });
      hosts["Basic"] = cleanups.use(basic).host;
      hosts["tokens"] = cleanups.use(bearer).host;
      dockerd = cleanups.use(await startDockerd(join(folder, "dockerd")));
    }, LONG_MS);

    afterAll(() => cleanups.close(), LONG_MS);

    afterEach(() => {
      expect(said.join("")).not.toMatch(/peer-secret/);
      expect(said.join("")).not.toContain(
        Buffer.from(`${USER}:${PASSWORD}`).toString("base64"),
      );
    });

    /** Nobody has logged in there. */
    async function fresh() {
      const home = join(folder, `home-${++serial}`);
      await mkdir(home);
      return {
        home,
        env: {
          HOME: home,
          DOCKER_CONFIG: join(home, "docker"),
          XDG_RUNTIME_DIR: home,
          XDG_CONFIG_HOME: join(home, "config"),
          REGISTRY_AUTH_FILE: "",
        },
      };
    }

    async function tpull(
      env: Record<string, string>,
      args: string[],
    ): Promise<RunResult> {
      const result = await run(process.execPath, [TPULL, ...args], { env });
      said.push(result.stdout, result.stderr);
      return result;
    }

    async function pulls(env: Record<string, string>, host: string) {
      const root = join(folder, `root-${++serial}`);
      return await tpull(env, ["-q", "--root", root, `${host}/team/app:1.0`]);
    }

    async function tpullLogin(
      env: Record<string, string>,
      host: string,
      password: string = PASSWORD,
    ): Promise<RunResult> {
      const result = await run(
        "/bin/sh",
        [
          "-c",
          `printf %s "$1" | "$2" "$3" login -u ${USER} --password-stdin "$4"`,
          "sh",
          password,
          process.execPath,
          TPULL,
          host,
        ],
        { env },
      );
      said.push(result.stdout, result.stderr);
      return result;
    }

    it.each(["Basic", "tokens"])(
      "%s: refused without a log-in, and with a wrong one",
      async (kind) => {
        const host = hosts[kind] ?? "";
        const { env } = await fresh();
        const nobody = await pulls(env, host);
        expect(nobody.code).toBe(1);
        expect(nobody.stderr).toContain("Sent no credentials.");
        expect(nobody.stderr).toContain(`tpull login ${host}`);
        const wrong = await tpullLogin(env, host, "peer-secret-but-wrong");
        expect(wrong.code).toBe(1);
        expect(wrong.stderr).toMatch(
          /Sent the credentials of user ann\..*UNAUTHORIZED/,
        );
        expect((await pulls(env, host)).code).toBe(1);
      },
      LONG_MS,
    );

    it.each(["Basic", "tokens"])(
      "%s: docker login, tpull pull, tpull logout",
      async (kind) => {
        const host = hosts[kind] ?? "";
        const { env } = await fresh();
        await dockerd.docker(["login", "-u", USER, "-p", PASSWORD, host], {
          env,
        });
        expect(await pulls(env, host)).toMatchObject({
          code: 0,
          stdout: `${host}/team/app:1.0\n`,
        });
        expect(await tpull(env, ["logout", host])).toMatchObject({
          code: 0,
          stdout: `Removing login credentials for ${host}\n`,
        });
        const config = await readFile(
          join(env.DOCKER_CONFIG, "config.json"),
          "utf8",
        );
        expect(JSON.parse(config).auths).toEqual({});
        expect((await pulls(env, host)).code).toBe(1);
      },
      LONG_MS,
    );

    it("an identity token that docker was given is exchanged by POST", async () => {
      const host = hosts["tokens"] ?? "";
      const { env } = await fresh();
      await dockerd.docker(["login", "-u", USER, "-p", PASSWORD, host], {
        env,
      });
      const config = await readFile(
        join(env.DOCKER_CONFIG, "config.json"),
        "utf8",
      );
      expect(JSON.parse(config).auths[host].identitytoken).toBe(IDENTITY);
      tokens.asked.length = 0;
      expect((await pulls(env, host)).code).toBe(0);
      expect(tokens.asked).toEqual([
        {
          method: "POST",
          by: "identity token",
          scopes: ["repository:team/app:pull"],
        },
      ]);
    });

    it.each(["", "/team", "/team/app"])(
      "podman login HOST%s, tpull pull",
      async (path) => {
        const host = hosts["Basic"] ?? "";
        const { env } = await fresh();
        await runOk(
          requirePeer("podman"),
          [
            "login",
            "--tls-verify=false",
            "-u",
            USER,
            "-p",
            PASSWORD,
            `${host}${path}`,
          ],
          { env: { ...env, XDG_RUNTIME_DIR: env.HOME } },
        );
        expect(await pulls(env, host)).toMatchObject({ code: 0 });
      },
      LONG_MS,
    );

    it.each(["Basic", "tokens"])(
      "%s: tpull login, then docker, skopeo and podman",
      async (kind) => {
        const host = hosts[kind] ?? "";
        const { env, home } = await fresh();
        const image = `${host}/team/app:1.0`;
        const before = await dockerd.tryDocker(["pull", image], { env });
        expect(before.code).toBe(1);
        const login = await tpullLogin(env, host);
        expect(login.stdout).toBe("Login Succeeded\n");
        expect(login.stderr).toContain("stored unencrypted");
        expect((await pulls(env, host)).code).toBe(0);
        await dockerd.docker(["pull", "-q", image], { env });
        await dockerd.docker(["rmi", image], { env });
        const copied = await run(
          requirePeer("skopeo"),
          [
            "copy",
            "-q",
            "--src-tls-verify=false",
            `docker://${image}`,
            `dir:${join(home, "copy")}`,
          ],
          { env },
        );
        expect(copied).toMatchObject({ code: 0 });
        const user = await runOk(
          requirePeer("podman"),
          ["login", "--get-login", host],
          { env },
        );
        expect(user.trim()).toBe(USER);
        await dockerd.docker(["logout", host], { env });
        expect((await pulls(env, host)).code).toBe(1);
      },
      LONG_MS,
    );
  },
);
