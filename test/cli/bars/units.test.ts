import { expect, test } from "vitest";
import {
  formatBytes,
  formatDuration,
  formatPair,
  formatRate,
} from "#src/cli/bars/units.js";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.00 kB"],
  [9994, "9.99 kB"],
  [9995, "10.0 kB"],
  [99_949, "99.9 kB"],
  [99_950, "100 kB"],
  [999_499, "999 kB"],
  [999_500, "1.00 MB"],
  [31_400_000, "31.4 MB"],
  [4_300_000_000, "4.30 GB"],
  [2e18, "2000 PB"],
])("%i bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, 31_400_000, "0.0/31.4 MB"],
  [12_345, 31_400_000, "0.0/31.4 MB"],
  [31_400_000, 31_400_000, "31.4/31.4 MB"],
  [340_000_000, 4_300_000_000, "0.34/4.30 GB"],
  [5, 600, "5/600 B"],
])("%i of %i are %s", (bytes, total, text) => {
  expect(formatPair(bytes, total)).toBe(text);
});

test("a rate is bytes per second", () => {
  expect(formatRate(4_210_000)).toBe("4.21 MB/s");
});

test.each([
  [0, "0s"],
  [0.2, "1s"],
  [59, "59s"],
  [59.5, "1m00s"],
  [185, "3m05s"],
  [3599, "59m59s"],
  [3600, "1h00m"],
  [359_999, "99h59m"],
  [360_000, ">99h"],
  [Infinity, ">99h"],
])("%d seconds are %s", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});
