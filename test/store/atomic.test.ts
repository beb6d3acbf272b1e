import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  createDirectory,
  exchange,
  finishDirectory,
  moveDirectory,
  renameDomain,
  replaceFiles,
  replaceLink,
  setMode,
  writeNew,
} from "#store/atomic.js";
import { ioFailure } from "#store/io-error.js";
import { temporaryFolder } from "./support/roots.js";

let folder = "";
beforeEach(async () => {
  folder = await temporaryFolder();
});

const at = (name: string): string => join(folder, name);

describe("replacing files", () => {
  it("renames in order, with exact modes, and leaves nothing beside", async () => {
    writeFileSync(at("0"), "old", { mode: 0o600 });
    const files = Array.from({ length: 6 }, (_, n) => ({
      path: at(String(n)),
      bytes: `new ${n}`,
      mode: 0o640 + n,
    }));
    await replaceFiles(files);
    expect(readdirSync(folder)).toEqual(["0", "1", "2", "3", "4", "5"]);
    for (const [n, { bytes, mode }] of files.entries()) {
      expect(readFileSync(at(String(n)), "utf8")).toBe(bytes);
      expect(statSync(at(String(n))).mode & 0o7777).toBe(mode);
    }
  });

  it("keeps the old content when it fails, and leaves nothing beside", async () => {
    writeFileSync(at("one"), "old");
    mkdirSync(at("two/occupied"), { recursive: true });
    const file = { bytes: "new", mode: 0o600 };
    await expect(
      replaceFiles([
        { ...file, path: at("two") },
        { ...file, path: at("one") },
      ]),
    ).rejects.toThrow("EISDIR");
    expect(readFileSync(at("one"), "utf8")).toBe("old");
    expect(readdirSync(folder).sort()).toEqual(["one", "two"]);
  });

  it("never writes into a file that is there", () => {
    writeFileSync(at("f"), "old");
    expect(() => writeNew(at("f"), "new", 0o600)).toThrow("EEXIST");
    expect(readFileSync(at("f"), "utf8")).toBe("old");
  });
});

describe("directories", () => {
  it("are made once, with exactly their mode", () => {
    expect(createDirectory(at("d"), 0o3757)).toBe(true);
    expect(statSync(at("d")).mode & 0o7777).toBe(0o3757);
    expect(createDirectory(at("d"), 0o700)).toBe(false);
    expect(statSync(at("d")).mode & 0o7777).toBe(0o3757);
  });

  it("do not take a place that is occupied", () => {
    mkdirSync(at("from/x"), { recursive: true });
    mkdirSync(at("to/y"), { recursive: true });
    expect(() => moveDirectory(at("from"), at("to"))).toThrow(
      /ENOTEMPTY|EEXIST/,
    );
  });

  it("know where they can be moved to", async () => {
    mkdirSync(at("a"));
    const here = await renameDomain(folder);
    expect(await renameDomain(at("a"))).toBe(here);
    expect(await renameDomain("/proc")).not.toBe(here);
  });
});

describe("what is there already", () => {
  it("changes places with something else in one step", () => {
    mkdirSync(at("one/inner"), { recursive: true });
    mkdirSync(at("other"));
    const { ino } = statSync(at("one"));
    expect(exchange(at("one"), at("other"))).toBe(true);
    expect(statSync(at("other")).ino).toBe(ino);
    expect(readdirSync(at("other"))).toEqual(["inner"]);
    expect(readdirSync(at("one"))).toEqual([]);
    expect(() => exchange(at("one"), at("absent"))).toThrow("ENOENT");
  });

  it("says where names cannot be exchanged, and changes nothing", () => {
    mkdirSync(at("above/below"), { recursive: true });
    // As a filesystem that does not know how refuses it: EINVAL.
    expect(exchange(at("above"), at("above/below"))).toBe(false);
    expect(readdirSync(at("above"))).toEqual(["below"]);
  });

  it("becomes a link, whatever it was", async () => {
    symlinkSync("/somewhere/else", at("link"));
    writeFileSync(at("file"), "");
    for (const name of ["link", "file", "new"]) {
      await replaceLink(at(name), "../target");
      expect(readlinkSync(at(name))).toBe("../target");
    }
    mkdirSync(at("directory"));
    await expect(replaceLink(at("directory"), "x")).rejects.toThrow("EISDIR");
    expect(readdirSync(folder).sort()).toEqual([
      "directory",
      "file",
      "link",
      "new",
    ]);
  });

  it("gets its mode", async () => {
    writeFileSync(at("file"), "x", { mode: 0o600 });
    mkdirSync(at("directory"), { mode: 0o700 });
    await setMode(at("file"), 0o644);
    await setMode(at("directory"), 0o710);
    expect(statSync(at("file")).mode & 0o7777).toBe(0o644);
    expect(statSync(at("directory")).mode & 0o7777).toBe(0o710);
  });
});

describe("failures", () => {
  const failure = (code: string) =>
    Object.assign(new Error(`${code}: write`), { code });

  it.each([
    ["ENOSPC", "DISK_FULL"],
    ["EDQUOT", "DISK_FULL"],
    ["EACCES", "ROOT_NOT_WRITABLE"],
    ["EROFS", "ROOT_NOT_WRITABLE"],
    ["EIO", "STORE_IO_FAILED"],
  ])("%s becomes %s", (errno, code) => {
    expect(ioFailure(failure(errno), "write it")).toMatchObject({
      name: "TpullError",
      code,
      message: `could not write it: ${errno}: write`,
    });
  });

  it("that are none of the system's stay as they are", () => {
    const defect = new TypeError("x is not a function");
    expect(ioFailure(defect, "write it")).toBe(defect);
    expect(ioFailure(undefined, "write it")).toBeUndefined();
    const reading = ioFailure(failure("EACCES"), "read it", "read");
    expect(reading).toMatchObject({ code: "ROOT_NOT_READABLE" });
  });
});

describe("a directory that was begun", () => {
  it("gets the rest of its mode while it is empty", () => {
    mkdirSync(at("begun"), { mode: 0o700 });
    finishDirectory(at("begun"), 0o755);
    expect(statSync(at("begun")).mode & 0o7777).toBe(0o755);
  });

  it("keeps a mode that was chosen, and what is in use", () => {
    mkdirSync(at("chosen"), { mode: 0o750 });
    finishDirectory(at("chosen"), 0o755);
    expect(statSync(at("chosen")).mode & 0o7777).toBe(0o750);
    mkdirSync(at("used"), { mode: 0o700 });
    writeFileSync(at("used/file"), "");
    finishDirectory(at("used"), 0o755);
    expect(statSync(at("used")).mode & 0o7777).toBe(0o700);
  });
});
