import { describe, expect, it, test } from "vitest";
import { barLine, type LineContent } from "#src/cli/bars/bar-line.js";

const loading: LineContent = {
  label: "1f7ce2fa46ab",
  state: "downloading",
  current: 12_300_000,
  total: 31_400_000,
  rate: 4_210_000,
};
const draw = (cells: number) => "#".repeat(cells);

test.each([
  [
    120,
    "1f7ce2fa46ab downloading    [################################################] 12.3/31.4 MB  4.21 MB/s     5s",
  ],
  [
    79,
    "1f7ce2fa46ab downloading    [##################] 12.3/31.4 MB  4.21 MB/s     5s",
  ],
  [
    71,
    "1f7ce2fa46ab downloading    [##########] 12.3/31.4 MB  4.21 MB/s     5s",
  ],
  [
    70,
    "1f7ce2fa46ab downloading    [################] 12.3/31.4 MB  4.21 MB/s",
  ],
  [64, "1f7ce2fa46ab downloading    [##########] 12.3/31.4 MB  4.21 MB/s"],
  [63, "1f7ce2fa46ab downloading    [####################] 12.3/31.4 MB"],
  [53, "1f7ce2fa46ab downloading    [##########] 12.3/31.4 MB"],
  [52, "1f7ce2fa46ab downloading    12.3/31.4 MB"],
  [40, "1f7ce2fa46ab downloading    12.3/31.4 MB"],
  [30, "1f7ce2fa46ab downloading    12"],
  [5, "1f7ce"],
])("in %i columns", (width, line) => {
  expect(barLine(loading, width, draw)).toBe(line);
});

describe("a line", () => {
  const label = "1f7ce2fa46ab";
  const contents: LineContent[] = [
    loading,
    { label, state: "done", size: "31.4 MB" },
    { label, state: "Already exists" },
    { label, state: "retry in 120 s", current: 1, total: 999_400 },
    { label, state: "downloading", current: 0, total: 999e12, rate: 1 },
    { text: "waiting for somebody ".repeat(20) },
  ];

  it("is never longer than its width, and has no blanks at its end", () => {
    for (const content of contents) {
      for (let width = 1; width <= 200; width++) {
        const line = barLine(content, width, draw);
        expect(line.length).toBeLessThanOrEqual(width);
        if (width > 60 && !("text" in content)) {
          expect(line).toBe(line.trimEnd());
        }
      }
    }
  });

  it("leaves unknown columns empty", () => {
    expect(barLine({ label, state: "done", size: "31.4 MB" }, 71, draw)).toBe(
      "1f7ce2fa46ab done                             31.4 MB",
    );
    expect(barLine({ label, state: "Already exists" }, 71, draw)).toBe(
      "1f7ce2fa46ab Already exists",
    );
    expect(
      barLine({ label, state: "downloading", current: 0, total: 5 }, 53, draw),
    ).toBe("1f7ce2fa46ab downloading    [##########]        0/5 B");
  });
});
