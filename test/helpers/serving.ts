/** A running `tpull serve`, as a process of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { childEnv, type RunOptions } from "./run.js";
import { TPULL } from "./tpull-cli.js";

export class Serving {
  /** As it stands in references. */
  readonly host: string;
  readonly url: string;
  readonly metricsUrl: string | undefined;
  readonly child: ChildProcess;
  readonly #said: { err: string };

  private constructor(
    url: string,
    metricsUrl: string | undefined,
    child: ChildProcess,
    said: { err: string },
  ) {
    this.url = url;
    this.host = url.replace(/^https?:\/\//, "");
    this.metricsUrl = metricsUrl;
    this.child = child;
    this.#said = said;
  }

  /** Starts it on a free port, unless the arguments say otherwise, and waits for the line that says where it is. */
  static async start(
    args: readonly string[],
    env: Record<string, string> = {},
    within: RunOptions["within"] = [],
  ): Promise<Serving> {
    const listen = args.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
    const tpull = [process.execPath, TPULL, "serve", ...listen, ...args];
    const [program, ...words] = [...within, ...tpull];
    const child = spawn(program!, words, {
      env: childEnv({ TPULL_ROOT: "", ...env }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said = { err: "" };
    let out = "";
    child.stderr?.setEncoding("utf8").on("data", (text) => (said.err += text));
    child.stdout?.setEncoding("utf8");
    const exited = once(child, "exit").then(([code]) => {
      throw new Error(`tpull serve ended with ${code}:\n${said.err}`);
    });
    exited.catch(() => {});
    while (!out.includes("Serving on ")) {
      const [text] = (await Promise.race([
        once(child.stdout!, "data"),
        exited,
      ])) as [string];
      out += text;
    }
    const url = /^Serving on (.*)$/m.exec(out)?.[1] ?? "";
    const metricsUrl = /^Metrics on (.*)$/m.exec(out)?.[1];
    return new Serving(url, metricsUrl, child, said);
  }

  /** What it has said on stderr. */
  get log(): string {
    return this.#said.err;
  }

  /** Asks it to end, and waits. @returns the exit status */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, "close");
  }
}
