import { parseNoProxy } from "#src/registry/no-proxy.js";
import { expect, test } from "vitest";

const cases: [string, string, number, boolean][] = [
  ["*", "anything.test", 443, true],
  ["", "example.com", 443, false],
  ["example.com", "example.com", 443, true],
  ["example.com", "registry.example.com", 443, true],
  ["example.com", "myexample.com", 443, false],
  [".example.com", "registry.example.com", 443, true],
  [".example.com", "example.com", 443, false],
  ["*.example.com", "a.b.example.com", 443, true],
  ["*.example.com", "example.com", 443, false],
  ["Example.COM", "example.com", 443, true],
  ["example.com.", "example.com", 443, true],
  ["example.com", "example.com.", 443, true],
  ["example.com:5000", "example.com", 5000, true],
  ["example.com:5000", "example.com", 443, false],
  [".example.com:5000", "a.example.com", 5000, true],
  [" a.test , b.test c.test", "c.test", 443, true],
  ["10.0.0.0/8", "10.9.8.7", 443, true],
  ["10.0.0.0/8", "11.9.8.7", 443, false],
  ["10.0.0.0/8", "ten.test", 443, false],
  ["10.1.2.3", "10.1.2.3", 443, true],
  ["10.1.2.3:5000", "10.1.2.3", 5000, true],
  ["10.1.2.3:5000", "10.1.2.3", 443, false],
  ["fd00::/8", "[fd12::1]", 443, true],
  ["fd00::/8", "[fe80::1]", 443, false],
  ["2001:db8::1", "[2001:db8::1]", 443, true],
  ["[2001:db8::1]", "[2001:db8::1]", 443, true],
  ["[2001:db8::1]:5000", "[2001:db8::1]", 5000, true],
  ["[2001:db8::1]:5000", "[2001:db8::1]", 443, false],
  ["10.0.0.0/99", "10.0.0.1", 443, false],
  ["not/8", "not", 443, false],
  [":80", "example.com", 80, false],
  [".", "example.com", 80, false],
];

test.each(cases)("%j for %s port %i: %s", (list, host, port, direct) => {
  expect(parseNoProxy(list)(host, port)).toBe(direct);
});
