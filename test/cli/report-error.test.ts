import { describe, expect, it, test } from "vitest";
import {
  describeError,
  errorText,
  exitStatus,
  stackOf,
} from "#src/cli/report-error.js";
import { executeTemplate, parseTemplate } from "#src/cli/template/template.js";
import { string } from "#src/cli/template/values.js";
import { TpullError } from "#store/errors.js";

const failure = new TpullError("NOT_FOUND", "docker.io has no such tag", {
  hint: "Check the tag.",
  details: { status: 404 },
});

describe("an expected failure", () => {
  it("keeps code, message, hint and details", () => {
    expect(describeError(failure)).toEqual({
      code: "NOT_FOUND",
      message: "docker.io has no such tag",
      hint: "Check the tag.",
      details: { status: 404 },
    });
    expect(describeError(new TpullError("X", "y"))).toEqual({
      code: "X",
      message: "y",
    });
    expect(stackOf(failure)).toBeUndefined();
  });

  it("is two lines, with the image in front", () => {
    expect(errorText(describeError(failure), "nginx:no")).toBe(
      "tpull: nginx:no: docker.io has no such tag (NOT_FOUND)\n" +
        "  hint: Check the tag.\n",
    );
  });

  test.each([
    ["nginx:no", 'invalid reference "nginx:no"', ""],
    ["nginx", "nginx:latest: refused", ""],
    ["nginx:no", "nginx:no: refused", ""],
    ["no", "nobody answers", "no: "],
    ["no", "there is no tag", "no: "],
  ])("of %s, %j: %j in front", (image, message, front) => {
    expect(errorText({ code: "X", message }, image)).toBe(
      `tpull: ${front}${message} (X)\n`,
    );
  });

  it("cannot speak to the terminal, nor show a password", () => {
    const text = errorText(
      { code: "X", message: "\x1b[2J\nsaid\r\nthe registry", hint: "\x07" },
      "user:secret@host/x\x1b",
    );
    // oxlint-disable-next-line no-control-regex -- none may be left
    expect(text.replaceAll("\n", "")).not.toMatch(/[\x00-\x1f]/);
    expect(text.split("\n")).toHaveLength(3);
    expect(text).not.toContain("secret");
  });
});

describe("a defect", () => {
  it("says that it is one", () => {
    const report = describeError(new TypeError("x is not a function"));
    expect(report.code).toBe("INTERNAL");
    expect(errorText(report)).toBe(
      "tpull: TypeError: x is not a function (INTERNAL)\n" +
        "  hint: This is a defect in tpull. TPULL_DEBUG=1 shows where it happened; please report it.\n",
    );
    expect(describeError("thrown text").message).toBe("thrown text");
  });

  it("has a stack", () => {
    expect(stackOf(new TypeError("x"))).toContain("report-error.test");
  });
});

test.each([
  ["NOT_FOUND", 1],
  ["INTERNAL", 1],
  ["USAGE", 2],
  ["PLATFORM_INVALID", 2],
])("%s ends with status %i", (code, status) => {
  expect(exitStatus({ code, message: "" })).toBe(status);
});

test("a format that cannot be read is the command line's fault, one that fails on data is not", () => {
  const ended = (work: () => unknown): number => {
    try {
      work();
    } catch (error) {
      return exitStatus(describeError(error));
    }
    return 0;
  };
  const value = string("x");
  expect(ended(() => parseTemplate("{{.Foo"))).toBe(2);
  expect(ended(() => executeTemplate(parseTemplate("{{.Foo}}"), value))).toBe(
    1,
  );
});
