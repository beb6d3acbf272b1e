import { expect, test } from "vitest";
import { addressClass } from "#src/registry/addresses.js";

test.each([
  ["localhost", "loopback"],
  ["127.1.2.3", "loopback"],
  ["[::1]", "loopback"],
  ["169.254.169.254", "link-local"],
  ["[fe80::1]", "link-local"],
  ["10.0.0.1", "private"],
  ["172.31.255.255", "private"],
  ["192.168.1.1", "private"],
  ["100.64.0.1", "private"],
  ["[fd00::1]", "private"],
  ["[::ffff:10.0.0.1]", "private"],
  ["[::a00:1]", "private"],
  ["[64:ff9b::a00:1]", "private"],
  ["[64:ff9b:1::a00:1]", "private"],
  ["[2002:a00:1::]", "private"],
  ["172.32.0.1", "public"],
  ["93.184.216.34", "public"],
  ["[2606:2800::1]", "public"],
  ["registry.example", "public"],
] as const)("%s is %s", (host, expected) => {
  expect(addressClass(host)).toBe(expected);
});
