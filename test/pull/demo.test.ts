// The embedded demo: an image made on the spot, pulled over a socket, stored and shown.
import { readdir } from "node:fs/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { PullEvent, PullResult } from "#src/index.js";
import { runDemo } from "#src/demo/run.js";
import { removeTree } from "../helpers/run.js";
import { storedLayers } from "../helpers/store/data-root.js";
import { listing, newRoot, temporaryFolder } from "../store/support/roots.js";
import { expectEvents } from "./support/event-schema.js";
import { failureOf } from "./support/pulls.js";
import { expectSound } from "./support/stored.js";

async function demo(root: string) {
  const events: PullEvent[] = [];
  let text = "";
  const status = await runDemo({
    root,
    onEvent: (event) => events.push(event),
    write: (more) => {
      text += more;
    },
  });
  const results = events.flatMap((event) =>
    event.type === "result" ? [event.result] : [],
  );
  return { status, events, text, result: results[0] as PullResult };
}

describe("the demo", () => {
  it("pulls its image and explains what was stored", async () => {
    const root = await newRoot();
    const { status, events, text, result } = await demo(root);
    expect(status).toBe(0);
    expectEvents(events);
    await expectSound(root);

    expect(text).toContain(`$ tpull --root ${root} ${result.reference}\n`);
    const rows = text.split("\n");
    const header = rows.findIndex((row) => row.startsWith("DISTRIBUTION"));
    expect(rows[header]).toMatch(
      /^DISTRIBUTION DIGEST +DIFF ID +CHAIN ID +CACHE-ID +SIZE$/,
    );
    expect(result.layers.length).toBeGreaterThan(2);
    for (const [index, layer] of result.layers.entries()) {
      const { digest, diffId, chainId, cacheId, size } = layer;
      expect(rows[header + 1 + index]?.split(/ +/)).toEqual([
        digest.slice(7, 19),
        diffId.slice(7, 19),
        chainId.slice(7, 19),
        cacheId.slice(0, 12),
        String(size),
      ]);
    }
    for (const row of rows) expect(row.length).toBeLessThanOrEqual(200);

    const tree = rows.slice(rows.indexOf(root));
    expect(tree).toContain("├── image");
    expect(tree.some((row) => row.includes("repositories.json"))).toBe(true);
    expect(tree.some((row) => row.includes("-> ../"))).toBe(true);
    expect(tree.some((row) => row.endsWith("(c 0:0)"))).toBe(true);
    expect(text).not.toContain("Remove it with");
    const stored = await storedLayers(root);
    expect(stored.size).toBe(result.layers.length);
  });

  it("finds its image up to date the second time", async () => {
    const root = await newRoot();
    const first = await demo(root);
    const second = await demo(root);
    // The embedded registry has another port each time, so the name is another.
    expect(second.status).toBe(0);
    expect(second.result.imageId).toBe(first.result.imageId);
    expect(second.result.layers.map(({ source }) => source)).toEqual(
      first.result.layers.map(() => "reused"),
    );
    await expectSound(root);
  });

  it("names the temporary folder that it made", async () => {
    let text = "";
    const status = await runDemo({ write: (more) => (text += more) });
    expect(status).toBe(0);
    const root = /Remove it with: rm -r (\S+)\n$/.exec(text)?.[1] ?? "";
    expect(root).toMatch(/tpull-demo-/);
    await expectSound(root);
    await removeTree(root);
  });

  it("leaves nothing when it is stopped", async () => {
    const root = await newRoot();
    const temporary = await temporaryFolder();
    vi.stubEnv("TMPDIR", temporary);
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    for (const option of [{ root }, {}]) {
      const controller = new AbortController();
      const error = await failureOf(
        runDemo({
          ...option,
          signal: controller.signal,
          onEvent: ({ type }) => {
            if (type === "layers") controller.abort();
          },
          write: () => undefined,
        }),
      );
      expect(error.code).toBe("ABORTED");
    }
    expect(await listing(root)).toEqual([]);
    expect(await readdir(temporary)).toEqual([]);
  });
});
