import { describe, expect, it, test } from "vitest";
import { UTC, type Zone } from "#src/cli/format/local-zone.js";
import { executeTemplate, parseTemplate } from "#src/cli/template/template.js";
import { DURATION, durationText, timeType } from "#src/cli/template/times.js";
import { typed } from "#src/cli/template/values.js";

const print = (
  type: Parameters<typeof typed>[0],
  json: unknown,
  text: string,
) => executeTemplate(parseTemplate(text), typed(type, json));

describe("durations", () => {
  test.each([
    [0n, "0s"],
    [1n, "1ns"],
    [1500n, "1.5µs"],
    [2_000_000n, "2ms"],
    [1_234_567_890n, "1.23456789s"],
    [30_000_000_000n, "30s"],
    [60_000_000_000n, "1m0s"],
    [90_500_000_000n, "1m30.5s"],
    [3_600_000_000_000n, "1h0m0s"],
    [-5_400_000_000_000n, "-1h30m0s"],
    [9_223_372_036_854_775_807n, "2562047h47m16.854775807s"],
  ])("%d is %s", (nanoseconds, text) => {
    expect(durationText(nanoseconds)).toBe(text);
  });

  it("have methods, and are numbers", () => {
    const text =
      "{{.}} {{.Minutes}} {{.Milliseconds}} {{json .}} {{printf `%d` .}}";
    expect(print(DURATION, 90e9, text)).toBe(
      "1m30s 1.5 90000 90000000000 90000000000",
    );
  });
});

describe("times", () => {
  const summer: Zone = {
    at: () => ({ offset: 7200, name: "CEST", isSummer: true }),
  };

  test.each<[Zone, string, string]>([
    [UTC, "2024-05-06T07:08:09.5Z", "2024-05-06 07:08:09.5 +0000 UTC"],
    [summer, "2024-05-06T07:08:09Z", "2024-05-06 07:08:09 +0000 UTC"],
    [summer, "2024-05-06T07:08:09+02:00", "2024-05-06 07:08:09 +0200 CEST"],
    [summer, "2024-05-06T07:08:09-03:30", "2024-05-06 07:08:09 -0330 -0330"],
    [UTC, "nonsense", "0001-01-01 00:00:00 +0000 UTC"],
  ])("print as Go prints them", (zone, json, text) => {
    expect(print(timeType(zone), json, "{{.}}")).toBe(text);
    expect(print(timeType(zone), json, "{{.String}}")).toBe(text);
  });

  it("have methods", () => {
    const time = "2024-05-06T07:08:09.5Z";
    const text =
      "{{.Unix}} {{.UnixMilli}} {{.UnixNano}} {{.IsZero}} {{json .}}";
    expect(print(timeType(UTC), time, text)).toBe(
      `1714979289 1714979289500 1714979289500000000 false "${time}"`,
    );
    const format = '{{.Format "2006"}}{{if .IsZero}}!{{end}}';
    expect(print(timeType(UTC), "0001-01-01T00:00:00Z", format)).toBe("0001!");
  });
});
