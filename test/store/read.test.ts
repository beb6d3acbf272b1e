import { spawnSync } from "node:child_process";
import { mkdir, open, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, test } from "vitest";
import { readBytes, readDocument, readText } from "#store/read.js";
import { temporaryFolder } from "./support/roots.js";

test.each([0, 1, 4095, 4096, 4097, 100_000])(
  "a text of %d bytes",
  async (size) => {
    const path = join(await temporaryFolder(), "file");
    const text = "é鯨\u0000\n".repeat(size / 7 + 1);
    const bytes = Buffer.from(text).subarray(0, size);
    await writeFile(path, bytes);
    expect(readBytes(path)).toEqual(bytes);
    expect(readText(path)).toBe(bytes.toString());
  },
);

it("what is no file is not there", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "directory"));
  await writeFile(join(folder, "file"), "");
  await symlink("loop", join(folder, "loop"));
  for (const name of ["absent", "directory", "file/below", "loop"]) {
    expect(readText(join(folder, name))).toBeUndefined();
    expect(readBytes(join(folder, name))).toBeUndefined();
  }
});

it("what has no end is not read, and not waited for", async () => {
  const folder = await temporaryFolder();
  const fifo = join(folder, "fifo");
  expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
  await symlink("/dev/zero", join(folder, "zero"));
  await symlink("/dev/null", join(folder, "null"));
  const nothing = (): void => {
    for (const name of ["fifo", "zero", "null"]) {
      expect(readText(join(folder, name))).toBeUndefined();
      expect(readBytes(join(folder, name))).toBeUndefined();
      expect(readDocument(join(folder, name))).toBeUndefined();
    }
  };
  nothing();
  await using _writer = await open(fifo, "r+");
  nothing();
});

it("a file of gigabytes is no text, and fails where it counts", async () => {
  const path = join(await temporaryFolder(), "file");
  await writeFile(path, "");
  await truncate(path, 5 * 1024 ** 3);
  expect(readText(path)).toBeUndefined();
  expect(readDocument(path)).toBeUndefined();
  expect(() => readBytes(path)).toThrow(/EFBIG/);
});
