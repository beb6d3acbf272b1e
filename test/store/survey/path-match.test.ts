import { describe, expect, test } from "vitest";
import { pathMatcher } from "#store/survey/path-match.js";

// Cases in the style of Go's path.Match, and names as docker has them.
describe("pathMatcher", () => {
  test.each([
    ["nginx", "nginx", true],
    ["nginx", "nginx:1", false],
    ["nginx:*", "nginx:1.27-alpine", true],
    ["*", "nginx:1", true],
    ["*", "user/app:1", false],
    ["*/*", "user/app:1", true],
    ["*/*", "quay.io/user/app:1", false],
    ["*:1.*", "nginx:1.27", true],
    ["ngin?", "nginx", true],
    ["ngin?", "ngin/", false],
    ["[a-n]ginx", "nginx", true],
    ["[^a-m]ginx", "nginx", true],
    ["[^a-n]ginx", "nginx", false],
    ["[!n]ginx", "nginx", true],
    ["[nx]*[0-9]", "nginx:1", true],
    ["[z-a]*", "nginx", false],
    ["a[/]b", "a/b", true],
    ["a\\*b", "a*b", true],
    ["a\\*b", "axb", false],
    ["a[\\]]b", "a]b", true],
    ["a.c", "abc", false],
    ["(a|b)+$", "(a|b)+$", true],
    ["a*b?c", "axxbyc", true],
    ["é?", "é鯨", true],
    ["", "", true],
    ["", "a", false],
  ])("%j and %j: %s", (pattern, name, fits) => {
    expect(pathMatcher(pattern)(name)).toBe(fits);
  });

  test.each([
    "[",
    "[a",
    "[]",
    "[]a]",
    "[a-]",
    "[-a]",
    "[a-b-c]",
    "a[^",
    "a\\",
    "[\\",
  ])("%j is refused", (pattern) => {
    expect(() => pathMatcher(pattern)).toThrow(
      expect.objectContaining({ code: "FILTER_INVALID" }),
    );
  });
});
