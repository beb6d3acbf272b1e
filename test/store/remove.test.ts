import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import * as libc from "#store/native/libc.js";
import { removeTree } from "#store/remove.js";
import { temporaryFolder } from "./support/roots.js";

let folder = "";
let dir = -1;
beforeEach(async () => {
  folder = await temporaryFolder();
  dir = openSync(folder, "r");
});
afterEach(() => closeSync(dir));

const path = libc.cPath;
const at = (name: string): string => join(folder, name);

describe("removing a tree", () => {
  it("follows no link and minds no permission or name", async () => {
    mkdirSync(at("outside"));
    writeFileSync(at("outside/precious"), "");
    mkdirSync(at("tree/a/b"), { recursive: true });
    symlinkSync(at("outside"), at("tree/a/link"));
    writeFileSync(
      Buffer.concat([Buffer.from(at("tree/")), Buffer.of(0xff)]),
      "",
    );
    writeFileSync(at("tree/a/b/read-only"), "", { mode: 0o400 });
    chmodSync(at("tree/a/b"), 0o500);
    chmodSync(at("tree/a"), 0o000);
    await removeTree(at("tree"));
    expect(readdirSync(folder)).toEqual(["outside"]);
    expect(readdirSync(at("outside"))).toEqual(["precious"]);
  });

  it("removes a link and a file as such", async () => {
    mkdirSync(at("outside"));
    symlinkSync("outside", at("link"));
    writeFileSync(at("file"), "");
    await removeTree(at("link"));
    await removeTree(at("file"));
    await removeTree(at("nothing"));
    await removeTree(at("nowhere/at/all"));
    expect(readdirSync(folder)).toEqual(["outside"]);
  });

  it("goes deeper than any path can name", async () => {
    const step = path("d".repeat(200));
    let fd = dir;
    for (let depth = 0; depth < 200; depth += 1) {
      expect(libc.mkdirat(fd, step, 0o700)).toBe(0);
      const next = libc.openat(fd, step, libc.O_DIRECTORY);
      expect(next).toBeGreaterThan(0);
      if (fd !== dir) libc.close(fd);
      fd = next;
    }
    libc.close(fd);
    const open = readdirSync("/proc/self/fd").length;
    await removeTree(at("d".repeat(200)));
    expect(readdirSync(folder)).toEqual([]);
    expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(open);
  });
});
