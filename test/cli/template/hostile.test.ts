// Whatever a template or the data in it: the answer is text, or FORMAT_INVALID, and soon.
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { executeTemplate, parseTemplate } from "#src/cli/template/template.js";
import { fromJson } from "#src/cli/template/values.js";
import { CASES, DATA } from "./cases.js";

/** The text, or undefined when it was refused as it should be. */
function outcome(template: string, data: unknown = DATA): string | undefined {
  try {
    return executeTemplate(parseTemplate(template), fromJson(data));
  } catch (error) {
    expect(error).toMatchObject({
      name: "TpullError",
      code: "FORMAT_INVALID",
      message: expect.any(String),
    });
    return undefined;
  }
}

function refusal(template: string, data: unknown = DATA): string {
  try {
    const text = executeTemplate(parseTemplate(template), fromJson(data));
    return `no refusal, but ${text.length} characters`;
  } catch (error) {
    expect(error).toMatchObject({ code: "FORMAT_INVALID" });
    return (error as Error).message;
  }
}

describe("any template", () => {
  const templates = Object.values(CASES).flatMap((cases) =>
    cases.map(([template]) => template),
  );
  const words = [
    ..."()|,=:.$\"'`-{}\n\t /*",
    ..."{{ }} {{- -}} /* */ := nil true end else if range with define block template break continue".split(
      " ",
    ),
    ..."printf print len index slice eq lt and or not json join split pad truncate call html js urlquery".split(
      " ",
    ),
    ...'.L .M .S .O .N .I $x 1 -1 2.5 \'a\' "%v" "%[3]*.[2]*[1]f" "%1000d" 0x1p-4 1_0'.split(
      " ",
    ),
  ];

  it("is text or refused: words at random", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...words), { maxLength: 30 }),
        (list) => {
          outcome(`{{${list.join(" ")}}}`);
          outcome(list.join(""));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("is text or refused: templates that were cut and joined", () => {
    const part = fc
      .tuple(fc.constantFrom(...templates), fc.nat(), fc.nat())
      .map(([text, a, b]) =>
        text.slice(a % (text.length + 1), b % (text.length + 1) || undefined),
      );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        outcome(parts.join(""));
      }),
      { numRuns: 3000 },
    );
  });

  it("is text or refused: any characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        outcome(text);
        outcome(`{{${text}}}`);
        outcome(`{{printf ${JSON.stringify(text)} . 1 "x"}}`);
      }),
      { numRuns: 300 },
    );
  });

  it("prints any JSON", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        expect(
          typeof outcome("{{.}}{{json .}}{{print .}}{{html .}}{{js .}}", data),
        ).toBe("string");
        for (const verb of "vsdqxTgtcUpeb")
          outcome(`{{printf "%${verb} %#${verb} %+8.3${verb}" . . .}}`, data);
        outcome("{{range $k, $v := .}}{{$k}}{{len $v}}{{end}}", data);
      }),
      { numRuns: 500 },
    );
  });

  it("gives back the JSON that it was given", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (data) => {
        expect(JSON.parse(outcome("{{json .}}", data) ?? "")).toEqual(
          JSON.parse(JSON.stringify(data)),
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe("limits", () => {
  const deep = (
    open: string,
    middle: string,
    close: string,
    times: number,
  ): string => open.repeat(times) + middle + close.repeat(times);

  test.each([
    ["parentheses", `{{${deep("(", "1", ")", 100_000)}}}`],
    ["conditions", deep("{{if 1}}", "x", "{{end}}", 100_000)],
    ["else ifs", `{{if 0}}${"{{else if 0}}".repeat(100_000)}{{end}}`],
    ["blocks", deep('{{block "a" 1}}', "x", "{{end}}", 50_000)],
    [
      "templates that call themselves",
      '{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}',
    ],
    [
      "templates that double",
      `${Array.from({ length: 40 }, (_, at) => `{{define "t${at}"}}{{template "t${at + 1}"}}{{template "t${at + 1}"}}{{end}}`).join("")}{{define "t40"}}{{end}}{{template "t0"}}`,
    ],
    ["long ranges", "{{range 9223372036854775807}}{{end}}"],
    ["ranges of ranges", `${"{{range 1000}}".repeat(9)}${"{{end}}".repeat(9)}`],
    [
      "texts that double",
      `{{$x := "0123456789"}}{{range 60}}{{$x = print $x $x}}{{end}}{{$x}}`,
    ],
    [
      "long texts, used again and again",
      '{{$x := printf "%1000000d" 1}}{{range 10000000}}{{$y := upper $x}}{{end}}',
    ],
    ["long output", '{{range 10000}}{{printf "%1000000d" 1}}{{end}}'],
    ["long padding", '{{pad "x" 9223372036854775807 1}}'],
    [
      "long texts of printf",
      `{{printf "${"%1000000d".repeat(200)}"${" 1".repeat(200)}}}`,
    ],
  ])("%s are refused", (_, template) => {
    expect(refusal(template)).toMatch(
      /too deep|too long|maximum template depth/,
    );
  });

  it("refuses data that is nested without end", () => {
    const data: unknown = JSON.parse(deep("[", "1", "]", 100_000));
    expect(refusal("{{json .}}", data)).toMatch(/too deep/);
  });

  it("reads long runs of spaces once", () => {
    const spaces = " ".repeat(1_000_000);
    expect(outcome(`a${spaces}{{- 1 -}}${spaces}b${spaces}{{2}}`)).toBe(
      `a1b${spaces}2`,
    );
  });

  it("leaves room for what people write", () => {
    expect(outcome(deep("{{if 1}}", "x", "{{end}}", 200))).toBe("x");
    expect(outcome(`{{${deep("(", "1", ")", 200)}}}`)).toBe("1");
    expect(outcome("{{range 100000}}{{.}}{{end}}")?.length).toBe(488_890);
    expect(
      outcome(
        '{{define "a"}}{{with slice . 1}}{{template "a" .}}{{end}}x{{end}}{{template "a" .L}}',
      ),
    ).toBe("xxx");
  });
});
