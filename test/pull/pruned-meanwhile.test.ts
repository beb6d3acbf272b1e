// Pulls while another process removes whatever it may: every pull comes to its
// end, and what is left is whole.
import { describe, expect, it } from "vitest";
import { imageOf, type Image } from "../helpers/image-builder.js";
import { storedReferences } from "../helpers/store/data-root.js";
import { tpull } from "../helpers/tpull-cli.js";
import { newRoot } from "../store/support/roots.js";
import { bigLayer, smallLayer } from "./support/layers.js";
import { publish, serve } from "./support/pulls.js";
import { RunningPull } from "./support/running.js";
import { expectSound } from "./support/stored.js";

const SHARED = [1, 2, 3].map((seed) => bigLayer(120_000, seed));

function images(count: number): Image[] {
  return Array.from({ length: count }, (_, index) =>
    imageOf([
      ...SHARED.slice(0, SHARED.length - (index % 2)),
      smallLayer(`own-${index}`),
    ]),
  );
}

describe.each([
  ["prune -af", ["prune", "-af"]],
  ["rmi", ["rmi", "-f", "app-0:1", "app-1:1"]],
])("%s", (_, [command = "", ...rest]) => {
  it("takes nothing from a pull", { timeout: 120_000 }, async () => {
    const registry = await serve();
    const root = await newRoot();
    const names = images(2).map((image, index) =>
      publish(registry, `app-${index}:1`, image),
    );
    const args = [command, "--root", root].concat(
      rest.map((word) =>
        word.startsWith("app") ? `${registry.host}/${word}` : word,
      ),
    );
    for (let round = 0; round < 4; round += 1) {
      const pulls = names.map((name) => new RunningPull(root, name));
      const state = { over: false };
      const ended = Promise.all(pulls.map((pull) => pull.ended));
      void ended.then(() => (state.over = true));
      let removals = 0;
      while (!state.over) {
        const { code, stderr } = await tpull(args);
        expect({
          code,
          stderr: stderr.replace(/^.*NOT_FOUND.*\n.*\n/gm, ""),
        }).toEqual({ code: 0, stderr: "" });
        removals += 1;
      }
      expect(removals).toBeGreaterThan(0);
      for (const { code, stderr, results } of await ended) {
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
        expect(results).toHaveLength(1);
      }
      await expectSound(root);
    }
    // Alone, a pull leaves its image.
    for (const name of names) {
      const { code, stderr } = await tpull(["--root", root, name]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect((await storedReferences(root)).has(name)).toBe(true);
    }
    await expectSound(root);
  });
});
