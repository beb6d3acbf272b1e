import { expect, test } from "vitest";
import { RateMeter } from "#src/cli/bars/rate.js";

test("unknown at first, then the mean over the last five seconds", () => {
  const meter = new RateMeter();
  expect(meter.perSecond(0)).toBeUndefined();
  meter.note(1000, 0);
  expect(meter.perSecond(400)).toBeUndefined();
  for (let second = 1; second <= 10; second++) {
    meter.note(1000 + second * 200, second * 1000);
  }
  expect(meter.perSecond(10_000)).toBe(200);
  for (let second = 11; second <= 15; second++) {
    meter.note(3000 + (second - 10) * 1000, second * 1000);
  }
  expect(meter.perSecond(15_000)).toBe(1000);
});

test("what was there before the first note counts for nothing", () => {
  const meter = new RateMeter();
  meter.note(1_000_000, 0);
  meter.note(1_000_100, 1000);
  expect(meter.perSecond(1000)).toBe(100);
});

test("falls to nothing while nothing arrives", () => {
  const meter = new RateMeter();
  meter.note(0, 0);
  meter.note(1000, 1000);
  expect(meter.perSecond(2000)).toBe(500);
  expect(meter.perSecond(60_000)).toBe(0);
});

test("begins again with a transfer that begins again", () => {
  const meter = new RateMeter();
  meter.note(0, 0);
  meter.note(5000, 1000);
  meter.note(10, 2000);
  expect(meter.perSecond(2100)).toBeUndefined();
  meter.note(110, 3000);
  expect(meter.perSecond(3000)).toBe(100);
});
