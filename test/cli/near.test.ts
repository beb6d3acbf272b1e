import { expect, test } from "vitest";
import { nearest } from "#src/cli/near.js";

const words = ["root", "platform", "concurrency", "quiet", "progress", "help"];

test.each([
  ["roto", "root"],
  ["rot", "root"],
  ["pla", "platform"],
  ["platfrom", "platform"],
  ["concurency", "concurrency"],
  ["conkurrenzy", "concurrency"],
  ["hlep", "help"],
  ["quit", "quiet"],
])("%s is near %s", (word, meant) => {
  expect(nearest(word, words)).toBe(meant);
});

test.each(["verbose", "x", "", "rate", "r".repeat(1000)])(
  "%s is near nothing",
  (word) => {
    expect(nearest(word, words)).toBeUndefined();
  },
);
