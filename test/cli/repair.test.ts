// `tpull verify --repair` from argv to what is printed, and the question before something goes.
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { main } from "#src/cli/main.js";
import type { CliInput } from "#src/cli/prompt.js";
import { loadAnswer } from "#src/cli/run-answer.js";
import { chainIdsOf } from "../helpers/image-builder.js";
import { storedLayers } from "../helpers/store/data-root.js";
import { smallImage } from "../pull/support/layers.js";
import { publish, pulling, serve } from "../pull/support/pulls.js";
import { newRoot } from "../store/support/roots.js";
import { FakeStream, fakes } from "./fake-context.js";

const IMAGE = smallImage(["a", "b"]);
const ORPHAN = "d".repeat(64);

/** A keyboard, and what is typed on it as soon as the question is on the screen. */
function keyboard(): PassThrough & CliInput {
  return Object.assign(new PassThrough(), {
    isTTY: true as const,
    setRawMode: () => undefined,
  });
}

async function pulled(): Promise<{ root: string; host: string }> {
  const registry = await serve();
  const root = await newRoot();
  const { failures } = await pulling(publish(registry, "app:1", IMAGE), {
    root,
  });
  expect(failures).toEqual([]);
  return { root, host: registry.host };
}

async function run(
  argv: string[],
  typed?: string,
): Promise<{ status: number; out: string; err: string }> {
  const made = fakes({ loadAnswer });
  const stderr = new FakeStream(typed !== undefined);
  const keys = keyboard();
  const running = main(argv, {
    ...made.context,
    stderr,
    ...(typed === undefined ? {} : { stdin: () => keys }),
  });
  if (typed !== undefined) {
    await expect
      .poll(() => stderr.text, { timeout: 20_000 })
      .toContain("[y/N]");
    keys.write(typed);
  }
  const status = await running;
  return { status, out: made.stdout.text, err: stderr.text };
}

function litter(root: string): string {
  const orphan = join(root, "overlay2", ORPHAN);
  mkdirSync(join(orphan, "diff"), { recursive: true });
  return orphan;
}

describe.skipIf(process.platform !== "linux")("tpull verify --repair", () => {
  it("tells of each step, and ends with a verdict", async () => {
    const { root, host } = await pulled();
    const layers = await storedLayers(root);
    const [base, top] = chainIdsOf(IMAGE).map((chain) =>
      layers.get(chain.slice(7))!,
    );
    rmSync(join(top!.folder, "work"), { recursive: true });
    rmSync(base!.record, { recursive: true });
    const { status, out } = await run(["verify", "--repair", "--root", root]);
    expect(out).toContain(
      `rebuilt   overlay2/${top!.cacheId.slice(0, 12)}…/work\n`,
    );
    const { digest, size } = IMAGE.layers[0]!;
    expect(out).toContain(
      `fetched   overlay2/${base!.cacheId.slice(0, 12)}…  (from ${host}/app@${digest.slice(0, 19)}…, ${size}B)\n`,
    );
    expect(out).toMatch(
      /\nrepaired: \d findings, \d steps, .* fetched; nothing is wrong any more\n$/,
    );
    expect(status).toBe(0);
  });

  it.each([
    ["y\r", true],
    ["yes\r", true],
    ["n\r", false],
    ["\r", false],
    ["yellow\r", false],
  ])("asks, and takes %j for an answer", async (typed, goes) => {
    const { root } = await pulled();
    const orphan = litter(root);
    const { status, err } = await run(
      ["verify", "--repair", "--root", root],
      typed,
    );
    expect(err).toContain("Nothing needs this:\n");
    expect(existsSync(orphan)).toBe(!goes);
    expect(status).toBe(goes ? 0 : 1);
  });

  it("is stopped by Ctrl-C at the question, and leaves what was asked about", async () => {
    const { root } = await pulled();
    const orphan = litter(root);
    const { status, err } = await run(
      ["verify", "--repair", "--root", root],
      "\u0003",
    );
    expect(status).toBe(130);
    expect(err).toContain("tpull: interrupted\n");
    expect(existsSync(orphan)).toBe(true);
  });

  it("leaves what nobody can be asked about, says so, and takes --yes for an answer", async () => {
    const { root } = await pulled();
    const orphan = litter(root);
    const asking = await run(["verify", "--repair", "--root", root]);
    expect(asking.status).toBe(1);
    expect(asking.out).toContain("stays: nobody was asked whether it may go\n");
    expect(asking.out).toMatch(
      /not all is repaired: 1 of 1 finding is left\n$/,
    );
    expect(asking.err).toContain("--yes");
    expect(existsSync(orphan)).toBe(true);
    const told = await run(["verify", "--repair", "--yes", "--root", root]);
    expect(told.status).toBe(0);
    expect(existsSync(orphan)).toBe(false);
  });

  it("says with --dry-run what it would do, and does nothing", async () => {
    const { root } = await pulled();
    const orphan = litter(root);
    const argv = ["verify", "--repair", "--dry-run", "--root", root];
    const { status, out } = await run(argv);
    expect(out).toContain("would remove   overlay2/dddddddddddd…");
    expect(out).toMatch(/1 finding, 1 step to take; nothing was changed\n$/);
    expect(status).toBe(1);
    expect(existsSync(orphan)).toBe(true);
  });

  it("prints one JSON document", async () => {
    const { root } = await pulled();
    litter(root);
    writeFileSync(join(root, "tmp-note"), "");
    const argv = ["verify", "--repair", "--json", "--yes", "--root", root];
    const { status, out } = await run(argv);
    expect(status).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      root,
      dryRun: false,
      found: [{ code: "OVERLAY_ORPHAN", path: `overlay2/${ORPHAN}` }],
      steps: [{ action: "removed", path: `overlay2/${ORPHAN}` }],
      left: [],
      bytesFetched: 0,
    });
  });

  it("tells events, one a line", async () => {
    const { root } = await pulled();
    litter(root);
    const argv = ["verify", "--repair", "--progress=json", "--root", root];
    const { status, out } = await run(argv);
    expect(status).toBe(1);
    const events = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string })
      .filter(({ type }) => type !== "progress");
    expect(events).toMatchObject([
      { type: "finding", code: "OVERLAY_ORPHAN", remedy: "remove" },
      { type: "summary", sound: false, steps: 0, left: 1, bytesFetched: 0 },
    ]);
  });

  it("has nothing to say with -q when all is repaired", async () => {
    const { root } = await pulled();
    litter(root);
    const argv = ["verify", "--repair", "--yes", "-q", "--root", root];
    expect(await run(argv)).toEqual({ status: 0, out: "", err: "" });
  });
});
