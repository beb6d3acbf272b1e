// What `tpull verify --repair` says, and what it asks.
import { expect, it } from "vitest";
import { questionText } from "#src/cli/local/removal-question.js";
import {
  leftLines,
  stepLine,
  verdictLine,
} from "#src/cli/local/repair-text.js";
import type { Left } from "#src/repair/repair.js";

const HEX = "0123456789abcdef".repeat(4);
const layer = `overlay2/${HEX}`;

it("tells of each step in a line, with short IDs", () => {
  const line = (step: Parameters<typeof stepLine>[0], dryRun = false) =>
    stepLine(step, dryRun);
  expect(line({ action: "rebuilt", path: `${layer}/lower` })).toBe(
    "rebuilt   overlay2/0123456789ab…/lower",
  );
  expect(
    line({
      action: "fetched",
      path: layer,
      note: `from docker.io/library/nginx@sha256:${HEX}`,
      bytes: 12_345_678,
    }),
  ).toBe(
    "fetched   overlay2/0123456789ab…  (from docker.io/library/nginx@sha256:0123456789ab…, 12.3MB)",
  );
  expect(line({ action: "removed", path: "a\n\u001b[2J" }, true)).toBe(
    "would remove   a \\x1b[2J",
  );
});

const left: Left = {
  code: "TREE_DAMAGED",
  path: `${layer}/diff/bin/x`,
  message: "its content is not that of the archive",
  images: ["nginx:latest"],
};

it("says what is left, and why", () => {
  expect(
    leftLines({
      ...left,
      reason: "it would have to be fetched from a@b",
      sources: ["a@b", "c@d"],
    }),
  ).toBe(
    [
      "TREE_DAMAGED overlay2/0123456789ab…/diff/bin/x: its content is not that of the archive (nginx:latest)",
      "  stays: it would have to be fetched from a@b",
      "  or from c@d",
      "",
    ].join("\n"),
  );
  expect(leftLines(left)).toContain("\n  it means: ");
});

it("ends with a verdict", () => {
  const found = [left, { ...left, code: "FOREIGN_FILE" as const }];
  const step = { action: "rebuilt", path: "x" } as const;
  const done = { steps: [step, step], left: [], bytesFetched: 0 };
  expect(verdictLine(found, done, false)).toBe(
    "repaired: 1 finding, 2 steps; nothing is wrong any more\n",
  );
  const some = { steps: [], left: [left], bytesFetched: 2000 };
  expect(verdictLine([left, left], some, false)).toBe(
    "not all is repaired: 1 of 2 findings is left, 2kB fetched\n",
  );
  const more = { ...some, left: [left, left, left] };
  expect(verdictLine([left], more, false)).toBe(
    "not all is repaired: 3 findings are left, 2kB fetched\n",
  );
  expect(verdictLine(found, { ...done, left: [left] }, true)).toBe(
    "1 finding, 2 steps to take; 1 finding would stay; nothing was changed\n",
  );
});

it("lists what it asks about, but not without end", () => {
  const items = Array.from({ length: 25 }, (_, at) => ({
    path: `overlay2/${at}`,
    what: "files of no layer",
    ...(at === 0 ? { bytes: 1500 } : {}),
  }));
  const lines = questionText({ about: "leftovers", items }).split("\n");
  expect(lines[0]).toBe("Nothing needs this:");
  expect(lines[1]).toBe("  overlay2/0: files of no layer (1.5kB)");
  expect(lines).toHaveLength(23);
  expect(lines[21]).toBe("  and 5 more");
});
