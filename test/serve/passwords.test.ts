import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryContent } from "#src/serve/memory-content.js";
import {
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
