import { describe, expect, it, test } from "vitest";
import { filterTime } from "#store/survey/filter-time.js";

const NOW = Date.parse("2024-05-06T12:00:00.900Z");
const seconds = (text: string): number => Date.parse(text) / 1000;

describe("filterTime", () => {
  test.each([
    ["24h", "2024-05-05T12:00:00Z"],
    ["1h30m", "2024-05-06T10:30:00Z"],
    ["1.5h", "2024-05-06T10:30:00Z"],
    ["900ms", "2024-05-06T12:00:00Z"],
    ["-1h", "2024-05-06T13:00:00Z"],
    ["2024-05-06T07:08:09Z", "2024-05-06T07:08:09Z"],
    ["2024-05-06T07:08:09+02:00", "2024-05-06T05:08:09Z"],
    ["2024-05-06T07:08-07:00", "2024-05-06T14:08:00Z"],
    ["2024-05-06T07Z", "2024-05-06T07:00:00Z"],
    ["2024-05-06Z", "2024-05-06T00:00:00Z"],
    ["1714979289", "2024-05-06T07:08:09Z"],
    ["0", "1970-01-01T00:00:00Z"],
  ])("%s is %s", (value, time) => {
    expect(filterTime(value, NOW).seconds).toBe(seconds(time));
  });

  it("keeps nanoseconds", () => {
    expect(filterTime("2024-05-06T07:08:09.000000001Z", NOW).nanoseconds).toBe(
      1,
    );
    expect(filterTime("1714979289.5", NOW).nanoseconds).toBe(500_000_000);
  });

  test.each([
    "2024-05-06",
    "2024-05-06T07",
    "2024-05-06T07:08",
    "2024-05-06T07:08:09.5",
  ])("%s is in the zone of today", (value) => {
    const west = new Date(NOW).getTimezoneOffset() * 60;
    const utc = filterTime(`${value}Z`, NOW);
    const local = filterTime(value, NOW);
    expect(local.seconds - utc.seconds).toBe(west);
  });

  test.each([
    "",
    "yesterday",
    "24d",
    "h",
    "1h30",
    "2024-13-01",
    "2024-05-06z",
    "-5",
    "1.2.3",
    "2024-05-06T",
  ])("%j is refused", (value) => {
    expect(() => filterTime(value, NOW)).toThrow(
      expect.objectContaining({ code: "FILTER_INVALID" }),
    );
  });
});
