import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { main } from "#src/cli/main.js";
import type { CliInput } from "#src/cli/prompt.js";
import type { LoginOptions, LogoutOptions } from "#src/login.js";
import { TpullError } from "#store/errors.js";
import { describe, expect, it, test } from "vitest";
import {
  credentialHome,
  type CredentialHome,
} from "../helpers/credential-home.js";
import { describeWithPeers, requirePeer } from "../helpers/peers.js";
import { run } from "../helpers/run.js";
import { TPULL } from "../helpers/tpull-cli.js";
import { serve } from "../registry/client.js";
import { fakes, type Fakes } from "./fake-context.js";

const SECRET = "p:w secret";

interface Asked {
  server: string | undefined;
  options: LoginOptions;
}

async function tpull(
  argv: string[],
  parts: NonNullable<Parameters<typeof fakes>[0]> = {},
) {
  const asked: Asked[] = [];
  const made = fakes({
    ...parts,
    login: {
      login: async (server, options) => {
        asked.push({ server, options });
        options.onWarning?.({ code: "STORED_UNENCRYPTED", message: "in x" });
        return { server: "s", username: "u", path: "x", identityToken: false };
      },
      ...parts.login,
    },
  });
  const status = await main(argv, made.context);
  return { status, asked, out: made.stdout.text, err: made.stderr.text, made };
}

/** A keyboard, and what was typed on it. */
function keyboard(): PassThrough & CliInput & { raw: boolean[] } {
  const raw: boolean[] = [];
  return Object.assign(new PassThrough(), {
    isTTY: true as const,
    raw,
    setRawMode: (mode: boolean) => raw.push(mode),
  });
}

/** Types as soon as the question is on the screen. */
async function type(
  made: Fakes,
  keys: PassThrough,
  question: string,
  text: string,
): Promise<void> {
  await expect.poll(() => made.stderr.text).toContain(question);
  keys.write(text);
}

describe("tpull login --password-stdin", () => {
  test.each([
    [`${SECRET}\n`, SECRET],
    [`${SECRET}\r\n`, SECRET],
    [SECRET, SECRET],
    [` ${SECRET} \n`, ` ${SECRET} `],
  ])("reads %j", async (text, password) => {
    const { status, asked, out, err } = await tpull(
      ["login", "-u", "ann", "--password-stdin", "reg.test"],
      { stdin: Readable.from([Buffer.from(text)]), env: { A: "b" } },
    );
    expect(status).toBe(0);
    expect(asked).toMatchObject([
      {
        server: "reg.test",
        options: { username: "ann", password, env: { A: "b" } },
      },
    ]);
    expect(out).toBe("Login Succeeded\n");
    expect(err).toBe("tpull: warning: in x (STORED_UNENCRYPTED)\n");
  });

  test("without a registry is for Docker Hub", async () => {
    const { asked } = await tpull(["login", "-uann", "--password-stdin"], {
      stdin: Readable.from([SECRET]),
    });
    expect(asked[0]?.server).toBeUndefined();
  });
});

describe("wrong usage: exit status 2, nothing asked", () => {
  test.each<[string, string[], RegExp]>([
    ["no user", ["--password-stdin"], /--password-stdin needs --username/],
    ["two registries", ["a.test", "b.test"], /unexpected argument "b.test"/],
    ["an empty one", [""], /name of the registry is empty/],
    [
      "a password on the line",
      ["--password", SECRET],
      /unknown option "--password"/,
    ],
    ["no terminal", ["-u", "ann"], /no terminal.*-u USER --password-stdin/],
    ["an empty stdin", ["-u", "ann", "--password-stdin"], /no password came/],
    ["an option of pull", ["--root", "/x"], /not an option of 'tpull login'/],
  ])("%s", async (_name, words, message) => {
    const { status, asked, out, err } = await tpull(["login", ...words]);
    expect(status).toBe(2);
    expect(err).toMatch(message);
    expect(err).not.toContain(SECRET);
    expect([out, asked]).toEqual(["", []]);
  });

  test("too much on standard input", async () => {
    const { status, err } = await tpull(
      ["login", "-u", "ann", "--password-stdin"],
      { stdin: Readable.from([Buffer.alloc(100_000, "x")]) },
    );
    expect(status).toBe(2);
    expect(err).toContain("too long");
  });

  test("what the log-in itself calls wrong", async () => {
    const { status, err } = await tpull(["logout", "a/b"], {
      login: {
        logout: async () => {
          throw new TpullError("OPTION_INVALID", "not a registry");
        },
      },
    });
    expect(status).toBe(2);
    expect(err).toBe("tpull: not a registry (OPTION_INVALID)\n");
  });
});

describe("at a terminal", () => {
  async function interactive(argv: string[]) {
    const keys = keyboard();
    const asked: Asked[] = [];
    const made = fakes({
      stdin: keys,
      login: {
        login: async (server, options) => {
          asked.push({ server, options });
          return { server: "", username: "", path: "", identityToken: false };
        },
      },
    });
    const status = main(argv, made.context);
    return { keys, made, asked, status };
  }

  it("asks for user and password, and shows only the user", async () => {
    const { keys, made, asked, status } = await interactive(["login"]);
    await type(made, keys, "Username: ", "annn\x7f \r");
    await type(made, keys, "Password: ", `${SECRET}x\x7f\r`);
    expect(await status).toBe(0);
    expect(asked[0]?.options).toMatchObject({
      username: "ann",
      password: SECRET,
    });
    expect(made.stderr.text + made.stdout.text).not.toContain("secret");
    expect(made.stdout.text).toBe("Login Succeeded\n");
    // The terminal's own echo is off while the password is typed, and on again in the end.
    expect(keys.raw.at(-1)).toBe(false);
    expect(keys.raw).toContain(true);
  });

  it("asks only for the password of -u", async () => {
    const { keys, made, asked, status } = await interactive([
      "login",
      "-u",
      "ann",
    ]);
    await type(made, keys, "Password: ", `${SECRET}\r`);
    expect(await status).toBe(0);
    expect(made.stderr.text).not.toContain("Username");
    expect(asked).toHaveLength(1);
  });

  it.each(["Username: ", "Password: "])("takes no empty %s", async (at) => {
    const { keys, made, asked, status } = await interactive(["login"]);
    if (at === "Password: ") await type(made, keys, "Username: ", "ann\r");
    await type(made, keys, at, "\r");
    expect(await status).toBe(2);
    expect(asked).toEqual([]);
  });

  it("ends with Ctrl-C", async () => {
    const { keys, made, asked, status } = await interactive([
      "login",
      "-u",
      "ann",
    ]);
    await type(made, keys, "Password: ", "half\x03");
    expect(await status).toBe(130);
    expect(asked).toEqual([]);
    expect(keys.raw.at(-1)).toBe(false);
  });

  it("ends with SIGTERM", async () => {
    const { made, asked, status } = await interactive(["login", "-u", "ann"]);
    await expect.poll(() => made.stderr.text).toContain("Password: ");
    made.signals.emit("SIGTERM");
    expect(await status).toBe(143);
    expect(asked).toEqual([]);
  });

  it("ends with Ctrl-D", async () => {
    const { keys, made, asked, status } = await interactive(["login"]);
    await type(made, keys, "Username: ", "\x04");
    expect(await status).toBe(1);
    expect(asked).toEqual([]);
  });
});

describe("tpull logout", () => {
  function logout(removed: boolean) {
    return async (server: string | undefined, options?: LogoutOptions) => {
      const name = server ?? "https://index.docker.io/v1/";
      if (removed) options?.onFound?.(name);
      return { server: name, removed };
    };
  }

  it("says docker's words", async () => {
    const gone = await tpull(["logout", "reg.test"], {
      login: { logout: logout(true) },
    });
    expect([gone.status, gone.out]).toEqual([
      0,
      "Removing login credentials for reg.test\n",
    ]);
    const none = await tpull(["logout"], { login: { logout: logout(false) } });
    expect([none.status, none.out]).toEqual([
      0,
      "Not logged in to https://index.docker.io/v1/\n",
    ]);
  });
});

describe("the program", () => {
  const users = { ann: SECRET };

  function environment(home: CredentialHome) {
    return { env: { ...home.env, PATH: home.env["PATH"] ?? "" } };
  }

  it("is refused with 1, and shows no secret", async () => {
    const home = await credentialHome();
    const registry = await serve({ auth: { users, echo: true } });
    const { code, stdout, stderr } = await run(
      "/bin/sh",
      [
        "-c",
        'printf %s "$SECRET" | "$@"',
        "sh",
        process.execPath,
        TPULL,
        "login",
        "-uann",
        "--password-stdin",
        registry.host,
      ],
      { env: { ...environment(home).env, SECRET: "wrong-password" } },
    );
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("UNAUTHORIZED");
    expect(stderr).not.toContain("wrong-password");
  });
});

describeWithPeers("a real terminal", ["python3"], {}, () => {
  it("does not echo the password", async () => {
    const home = await credentialHome();
    const registry = await serve({ auth: { users: { ann: SECRET } } });
    const steps = [
      ["Username: ", "ann\n"],
      ["Password: ", `${SECRET}\n`],
    ];
    const { stdout } = await run(
      requirePeer("python3"),
      [
        join(import.meta.dirname, "../helpers/terminal.py"),
        JSON.stringify(steps),
        process.execPath,
        TPULL,
        "login",
        registry.host,
      ],
      {
        env: { ...home.env, PATH: process.env["PATH"] ?? "", TERM: "xterm" },
      },
    );
    expect(stdout).toContain("Login Succeeded");
    expect(stdout).toMatch(/status 0\s*$/);
    expect(stdout).toContain("ann");
    expect(stdout).not.toContain("secret");
    const { auths } = JSON.parse(await home.readConfig());
    expect(Object.keys(auths)).toEqual([registry.host]);
  });
});
