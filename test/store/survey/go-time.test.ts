import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  compareTimes,
  formatRfc3339Nano,
  parseRfc3339,
  ZERO_TIME,
} from "#store/survey/go-time.js";

describe("RFC 3339", () => {
  test.each([
    ["2024-05-06T07:08:09Z", "2024-05-06T07:08:09Z"],
    ["2024-05-06T07:08:09.120Z", "2024-05-06T07:08:09.12Z"],
    ["2024-05-06T07:08:09.123456789999Z", "2024-05-06T07:08:09.123456789Z"],
    [
      "2024-05-06T07:08:09.000000001-03:30",
      "2024-05-06T07:08:09.000000001-03:30",
    ],
    ["2024-05-06T07:08:09+00:00", "2024-05-06T07:08:09Z"],
    ["2024-05-06T07:08:09-00:00", "2024-05-06T07:08:09Z"],
    ["2024-02-29T23:59:59+14:00", "2024-02-29T23:59:59+14:00"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"],
    ["0099-12-31T00:00:00Z", "0099-12-31T00:00:00Z"],
    ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"],
    // Go takes these, though RFC 3339 does not.
    ["2024-05-06T7:08:09,5Z", "2024-05-06T07:08:09.5Z"],
  ])("%s is written %s", (text, written) => {
    expect(formatRfc3339Nano(parseRfc3339(text)!)).toBe(written);
  });

  test.each([
    "",
    "2024-05-06",
    "2024-05-06 07:08:09Z",
    "2024-05-06T07:08:09",
    "2024-05-06t07:08:09z",
    "2023-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2024-00-01T00:00:00Z",
    "2024-13-01T00:00:00Z",
    "2024-04-31T00:00:00Z",
    "2024-04-30T24:00:00Z",
    "2024-04-30T00:60:00Z",
    "2024-04-30T00:00:60Z",
    "2024-04-30T00:00:00+25:00",
    "2024-04-30T00:00:00.Z",
  ])("%j is no time", (text) => {
    expect(parseRfc3339(text)).toBeUndefined();
  });

  it("reckons as Date does", () => {
    const dates = fc.date({
      min: new Date("0000-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59Z"),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(dates, (date) => {
        const time = parseRfc3339(date.toISOString())!;
        const milliseconds = time.seconds * 1000 + time.nanoseconds / 1e6;
        expect(milliseconds).toBe(date.getTime());
      }),
    );
  });

  it("compares instants, not clocks", () => {
    const [a, b, c] = [
      "2024-01-01T12:00:00Z",
      "2024-01-01T13:00:00+01:00",
      "2024-01-01T12:00:00.000000001Z",
    ].map((text) => parseRfc3339(text)!) as [
      typeof ZERO_TIME,
      typeof ZERO_TIME,
      typeof ZERO_TIME,
    ];
    expect(compareTimes(a, b)).toBe(0);
    expect(compareTimes(a, c)).toBeLessThan(0);
    expect(compareTimes(a, ZERO_TIME)).toBeGreaterThan(0);
  });
});
