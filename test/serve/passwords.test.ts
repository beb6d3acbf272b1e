import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { memoryContent } from "#src/serve/memory-content.js";
import {
  nobodyAmong,
  passwordDoor,
  readHtpasswd,
  type Passwords,
} from "#src/serve/passwords.js";
import { errorOf, serve, type TestRegistry } from "./registry.js";

/** `secret`, as `htpasswd -B` writes it with a cost of 4. */
const SECRET = "$2y$04$UCIH/zzOFM/9yO7cplTGI.rf0XFzbygWrZVZV7H3jE7snmfKbudNG";

let folder: string;
let path: string;
let passwords: Passwords;
let registry: TestRegistry;
let users: (string | undefined)[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tpull-htpasswd-"));
  path = join(folder, "htpasswd");
  await writeFile(path, `# people\n\nalice:${SECRET}\r\nbob:${SECRET}\n`);
  passwords = passwordDoor(await readHtpasswd(path));
  users = [];
  registry = await serve(memoryContent(), {
    doorkeeper: passwords.doorkeeper,
    onEnd: ({ user }) => users.push(user),
  });
});

afterAll(async () => {
  await registry.close();
  await passwords.close();
  await rm(folder, { recursive: true });
});

const basic = (text: string) => ({
  Authorization: `Basic ${Buffer.from(text).toString("base64")}`,
});

describe("who may come in", () => {
  it("has to give a name and the right password", async () => {
    for (const headers of [
      {},
      basic("alice:wrong"),
      basic("alice:"),
      basic("alice"),
      basic("nobody:secret"),
      basic(":secret"),
      { Authorization: "Bearer secret" },
      { Authorization: "Basic !!!" },
    ]) {
      const reply = await registry.send("GET", "/v2/", headers);
      expect(reply.status, JSON.stringify(headers)).toBe(401);
      expect(reply.headers["www-authenticate"]).toMatch(/^Basic realm=/);
      expect(errorOf(reply).code).toBe("UNAUTHORIZED");
    }
    for (const user of ["alice", "bob", "alice"]) {
      const headers = basic(`${user}:secret`);
      expect((await registry.send("GET", "/v2/", headers)).status).toBe(200);
      expect(users.at(-1)).toBe(user);
    }
    // A password that was right before does not make another one right.
    const wrong = await registry.send("GET", "/v2/", basic("alice:secret2"));
    expect(wrong.status).toBe(401);
  });

  it("is asked for everything", async () => {
    for (const target of ["/", "/v2/_catalog", "/v2/x/tags/list", "/v2/X/"]) {
      expect((await registry.send("GET", target)).status).toBe(401);
      expect((await registry.send("PUT", target)).status).toBe(401);
    }
  });

  it("is told apart by nobody: a name that is not there takes as long as one that is", () => {
    const of = (cost: string) => `$2y$${cost}${SECRET.slice(6)}`;
    const only = nobodyAmong(new Map([["alice", of("04")]]));
    for (const name of ["x", "y", "z"]) {
      expect(only(name)).toMatch(/^\$2b\$04\$[./A-Za-z0-9]{53}$/);
    }
    const several = nobodyAmong(
      new Map(["04", "05", "12"].map((cost) => [cost, of(cost)])),
    );
    const costs = Array.from({ length: 100 }, (_, at) => several(`${at}`));
    expect(new Set(costs.map((hash) => hash.slice(4, 6)))).toEqual(
      new Set(["04", "05", "12"]),
    );
    expect(several("7")).toBe(several("7"));
  });

  it("gets in while somebody else guesses at the same address", async () => {
    const users = new Map([["alice", SECRET]]);
    const door = passwordDoor(users);
    const server = await serve(memoryContent(), {
      doorkeeper: door.doorkeeper,
    });
    const statusOf = async (text: string): Promise<number> => {
      const reply = await fetch(`${server.url}/v2/`, { headers: basic(text) });
      await reply.arrayBuffer();
      return reply.status;
    };
    const guesses = Array.from({ length: 80 }, (_, at) =>
      statusOf(`nobody:guess ${at}`),
    );
    // As many at once as a client may begin with, of which none has been let in yet.
    const own = Array.from({ length: 20 }, () => statusOf("alice:secret"));
    expect(new Set(await Promise.all(own))).toEqual(new Set([200]));
    expect(await Promise.all(guesses)).toContain(429);
    await server.close();
    await door.close();
  });

  it("is no more in the way once it has hung up", async () => {
    const users = new Map([["alice", SECRET.replace("$04$", "$12$")]]);
    const door = passwordDoor(users);
    const server = await serve(memoryContent(), {
      doorkeeper: door.doorkeeper,
    });
    const { hostname, port } = new URL(server.url);
    const sockets = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const socket = connect(Number(port), hostname);
        await once(socket, "connect");
        const { Authorization } = basic(`alice:guess ${at}`);
        socket.write(
          `GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${Authorization}\r\n\r\n`,
        );
        return socket;
      }),
    );
    const status = async (guess: string): Promise<number> =>
      (await server.send("GET", "/v2/", basic(`alice:${guess}`))).status;
    await vi.waitUntil(async () => (await status("one more")) === 429);
    for (const socket of sockets) socket.resetAndDestroy();
    await delay(50);
    expect(await status("another")).toBe(401);
    await server.close();
    await door.close();
  });

  it("is turned away when too many are being looked at", async () => {
    const door = passwordDoor(new Map([["alice", SECRET]]));
    const server = await serve(memoryContent(), {
      doorkeeper: door.doorkeeper,
    });
    const replies = await Promise.all(
      Array.from({ length: 100 }, async (_, at) =>
        fetch(`${server.url}/v2/`, { headers: basic(`alice:guess ${at}`) }),
      ),
    );
    const statuses = replies.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    expect(
      replies.find((one) => one.status === 429)?.headers.get("retry-after"),
    ).toBe("5");
    await Promise.all(replies.map((reply) => reply.arrayBuffer()));
    await server.close();
    await door.close();
  });
});

describe("an htpasswd file", () => {
  const other = join(tmpdir(), `tpull-htpasswd-${process.pid}`);
  it.each([
    ["md5", "alice:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", /line 1.*bcrypt/],
    [
      "sha1",
      `alice:${SECRET}\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=`,
      /line 2/,
    ],
    ["a word", "alice:secret", /line 1/],
    ["no user", `:${SECRET}`, /line 1/],
    ["nobody", "# nobody\n", /no user/],
  ])("with %s is refused, and nothing of it is shown", async (_, text, why) => {
    await writeFile(other, text);
    const refused = readHtpasswd(other);
    await expect(refused).rejects.toMatchObject({
      code: "HTPASSWD_INVALID",
      message: expect.stringMatching(why) as string,
    });
    await expect(refused).rejects.not.toThrow(/secret|apr1|SHA/);
    await rm(other);
  });

  it("that cannot be read is refused", async () => {
    await expect(readHtpasswd("/nonexistent/x")).rejects.toMatchObject({
      code: "HTPASSWD_INVALID",
    });
  });
});
