import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, test } from "vitest";
import { readBytes, readText } from "#store/read.js";
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
