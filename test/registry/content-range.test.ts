import { judgeReply, parseContentRange } from "#src/registry/content-range.js";
import { describe, expect, test } from "vitest";

test.each([
  ["bytes 0-9/10", { range: { start: 0, end: 9 }, total: 10 }],
  ["bytes 5-9/*", { range: { start: 5, end: 9 }, total: undefined }],
  [" Bytes  5-9/10 ", { range: { start: 5, end: 9 }, total: 10 }],
  ["bytes */10", { range: undefined, total: 10 }],
  ["bytes 9-5/10", undefined],
  ["bytes 5-9", undefined],
  ["items 5-9/10", undefined],
  ["bytes -5/10", undefined],
  ["bytes 5-9/10, 11-12/13", undefined],
  ["bytes 1e3-2000/3000", undefined],
  [`bytes 0-${"9".repeat(40)}/*`, undefined],
  ["", undefined],
])("Content-Range: %s", (value, expected) => {
  expect(parseContentRange([value])).toEqual(expected);
});

test("none, and several", () => {
  expect(parseContentRange([])).toBeUndefined();
  expect(parseContentRange(["bytes 0-9/10", "bytes 0-9/10"])).toBeUndefined();
});

describe("a reply about 100 bytes", () => {
  type Headers = Record<string, string | string[]>;
  const cases: [string, number, number | undefined, Headers, object][] = [
    ["whole", 200, 0, {}, { kind: "whole" }],
    [
      "whole, with length",
      200,
      0,
      { "content-length": "100" },
      { kind: "whole" },
    ],
    [
      "shorter: time will tell",
      200,
      0,
      { "content-length": "99" },
      { kind: "whole" },
    ],
    [
      "longer",
      200,
      0,
      { "content-length": "101" },
      { kind: "wrong-size", actual: 101 },
    ],
    [
      "longer in another coding",
      200,
      0,
      { "content-length": "101", "content-encoding": "gzip" },
      { kind: "whole" },
    ],
    ["ranges ignored", 200, 40, { "content-length": "100" }, { kind: "whole" }],
    [
      "the rest",
      206,
      40,
      { "content-range": "bytes 40-99/100" },
      { kind: "rest", end: 100 },
    ],
    [
      "the rest of unknown",
      206,
      40,
      { "content-range": "bytes 40-99/*" },
      { kind: "rest", end: 100 },
    ],
    [
      "a part of the rest",
      206,
      40,
      { "content-range": "bytes 40-59/100" },
      { kind: "rest", end: 60 },
    ],
    [
      "from elsewhere",
      206,
      40,
      { "content-range": "bytes 0-99/100" },
      { kind: "no-ranges" },
    ],
    [
      "of another size",
      206,
      40,
      { "content-range": "bytes 40-100/101" },
      { kind: "no-ranges" },
    ],
    [
      "beyond the end",
      206,
      40,
      { "content-range": "bytes 40-100/*" },
      { kind: "no-ranges" },
    ],
    ["unlabelled", 206, 40, {}, { kind: "no-ranges" }],
    [
      "labelled twice",
      206,
      40,
      { "content-range": ["bytes 40-99/100", "bytes 40-99/100"] },
      { kind: "no-ranges" },
    ],
    [
      "a part that nobody asked for",
      206,
      undefined,
      { "content-range": "bytes 0-99/100" },
      { kind: "refused" },
    ],
    [
      "416 with the right size",
      416,
      40,
      { "content-range": "bytes */100" },
      { kind: "no-ranges" },
    ],
    ["416 without", 416, 40, {}, { kind: "no-ranges" }],
    [
      "416 with another size",
      416,
      40,
      { "content-range": "bytes */30" },
      { kind: "wrong-size", actual: 30 },
    ],
    [
      "416 to no range",
      416,
      undefined,
      { "content-range": "bytes */30" },
      { kind: "refused" },
    ],
    ["404", 404, 40, {}, { kind: "refused" }],
    ["204", 204, 0, {}, { kind: "refused" }],
  ];
  test.each(cases)("%s", (_name, status, offset, headers, verdict) => {
    expect(judgeReply(status, headers, offset, 100)).toEqual(verdict);
  });
});
