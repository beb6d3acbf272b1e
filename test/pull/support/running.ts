/** The command line in processes of their own, whose events can be waited for. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import type { PullEvent, PullResult } from "#src/index.js";
import { childEnv } from "../../helpers/run.js";
import { TPULL } from "../../helpers/tpull-cli.js";

export interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  readonly results: readonly PullResult[];
}

/** A running `tpull`. */
export class RunningPull {
  readonly events: PullEvent[] = [];
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #wake: () => void = () => undefined;
  #over = false;

  constructor(root: string, ...references: string[]) {
    const args = [TPULL, "--root", root, "--progress", "json", ...references];
    this.#child = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: childEnv({ DOCKER_CONFIG: "/nonexistent", TPULL_ROOT: "" }),
    });
    this.ended = this.#end();
    onTestFinished(() => this.kill());
  }

  async #end(): Promise<Ended> {
    const { stdout, stderr } = this.#child;
    let complaints = "";
    stderr?.setEncoding("utf8").on("data", (text) => (complaints += text));
    const lines = createInterface({ input: stdout! });
    lines.on("line", (line) => {
      this.events.push(JSON.parse(line) as PullEvent);
      this.#wake();
    });
    const [[code]] = (await Promise.all([
      once(this.#child, "close"),
      once(lines, "close"),
    ])) as [[number | null], unknown];
    this.#over = true;
    this.#wake();
    const results = this.events.flatMap((event) =>
      event.type === "result" ? [event.result] : [],
    );
    return { code, stderr: complaints, results };
  }

  /** Resolves with the first event that fits. */
  async event(fits: (event: PullEvent) => boolean): Promise<PullEvent> {
    for (;;) {
      const found = this.events.find(fits);
      if (found !== undefined) return found;
      if (this.#over) throw new Error(JSON.stringify(this.events));
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** SIGKILL, unless it has ended. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  interrupt(): void {
    this.#child.kill("SIGINT");
  }
}
