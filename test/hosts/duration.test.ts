import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDuration } from "#src/hosts/duration.js";

describe("durations", () => {
  it.each([
    ["30s", 30_000],
    ["200ms", 200],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["2h45m", 9_900_000],
    [".5s", 500],
    ["5.s", 5000],
    ["0", 0],
    ["+1s", 1000],
    ["-1s", -1000],
    ["1500us", 1.5],
    ["1500\u00b5s", 1.5],
    ["1500\u03bcs", 1.5],
    ["500000ns", 0.5],
    ["1h1h", 7_200_000],
    ["100000h", 2_147_483_647],
  ])("reads %s", (text, ms) => {
    expect(parseDuration(text)).toBeCloseTo(ms, 6);
  });

  it.each([
    "",
    "3",
    "s",
    "1 s",
    "1S",
    "1d",
    ".s",
    "1s ",
    "--1s",
    "1e3s",
    "1s2",
  ])("refuses %j", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it("reads every text of parts, and is quick with every other", () => {
    const part = fc.tuple(
      fc.nat(999),
      fc.constantFrom("ms" as const, "s" as const, "m" as const),
    );
    const factor = { ms: 1, s: 1000, m: 60_000 };
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const sum = parts.reduce((ms, [n, unit]) => ms + n * factor[unit], 0);
        expect(parseDuration(parts.flat().join(""))).toBe(sum);
      }),
    );
    expect(parseDuration("1".repeat(100_000))).toBeUndefined();
  });
});
