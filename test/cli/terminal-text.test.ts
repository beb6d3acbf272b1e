import { describe, expect, it, test } from "vitest";
import {
  jsonLine,
  oneLine,
  shownJson,
  shownLines,
} from "#src/cli/terminal-text.js";

describe("oneLine", () => {
  test.each([
    ["plain text, ümläute, 鯨 🐳", "plain text, ümläute, 鯨 🐳"],
    ["\x1b[31mred\x07", "\\x1b[31mred\\x07"],
    ["a\r\n  b\tc\n", "a b c "],
    ["\x9b2J\x7f", "\\x9b2J\\x7f"],
    ["abc\u202edcb", "abc\\u{202e}dcb"],
    ["\ufeff\u2028", "\\u{feff}\\u{2028}"],
  ])("%j becomes %j", (text, shown) => {
    expect(oneLine(text)).toBe(shown);
  });

  it("cuts what is very long", () => {
    expect(oneLine("x".repeat(5000))).toHaveLength(2003);
  });
});

test("jsonLine is one line that means the same and moves no cursor", () => {
  const value = { text: "\x1b[2J \x9b \u2028 \u202e \ufeff\n" };
  const line = jsonLine(value);
  expect(line).toBe(
    '{"text":"\\u001b[2J \\u009b \\u2028 \\u202e \\ufeff\\n"}\n',
  );
  expect(JSON.parse(line)).toEqual(value);
});

test("what goes to a terminal moves no cursor, what goes elsewhere stays as it is", () => {
  const value = { text: "\x1b[2J \x9b \u202e", list: [1] };
  const json = `${JSON.stringify(value, null, 2)}\n`;
  const shown = shownJson(json, true);
  expect(shown).toContain(String.raw`"text": "\u001b[2J \u009b \u202e"`);
  expect(shown.split("\n")).toHaveLength(json.split("\n").length);
  expect(JSON.parse(shown)).toEqual(value);
  expect(shownJson(json, false)).toBe(json);
  const lines = "a\x1b[2J\n\tb\x9b\n";
  expect(shownLines(lines, true)).toBe("a\\x1b[2J\n\tb\\x9b\n");
  expect(shownLines(lines, false)).toBe(lines);
});
