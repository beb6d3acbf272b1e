import { describe, expect, it, test } from "vitest";
import { jsonLine, oneLine } from "#src/cli/terminal-text.js";

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
