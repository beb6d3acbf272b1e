/**
 * Who may come in: Basic authentication (RFC 7617) against an htpasswd file.
 * Only bcrypt hashes are taken, as docker's registry does: the others that
 * `htpasswd` can write are quickly guessed.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { Worker } from "node:worker_threads";
import { TpullError } from "../../store/index.js";
import type { Doorkeeper } from "./handler.js";
import type { PasswordQuestion } from "./password-worker.js";
import { Refusal } from "./refusal.js";

const BCRYPT = /^\$2[aby]?\$\d\d\$[./A-Za-z0-9]{53}$/;
/** Compared when nobody has that name, so that it takes the same time; no password has this hash. */
const NOBODY = "$2b$10$CwTycUXWue0Thq9StjUM0uJ8gSNJ8gSNJ8gSNJ8gSNJ8gSNJ8gSNu";
/** Questions that wait for the thread; it takes about 50 ms for one. */
const MOST_WAITING = 64;
/** Right passwords that are remembered, so that a pull's requests cost one comparison. */
const MOST_REMEMBERED = 1024;

/**
 * Reads an htpasswd file: `user:hash` a line, with blank lines and `#` comments.
 * @throws TpullError `HTPASSWD_INVALID`
 */
export async function readHtpasswd(path: string): Promise<Map<string, string>> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw invalid(`${path} cannot be read: ${(cause as Error).message}`, cause);
  }
  const users = new Map<string, string>();
  for (const [at, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const colon = line.indexOf(":");
    const user = line.slice(0, Math.max(colon, 0));
    const hash = line.slice(colon + 1);
    // The line itself is a secret: its number has to do.
    if (user === "") throw invalid(`${path} line ${at + 1} is not user:hash`);
    if (!BCRYPT.test(hash)) {
      throw invalid(`${path} line ${at + 1}: the hash is not of bcrypt`);
    }
    users.set(user, hash);
  }
  if (users.size === 0) throw invalid(`${path} names no user`);
  return users;
}

function invalid(message: string, cause?: unknown): TpullError {
  return new TpullError("HTPASSWD_INVALID", message, {
    hint: "'htpasswd -B -c FILE USER' makes such a file.",
    cause,
  });
}

export interface Passwords {
  readonly doorkeeper: Doorkeeper;
  close(): Promise<void>;
}

/** Lets in who gives the password of a user of `users`. */
export function passwordDoor(users: ReadonlyMap<string, string>): Passwords {
  const comparer = new Comparer();
  const key = randomBytes(32);
  /** By user: a keyed hash of the password that was right. */
  const remembered = new Map<string, Buffer>();
  return {
    async doorkeeper(request) {
      const given = credentialsOf(request);
      if (given === undefined) throw unauthorized();
      const { user, password } = given;
      const mark = createHmac("sha256", key).update(password).digest();
      const known = remembered.get(user);
      if (known !== undefined && timingSafeEqual(known, mark)) return user;
      const fits = await comparer.compare(password, users.get(user) ?? NOBODY);
      if (!fits || !users.has(user)) throw unauthorized();
      if (remembered.size >= MOST_REMEMBERED) remembered.clear();
      remembered.set(user, mark);
      return user;
    },
    close: () => comparer.close(),
  };
}

function unauthorized(): Refusal {
  return new Refusal(
    401,
    "UNAUTHORIZED",
    "authentication required",
    {},
    { "WWW-Authenticate": 'Basic realm="tpull", charset="UTF-8"' },
  );
}

function credentialsOf({
  headers,
}: IncomingMessage): { user: string; password: string } | undefined {
  const match = /^basic +([A-Za-z0-9+/_-]+=*) *$/i.exec(
    headers.authorization ?? "",
  );
  if (match === null) return undefined;
  const text = Buffer.from(match[1] ?? "", "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** A thread that is started for the first question. */
class Comparer {
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, (fits: boolean) => void>();
  #questions = 0;

  compare(password: string, hash: string): Promise<boolean> {
    if (this.#waiting.size >= MOST_WAITING) {
      throw new Refusal(
        429,
        "TOOMANYREQUESTS",
        "too many passwords to look at",
        {},
        { "Retry-After": "5" },
      );
    }
    return new Promise((resolve) => {
      const id = ++this.#questions;
      this.#waiting.set(id, resolve);
      const question: PasswordQuestion = { id, password, hash };
      this.#start().postMessage(question);
    });
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL("./password-worker.js", import.meta.url));
    worker.unref();
    worker.on("message", ({ id, fits }: { id: number; fits: boolean }) => {
      this.#waiting.get(id)?.(fits);
      this.#waiting.delete(id);
    });
    const end = (): void => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const settle of this.#waiting.values()) settle(false);
      this.#waiting.clear();
    };
    worker.on("error", end);
    worker.on("exit", end);
    this.#worker = worker;
    return worker;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }
}
