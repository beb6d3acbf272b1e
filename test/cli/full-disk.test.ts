// Answers that cannot be written: the status must say so.
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { run } from "../helpers/run.js";
import { TPULL } from "../helpers/tpull-cli.js";
import { newRoot } from "../store/support/roots.js";

describe.runIf(existsSync("/dev/full"))("standard output that is full", () => {
  it.each([
    "images",
    "df",
    "prefetch --json localhost:1/x",
    "--version",
    "--help",
    "completion bash",
  ])("is a failure of tpull %s", async (command) => {
    const root = await newRoot();
    const options = /^-|completion/.test(command) ? "" : '--root "$2"';
    const line = `"$0" "$1" ${command} ${options} >/dev/full`;
    const args = ["-c", line, process.execPath, TPULL, root];
    const { code, stderr } = await run("/bin/sh", args);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^tpull: cannot write to stdout: ENOSPC/m);
  });
});
