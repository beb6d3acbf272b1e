/** A repair in a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Finding } from "#store/index.js";
import type { Operation } from "../../support/sessions.js";

const CHILD = join(import.meta.dirname, "child.mjs");

export interface RepairJob {
  readonly root: string;
  /** Where blobs are, by their digests. */
  readonly blobs: string;
  readonly findings: readonly Finding[];
  /** SIGKILL before the n-th call that changes what is where in the filesystem, counted from 1. */
  readonly killAt?: number;
  /** False: as if the filesystem could not exchange two names. */
  readonly exchange?: boolean;
  /** Layers at a time. */
  readonly concurrency?: number;
  /** Tells every {@link Operation}. */
  readonly record?: boolean;
}

export interface Ended {
  readonly signal: NodeJS.Signals | null;
  /** Calls that changed what is where; none if it was killed. */
  readonly calls: number;
  readonly operations: readonly Operation[];
  readonly said: string;
}

export async function repairInChild(job: RepairJob): Promise<Ended> {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  const [out, err] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
  ]);
  await closed;
  let calls = 0;
  const operations: Operation[] = [];
  for (const line of out.split("\n")) {
    if (line === "") continue;
    const said = JSON.parse(line) as { calls?: number; operation?: Operation };
    calls = said.calls ?? calls;
    if (said.operation !== undefined) operations.push(said.operation);
  }
  return { signal: child.signalCode, calls, operations, said: out + err };
}
