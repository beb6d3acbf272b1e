/**
 * Who may come in: Basic authentication (RFC 7617) against an htpasswd file.
 * Only bcrypt hashes are taken, as docker's registry does: the others that
 * `htpasswd` can write are quickly guessed.
 */
import {
  createHash,
  createHmac,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { TpullError } from "../../store/index.js";
import type { Doorkeeper } from "./handler.js";
import { PasswordComparer } from "./password-comparer.js";
import { Refusal } from "./refusal.js";

const BCRYPT = /^\$2[aby]?\$\d\d\$[./A-Za-z0-9]{53}$/;
/** Salt and hash of no password, to be compared when nobody has that name. */
const NOBODY = "CwTycUXWue0Thq9StjUM0uJ8gSNJ8gSNJ8gSNJ8gSNJ8gSNJ8gSNu";
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
  const comparer = new PasswordComparer();
  const hashOfNobody = nobodyAmong(users);
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
      const { socket } = request;
      const fits = await comparer.compare({
        key: `${mark.toString("hex")} ${user}`,
        user,
        password,
        hash: users.get(user) ?? hashOfNobody(user),
        address: socket.remoteAddress ?? "",
        isGone: () => socket.destroyed,
      });
      if (!fits || !users.has(user)) throw unauthorized();
      if (remembered.size >= MOST_REMEMBERED) remembered.clear();
      remembered.set(user, mark);
      return user;
    },
    close: () => comparer.close(),
  };
}

/**
 * What is compared for a name that nobody has: a hash that takes as long as a
 * user's, so that the time of an answer does not tell names apart. Where users'
 * hashes take different times, each name has that of one of them, always the same.
 */
export function nobodyAmong(
  users: ReadonlyMap<string, string>,
): (name: string) => string {
  const costs = [...users.values()].map((hash) => hash.split("$")[2]);
  const key = createHash("sha256")
    .update([...users.values()].join())
    .digest();
  return (name) => {
    const mark = createHmac("sha256", key).update(name).digest();
    const cost = costs[mark.readUInt32BE() % costs.length] ?? "10";
    return `$2b$${cost}$${NOBODY}`;
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
