/** What a process takes: wall time, CPU time, memory. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Readable } from "node:stream";
import { requirePeer } from "../helpers/peers.js";
import { childEnv } from "../helpers/run.js";

export interface Measurement {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** Peak resident memory of the one process that does the work. */
  readonly peakBytes: number;
}

/** Runs a program that has to succeed. @throws Error with what it said otherwise */
export async function measure(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Measurement> {
  const child = spawn(
    requirePeer("python3"),
    [join(import.meta.dirname, "measure.py"), command, ...args],
    { env: childEnv(env), stdio: ["ignore", "pipe", "pipe", "pipe"] },
  );
  const [stdout, stderr, report] = await Promise.all(
    [child.stdout, child.stderr, child.stdio[3] as Readable].map((s) =>
      text(s as Readable),
    ),
  );
  if (report === "") throw new Error(`cannot run ${command}: ${stderr}`);
  const { code, ...measured } = JSON.parse(report!) as Measurement & {
    code: number;
  };
  if (code !== 0)
    throw new Error(
      `${command} ${args.join(" ")}: ${code}\n${stdout}${stderr}`,
    );
  return measured;
}

/** CPU seconds that a running process and its ended children have taken so far. */
export async function cpuSecondsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1");
  // Fields count from behind the name, which may hold anything: utime is 14th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, f) => sum + Number(f), 0);
  return ticks / 100;
}

/** Peak resident memory of a running process in bytes. */
export async function peakBytesOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "latin1");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
