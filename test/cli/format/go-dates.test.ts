import { describe, expect, test } from "vitest";
import {
  formatDate,
  type Moment,
  PLAIN_LAYOUT,
  RFC_3339_LAYOUT,
} from "#src/cli/format/go-dates.js";

function moment(
  text: string,
  offset = 0,
  name = "UTC",
  nanoseconds = 0,
): Moment {
  return {
    seconds: Date.parse(text) / 1000,
    nanoseconds,
    clock: { offset, name },
  };
}

const UTC = moment("2024-05-06T07:08:09Z");
const WEST = moment("2024-05-06T07:08:09Z", -12_600, "NST", 120_000_000);
const NAMELESS = moment("2024-12-31T23:30:00Z", 7200, "");

describe("dates by layout", () => {
  test.each<[string, Moment, string]>([
    [PLAIN_LAYOUT, UTC, "2024-05-06 07:08:09 +0000 UTC"],
    [PLAIN_LAYOUT, WEST, "2024-05-06 03:38:09.12 -0330 NST"],
    [PLAIN_LAYOUT, NAMELESS, "2025-01-01 01:30:00 +0200 +0200"],
    [RFC_3339_LAYOUT, UTC, "2024-05-06T07:08:09Z"],
    [RFC_3339_LAYOUT, WEST, "2024-05-06T03:38:09-03:30"],
    ["Monday, 2 January 2006", UTC, "Monday, 6 May 2024"],
    ["Mon Jan _2 03:04PM 06", UTC, "Mon May  6 07:08AM 24"],
    ["3pm 3PM", moment("2024-05-06T12:00:00Z"), "12pm 12PM"],
    ["3pm", moment("2024-05-06T00:00:00Z"), "12am"],
    ["1/2 4:5", UTC, "5/6 8:9"],
    ["002 __2", UTC, "127 127"],
    ["002 __2", moment("2024-01-02T00:00:00Z"), "002   2"],
    [".000 .999 ,00", WEST, ".120 .12 ,12"],
    [".999 .000", UTC, " .000"],
    [
      "-07 -0700 -07:00 -070000 -07:00:00",
      WEST,
      "-03 -0330 -03:30 -033000 -03:30:00",
    ],
    ["Z07 Z0700 Z07:00", UTC, "Z Z Z"],
    ["Z07 Z0700 Z07:00", WEST, "-03 -0330 -03:30"],
    ["-07:00", moment("1850-01-01T00:00:00Z", -30, "LMT"), "+00:00"],
    ["Month _2006 Janet", UTC, "Month _2024 Janet"],
    ["2006", moment("0001-01-01T00:00:00Z", -3600), "0000"],
    ["20:15", UTC, "60:07"],
  ])("%s", (layout, date, printed) => {
    expect(formatDate(date, layout)).toBe(printed);
  });
});
