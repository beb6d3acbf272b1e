/** Sessions in processes of their own. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { WriteOptions } from "#store/index.js";
import type { FakeImage } from "./images.js";

const CHILD = join(import.meta.dirname, "child.mjs");

export interface Said {
  readonly event: string;
  readonly code?: string;
  readonly message?: string;
  readonly count?: number;
  readonly operation?: Operation;
  /** What a function of the store returned. */
  readonly result?: unknown;
}

/** A call that changed the filesystem or flushed it, as intercept.mjs tells it. */
export type Operation =
  | { readonly op: "mkdir" | "create" | "remove"; readonly path: string }
  | { readonly op: "write"; readonly path: string; readonly data: string }
  | {
      readonly op: "rename" | "exchange";
      readonly from: string;
      readonly to: string;
    }
  | { readonly op: "symlink"; readonly path: string; readonly target: string }
  | { readonly op: "flush"; readonly path: string }
  | { readonly op: "flushAll" };

export interface JobOptions {
  /** A function of the store to be called with it and these arguments, instead of a pull. */
  readonly manage?: {
    readonly call: "tagImage" | "removeImages" | "prune" | "pruneLeftovers";
    readonly args: readonly unknown[];
  };
  /** Pulls, and makes the call after each pull, so many times. */
  readonly rounds?: number;
  readonly hold?: "begun" | "keeping" | "staged" | "committed";
  /** Ends the session normally at this point, without an image. */
  readonly fail?: "staged" | "committed";
  /** SIGKILL before the n-th call that changes what is where in the filesystem, counted from 1. */
  readonly killAt?: number;
  /** Where the count begins; default `start`. `end` is when the session is over and cleans up. */
  readonly killFrom?: "start" | "end";
  /** Says every {@link Operation}. */
  readonly record?: boolean;
  /** What the session sweeps; see `WriteOptions`. */
  readonly leftovers?: WriteOptions["leftovers"];
  /** Contents of blobs that the session keeps, before it commits anything. */
  readonly blobs?: readonly string[];
  /** How much it may keep; see `WriteOptions`. */
  readonly keptBlobs?: WriteOptions["keptBlobs"];
  /** Keeps what is done when it fails. */
  readonly keep?: boolean;
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
