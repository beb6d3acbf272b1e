import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseCommandLine } from "#src/cli/args.js";
import { processContext } from "#src/cli/context.js";
import { headStart } from "#src/cli/head-start.js";

/** How many threads a command line would have started. */
function startedBy(...argv: string[]): number[] {
  const started: number[] = [];
  headStart(parseCommandLine(argv), processContext(), (count) => {
    started.push(count);
  });
  return started;
}

function rootWith(...names: string[]): string {
  const root = mkdtempSync(join(tmpdir(), "tpull-head-start-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "image/overlay2"), { recursive: true });
  const named = Object.fromEntries(names.map((name) => [name, "sha256:0"]));
  writeFileSync(
    join(root, "image/overlay2/repositories.json"),
    JSON.stringify({ Repositories: { any: named } }),
  );
  return root;
}

const onLinux = process.platform === "linux";

test
  .runIf(onLinux)
  .each([
    ["nginx"],
    ["docker.io/library/nginx:latest"],
    ["nginx:latest", "10.0.0.5:5000/debian:10"],
  ])("nothing is started for what is there: %s", (...images) => {
  const root = rootWith("nginx:latest", "10.0.0.5:5000/debian:10");
  expect(startedBy("--root", root, ...images)).toEqual([]);
});

test.runIf(onLinux).each([["nginx:1.27"], ["nginx", "redis"], ["inx"]])(
  "threads are started for what is not there: %s",
  (...images) => {
    const root = rootWith("nginx:latest");
    expect(startedBy("--root", root, "--concurrency", "1", ...images)).toEqual([
      1,
    ]);
  },
);

test("other commands start none", () => {
  expect(startedBy("images")).toEqual([]);
  expect(startedBy("plan", "nginx")).toEqual([]);
});
