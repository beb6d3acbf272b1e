/** Compares passwords with their hashes in a thread, one at a time, and in a fair order. */
import { isIPv6 } from "node:net";
import { Worker } from "node:worker_threads";
import { FairQueue } from "./fair-queue.js";
import type { PasswordQuestion } from "./password-worker.js";
import { Refusal } from "./refusal.js";

/** One takes about 50 ms, as long as its hash asks for. */
const LIMITS = { ofName: 8, ofAddress: 64, all: 4096 };

export interface Attempt {
  /** Tells attempts with the same name and the same password from others. */
  readonly key: string;
  readonly user: string;
  readonly password: string;
  readonly hash: string;
  /** The client's address; empty where it has none. */
  readonly address: string;
  /** Whether the client has gone away. */
  readonly isGone: () => boolean;
}

interface Waiting {
  readonly attempt: Attempt;
  /** Of all that wait for this answer. */
  readonly isGone: (() => boolean)[];
  readonly answer: Promise<boolean>;
  readonly settle: (fits: boolean) => void;
}

export class PasswordComparer {
  readonly #queue = new FairQueue<Waiting>(
    LIMITS,
    ({ isGone }) => isGone.every((gone) => gone()),
    (waiting) => this.#settle(waiting, false),
  );
  /** By key: a client that begins with many requests at once has one password. */
  readonly #asked = new Map<string, Waiting>();
  #worker: Worker | undefined;
  #comparing: Waiting | undefined;

  /**
   * Whether the password is that of the hash.
   * @throws Refusal `TOOMANYREQUESTS` (429) when too many wait for the same user, or at the same address
   */
  compare(attempt: Attempt): Promise<boolean> {
    const { key, address, user, isGone } = attempt;
    const known = this.#asked.get(key);
    if (known !== undefined && known.attempt.address === address) {
      known.isGone.push(isGone);
      return known.answer;
    }
    let settle = (_fits: boolean): void => {};
    const answer = new Promise<boolean>((resolve) => (settle = resolve));
    const waiting = { attempt, isGone: [isGone], answer, settle };
    if (!this.#queue.add(networkOf(address), user, waiting)) throw tooMany();
    this.#asked.set(key, waiting);
    this.#next();
    return answer;
  }

  #next(): void {
    if (this.#comparing !== undefined) return;
    const next = this.#queue.take();
    this.#comparing = next;
    if (next === undefined) return;
    const { password, hash } = next.attempt;
    const question: PasswordQuestion = { password, hash };
    this.#start().postMessage(question);
  }

  #settle(waiting: Waiting, fits: boolean): void {
    const { key } = waiting.attempt;
    if (this.#asked.get(key) === waiting) this.#asked.delete(key);
    waiting.settle(fits);
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(new URL("./password-worker.js", import.meta.url));
    worker.unref();
    const compared = (fits: boolean): void => {
      const waiting = this.#comparing;
      this.#comparing = undefined;
      if (waiting !== undefined) this.#settle(waiting, fits);
      this.#next();
    };
    worker.on("message", compared);
    const end = (): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      compared(false);
    };
    worker.on("error", end);
    worker.on("exit", end);
    this.#worker = worker;
    return worker;
  }

  /** Whoever still waits is told that it does not fit. */
  async close(): Promise<void> {
    if (this.#comparing !== undefined) this.#settle(this.#comparing, false);
    for (let next = this.#queue.take(); next; next = this.#queue.take()) {
      this.#settle(next, false);
    }
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}

function tooMany(): Refusal {
  return new Refusal(
    429,
    "TOOMANYREQUESTS",
    "too many passwords to look at",
    {},
    { "Retry-After": "5" },
  );
}

/** What one client has: an IPv4 address, or the 64 bits that a provider gives out of IPv6. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+(?:\.\d+){3})$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = address.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from(
    { length: 8 - first.length - last.length },
    () => "0",
  );
  const all = tail === undefined ? first : [...first, ...zeros, ...last];
  return all.slice(0, 4).join(":");
}
