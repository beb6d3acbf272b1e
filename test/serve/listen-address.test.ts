import { describe, expect, it } from "vitest";
import { isLoopback, parseListenAddress } from "#src/serve/listen-address.js";

describe("an address to listen on", () => {
  it.each([
    ["127.0.0.1:5000", { host: "127.0.0.1", port: 5000 }, true],
    ["localhost:0", { host: "localhost", port: 0 }, true],
    ["[::1]:80", { host: "::1", port: 80 }, true],
    ["127.8.9.1:1", { host: "127.8.9.1", port: 1 }, true],
    [":5000", { host: undefined, port: 5000 }, false],
    ["0.0.0.0:5000", { host: "0.0.0.0", port: 5000 }, false],
    ["[::]:5000", { host: "::", port: 5000 }, false],
    ["registry.example:443", { host: "registry.example", port: 443 }, false],
    ["127.example:443", { host: "127.example", port: 443 }, false],
    ["unix:/run/x.sock", { path: "/run/x.sock" }, true],
    ["unix:///run/x.sock", { path: "/run/x.sock" }, true],
    ["unix:x.sock", { path: "x.sock" }, true],
  ])("%s", (text, address, loopback) => {
    const parsed = parseListenAddress(text);
    expect(parsed).toEqual(address);
    expect(isLoopback(parsed!)).toBe(loopback);
  });

  it.each([
    "",
    "5000",
    "host",
    "host:",
    "host:65536",
    "host:-1",
    "::1:80",
    "[x]:80",
    "[127.0.0.1]:80",
    "http://host:80",
    "a b:80",
    "unix:",
  ])("%j is none", (text) => {
    expect(parseListenAddress(text)).toBe(undefined);
  });
});
