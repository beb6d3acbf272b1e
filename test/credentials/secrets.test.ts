/**
 * No secret comes out, whatever is done to it: servers that repeat what they
 * were sent, helpers that print it, refusals, trouble, broken files.
 */
import { login, logout, pullAll } from "#src/index.js";
import type { PullEvent } from "#src/events.js";
import { afterAll, describe, expect, test } from "vitest";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import type { TokenServerOptions } from "../helpers/token-server.js";
import {
  credentialHome,
  type CredentialHome,
} from "../helpers/credential-home.js";
import { run } from "../helpers/run.js";
import { TPULL } from "../helpers/tpull-cli.js";
import { noise, serve } from "../registry/client.js";

const PASSWORD = 'hush&hush "pässword"/+?=';
const IDENTITY = "hush-identity/token+=&x";
const REGISTRY_TOKEN = "hush-registry-token";
const USER = "ann";

/** Every way in which a secret may be written. */
function forms(secret: string): string[] {
  return [
    secret,
    encodeURIComponent(secret),
    new URLSearchParams({ a: secret }).toString().slice(2),
    JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString("base64"),
    Buffer.from(`${USER}:${secret}`).toString("base64"),
    Buffer.from(`:${secret}`).toString("base64"),
  ];
}

const FORBIDDEN = [PASSWORD, IDENTITY, REGISTRY_TOKEN].flatMap(forms);
/** Of the tokens that the token server gives out. */
const GIVEN_TOKEN = /token-\d+-s{20}/;

const AUTHS = {
  password: { auth: Buffer.from(`${USER}:${PASSWORD}`).toString("base64") },
  identity: { identitytoken: IDENTITY },
  "registry token": { registrytoken: REGISTRY_TOKEN },
  "broken entry": { auth: `${PASSWORD}` },
};

let scenarios = 0;
/** Where a secret did come back, and was taken out. */
let redacted = 0;
afterAll(() => {
  expect(scenarios).toBeGreaterThan(30);
  expect(redacted).toBeGreaterThan(15);
});

/** Text of all that can be seen of something that was thrown. */
function everythingOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return JSON.stringify(thrown);
  const { message, stack, cause } = thrown;
  const fields = JSON.stringify({ ...thrown, json: thrown });
  const below = cause === undefined ? "" : everythingOf(cause);
  return [message, stack, fields, below].join("\n");
}

function check(said: string): void {
  scenarios += 1;
  if (said.includes("REDACTED")) redacted += 1;
  expect(said.length).toBeGreaterThan(0);
  for (const secret of FORBIDDEN) expect(said).not.toContain(secret);
  expect(said).not.toMatch(GIVEN_TOKEN);
  // Whatever else is left of them would show one of these words.
  expect(said).not.toMatch(/hush/i);
}

async function place(auth: TokenServerOptions): Promise<{
  home: CredentialHome;
  registry: FaultRegistry;
  reference: string;
}> {
  const home = await credentialHome();
  const registry = await serve({ auth: { echo: true, ...auth } });
  registry.addImage("team/app", "1.0", [noise(1000)]);
  return { home, registry, reference: `${registry.host}/team/app:1.0` };
}

/** The same pull three times: by the function, by the command in plain, by the command in JSON. */
async function pulled(
  home: CredentialHome,
  reference: string,
): Promise<string> {
  const said: string[] = [];
  const events: PullEvent[] = [];
  const before = { ...process.env };
  Object.assign(process.env, home.env);
  try {
    const result = await pullAll([reference], {
      root: home.in("root"),
      registry: { retry: { baseMs: 1, maxMs: 2, retries: 1 } },
      onEvent: (event) => events.push(event),
    }).catch(everythingOf);
    said.push(JSON.stringify(result), JSON.stringify(events));
  } finally {
    process.env = before;
  }
  for (const mode of ["plain", "json"]) {
    const { stdout, stderr } = await run(
      process.execPath,
      [TPULL, "--progress", mode, "--root", home.in("root"), reference],
      { env: { ...home.env, TPULL_DEBUG: "1" } },
    );
    said.push(stdout, stderr);
  }
  return said.join("\n");
}

const SERVERS: Record<string, TokenServerOptions> = {
  "tokens for it": {
    users: { [USER]: PASSWORD, "": IDENTITY },
    identityTokens: [IDENTITY],
  },
  "tokens, no right": {
    users: { [USER]: PASSWORD, "": IDENTITY },
    identityTokens: [IDENTITY],
    grant: () => [],
  },
  "tokens for others": { users: { bob: "other" } },
  "tokens by GET only": { users: { bob: "other" }, postStatus: 404 },
  "Basic for it": { users: { [USER]: PASSWORD }, basic: true },
  "Basic for others": { users: { bob: "other" }, basic: true },
};

describe.each(Object.entries(SERVERS))("%s", (_server, auth) => {
  test.each(Object.entries(AUTHS))("%s", async (_kind, entry) => {
    const { home, registry, reference } = await place(auth);
    await home.config({ auths: { [registry.host]: entry } });
    check(await pulled(home, reference));
  });
});

describe("a registry that repeats the token", () => {
  test.each<[string, Record<string, string>]>([
    ["in a warning", { warning: '299 - "you sent AUTHORIZATION"' }],
    ["as the type of a page", { "content-type": "text/html; AUTHORIZATION" }],
    ["as a limit", { "ratelimit-remaining": "AUTHORIZATION" }],
  ])("%s", async (_name, headers) => {
    const { home, registry, reference } = await place({
      users: { [USER]: PASSWORD },
      basic: true,
    });
    await home.config({ auths: { [registry.host]: AUTHS.password } });
    let echoed = 0;
    registry.faults.push({
      on: { path: /manifests/ },
      times: 99,
      do: "answer",
      answer: (request, response) => {
        const { authorization } = request.headers;
        if (authorization === undefined) {
          response.writeHead(401, { "www-authenticate": "Basic realm=x" });
        } else {
          echoed += 1;
          const entries = Object.entries(headers).map(([name, value]) => [
            name,
            value.replace("AUTHORIZATION", authorization),
          ]);
          response.writeHead(403, Object.fromEntries(entries));
        }
        response.end();
      },
    });
    check(await pulled(home, reference));
    expect(echoed).toBeGreaterThan(0);
  });
});

describe("helpers", () => {
  test.each([
    ["print it and fail", `echo '${PASSWORD}'; echo '${PASSWORD}' >&2; exit 1`],
    ["print it as it is", `echo '${PASSWORD}'`],
    [
      "trace what they do",
      `set -x; echo '{"Username":"ann","Secret":"${IDENTITY}"}'`,
    ],
  ])("that %s", async (_name, script) => {
    const { home, reference, registry } = await place({
      users: { bob: "other" },
    });
    await home.helper("loud", script);
    await home.config({ credsStore: "loud" });
    const thrown = await login(registry.host, {
      username: "bob",
      password: "other",
      env: home.env,
    }).catch(everythingOf);
    check(JSON.stringify(thrown));
    check(await pulled(home, reference));
    check(
      JSON.stringify(
        await logout(registry.host, { env: home.env }).catch(everythingOf),
      ),
    );
  });
});

describe("files that cannot be read", () => {
  test.each([
    ["not JSON", `{"auths": {"x": {"auth": "${PASSWORD}`],
    [
      "a password where an object should be",
      JSON.stringify({ auths: PASSWORD }),
    ],
    ["a password instead of it all", JSON.stringify(PASSWORD)],
  ])("%s", async (_name, text) => {
    const { home, reference } = await place({ users: { bob: "other" } });
    await home.config(text);
    home.env["DOCKER_AUTH_CONFIG"] = text;
    check(await pulled(home, reference));
  });
});

describe("log-ins", () => {
  test.each(Object.entries(SERVERS))("%s", async (_server, auth) => {
    const { home, registry } = await place({ ...auth, refreshToken: IDENTITY });
    const warnings: unknown[] = [];
    const result = await login(registry.host, {
      username: USER,
      password: PASSWORD,
      env: home.env,
      onWarning: (warning) => warnings.push(warning),
    }).catch(everythingOf);
    check(JSON.stringify([result, warnings]));
    const { stdout, stderr } = await run(
      "/bin/sh",
      [
        "-c",
        'printf %s "$1" | "$2" "$3" login -u ann --password-stdin "$4"',
        "sh",
        PASSWORD,
        process.execPath,
        TPULL,
        registry.host,
      ],
      { env: home.env },
    );
    check(stdout + stderr);
  });
});

test("the search finds what it is to find", () => {
  for (const secret of FORBIDDEN) {
    expect(() => check(`x ${secret} y`)).toThrow();
  }
  expect(() => check(`token-3-${"s".repeat(20)}`)).toThrow();
});
