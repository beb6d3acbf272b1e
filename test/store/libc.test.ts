// The calls into the C library.
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import * as libc from "#store/native/libc.js";
import { privilege } from "#store/privilege.js";
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

describe("calls", () => {
  it("return the negated errno on failure", () => {
    expect(libc.mkdirat(dir, path("a"), 0o755)).toBe(0);
    const again = libc.mkdirat(dir, path("a"), 0o755);
    expect(libc.errnoName(again)).toBe("EEXIST");
    expect(libc.errnoName(libc.close(9999))).toBe("EBADF");
    expect(libc.errnoName(-122)).toBe("EDQUOT");
    expect(libc.errnoName(-9999)).toBe("errno 9999");
  });

  it("take names that are not UTF-8", () => {
    const name = path(Buffer.from([0xff, 0x62]));
    const fd = libc.openat(dir, name, constants.O_CREAT, 0o600);
    expect(fd).toBeGreaterThan(0);
    expect(libc.close(fd)).toBe(0);
    const [entry] = readdirSync(folder, { encoding: "buffer" });
    expect(entry).toEqual(Buffer.from([0xff, 0x62]));
  });

  it("refuse names with a NUL inside", () => {
    expect(() => path("a\0b")).toThrow(RangeError);
    expect(() => path(Buffer.from("a\0"))).toThrow(RangeError);
  });

  it("open files that children do not inherit", () => {
    const fd = libc.openat(dir, path("f"), constants.O_CREAT, 0o600);
    const info = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
    const flags = Number.parseInt(/flags:\s*(\d+)/.exec(info)![1]!, 8);
    expect(flags & 0o2000000).not.toBe(0);
    libc.close(fd);
  });

  it("write from any kind of memory", () => {
    const flags = constants.O_CREAT | constants.O_WRONLY;
    const fd = libc.openat(dir, path("f"), flags, 0o600);
    const shared = new Uint8Array(new SharedArrayBuffer(8), 2, 3);
    shared.set(Buffer.from("abc"));
    expect(libc.write(fd, shared, 3)).toBe(3);
    expect(libc.write(fd, Buffer.from("xdef").subarray(1), 3)).toBe(3);
    expect(libc.pwrite(fd, Buffer.from("A"), 1, 0)).toBe(1);
    expect(libc.ftruncate(fd, 5)).toBe(0);
    expect(libc.close(fd)).toBe(0);
    expect(readFileSync(at("f"), "latin1")).toBe("Abcde");
  });

  it("set times to the nanosecond, before 1970 too", () => {
    writeFileSync(at("f"), "");
    symlinkSync("nowhere", at("link"));
    expect(libc.utimensat(dir, path("link"), -5, 1, 2, 3)).toBe(0);
    const link = lstatSync(at("link"), { bigint: true });
    expect([link.atimeNs, link.mtimeNs]).toEqual([
      -4_999_999_999n,
      2_000_000_003n,
    ]);
    const fd = openSync(at("f"), "r+");
    expect(libc.futimens(fd, 1, 0, 1_700_000_000, 123_456_789)).toBe(0);
    closeSync(fd);
    const { mtimeNs } = statSync(at("f"), { bigint: true });
    expect(mtimeNs).toBe(1_700_000_000_123_456_789n);
  });

  it("make and read links", () => {
    expect(libc.symlinkat(path("../x"), dir, path("s"))).toBe(0);
    expect(libc.linkat(dir, path("s"), dir, path("t"))).toBe(0);
    expect(readlinkSync(at("t"))).toBe("../x");
    const buffer = Buffer.alloc(16);
    const length = libc.readlinkat(dir, path("s"), buffer);
    expect(buffer.subarray(0, length).toString()).toBe("../x");
    expect(libc.unlinkat(dir, path("s"))).toBe(0);
    mkdirSync(at("d"));
    expect(libc.unlinkat(dir, path("d"), libc.AT_REMOVEDIR)).toBe(0);
    expect(readdirSync(folder)).toEqual(["t"]);
  });

  it("make whiteouts even without privileges", () => {
    expect(libc.mknodat(dir, path("w"), constants.S_IFCHR, 0)).toBe(0);
    const found = lstatSync(at("w"));
    expect([
      found.isCharacterDevice(),
      found.rdev,
      found.mode & 0o7777,
    ]).toEqual([true, 0, 0]);
  });

  it("pack device numbers as the C library does", () => {
    expect(libc.deviceNumber(0, 0)).toBe(0);
    expect(libc.deviceNumber(8, 1)).toBe(0x801);
    expect(libc.deviceNumber(300, 70000)).toBe(0x11112c70);
    expect(libc.deviceNumber(0x1000, 0)).toBe(2n ** 44n);
  });

  it.runIf(privilege() === "native")("do what only root may", () => {
    const device = libc.deviceNumber(300, 70000);
    expect(
      libc.mknodat(dir, path("c"), constants.S_IFCHR | 0o600, device),
    ).toBe(0);
    expect(statSync(at("c")).rdev).toBe(Number(device));
    expect(libc.fchownat(dir, path("c"), 7, 2_000_000_000)).toBe(0);
    expect(libc.fchmodat(dir, path("c"), 0o640)).toBe(0);
    const found = statSync(at("c"));
    expect([found.uid, found.gid, found.mode & 0o7777]).toEqual([
      7, 2_000_000_000, 0o640,
    ]);
    mkdirSync(at("d"));
    const opaque = path("trusted.overlay.opaque");
    const name = path(`/proc/self/fd/${dir}/d`);
    expect(libc.lsetxattr(name, opaque, Buffer.from("y"))).toBe(0);
  });

  it("flush a filesystem without holding up this thread", async () => {
    let turns = 0;
    const flushed = libc.syncfs(dir);
    await setImmediate();
    turns += 1;
    expect(await flushed).toBe(0);
    expect(turns).toBe(1);
    expect(libc.errnoName(await libc.syncfs(9999))).toBe("EBADF");
  });

  it("exchange names", () => {
    writeFileSync(at("one"), "1");
    writeFileSync(at("other"), "2");
    const rename = (to: string, flags: number): number =>
      libc.renameat2(dir, libc.cPath("one"), dir, libc.cPath(to), flags);
    expect(rename("other", libc.RENAME_EXCHANGE)).toBe(0);
    expect(readFileSync(at("one"), "utf8")).toBe("2");
    expect(readFileSync(at("other"), "utf8")).toBe("1");
    expect(libc.errnoName(rename("absent", libc.RENAME_EXCHANGE))).toBe(
      "ENOENT",
    );
    expect(libc.errnoName(rename("other", 1 << 30))).toBe("EINVAL");
  });

  it("lock between descriptors", () => {
    const other = openSync(folder, "r");
    expect(libc.flock(dir, libc.LOCK_SH | libc.LOCK_NB)).toBe(0);
    expect(libc.flock(other, libc.LOCK_SH | libc.LOCK_NB)).toBe(0);
    const taken = libc.flock(other, libc.LOCK_EX | libc.LOCK_NB);
    expect(libc.errnoName(taken)).toBe("EAGAIN");
    expect(libc.flock(dir, libc.LOCK_UN)).toBe(0);
    expect(libc.flock(other, libc.LOCK_EX | libc.LOCK_NB)).toBe(0);
    closeSync(other);
  });

  it("work in a worker thread", async () => {
    const libcUrl = new URL("../../dist/store/native/libc.js", import.meta.url)
      .href;
    const program = `import(${JSON.stringify(libcUrl)}).then((libc) => {
      const made = libc.cPath(${JSON.stringify(at("made"))});
      const result = libc.mkdirat(libc.AT_FDCWD, made, 0o700);
      require("node:worker_threads").parentPort.postMessage(result);
    })`;
    const worker = new Worker(program, { eval: true });
    const result = await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    expect(result).toBe(0);
    await worker.terminate();
    expect(lstatSync(at("made")).isDirectory()).toBe(true);
  });
});
