/** Sessions in processes of their own. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { FakeImage } from "./images.js";

const CHILD = join(import.meta.dirname, "child.mjs");

export interface Said {
  readonly event: string;
  readonly code?: string;
  readonly message?: string;
  readonly count?: number;
  readonly calls?: number;
}

export interface JobOptions {
  readonly hold?: "begun" | "staged" | "committed";
  /** Ends the session normally at this point, without an image. */
  readonly fail?: "staged" | "committed";
  /**
   * SIGKILL before the n-th call that changes the filesystem, counted from 1;
   * in a session that is to fail, from that point on.
   */
  readonly killAt?: number;
  readonly umask?: number;
  readonly user?: number;
  /** Put before node: `unshare -m …`. */
  readonly wrapper?: readonly string[];
}

export class ChildSession {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #said: Said[] = [];
  readonly #ended: Promise<void>;
  #wake: (() => void) | undefined;

  constructor(root: string, image: FakeImage, options: JobOptions = {}) {
    const { user, wrapper = [], ...rest } = options;
    const job = { root, ...image, ...rest };
    const [command = "", ...args] = [
      ...wrapper,
      process.execPath,
      CHILD,
      JSON.stringify(job),
    ];
    this.#child = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      ...(user === undefined ? {} : { uid: user, gid: user }),
    });
    this.#child.stdin.on("error", () => undefined);
    let complaints = "";
    this.#child.stderr.on("data", (text: Buffer) => {
      complaints += text.toString();
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.#said.push(JSON.parse(line) as Said);
      this.#wake?.();
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on("close", () => {
        if (complaints !== "") {
          this.#said.push({ event: "crash", message: complaints });
        }
        resolve();
        this.#wake?.();
      });
    });
  }

  /** Waits until the child has said this. */
  async saying(event: string): Promise<Said> {
    let over = false;
    void this.#ended.then(() => (over = true));
    for (;;) {
      const found = this.#said.find((said) => said.event === event);
      if (found !== undefined) return found;
      if (over) {
        throw new Error(`never "${event}": ${JSON.stringify(this.#said)}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        void this.#ended.then(resolve);
      });
    }
  }

  /** Lets a held child go on. */
  release(): void {
    this.#child.stdin.write("\n");
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Everything it said, once it has ended. */
  async end(): Promise<Said[]> {
    await this.#ended;
    return this.#said;
  }
}

/** Runs a session to its end. */
export async function runSession(
  root: string,
  image: FakeImage,
  options: JobOptions = {},
): Promise<Said[]> {
  return await new ChildSession(root, image, options).end();
}
