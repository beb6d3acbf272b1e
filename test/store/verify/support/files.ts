/** What is done to single files. */
import { lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { AT_FDCWD, cPath, utimensat } from "#store/native/libc.js";

/** Does something to a file and gives it its time back. */
export function keepingTime(path: string, change: () => void): void {
  const { atimeNs, mtimeNs } = lstatSync(path, { bigint: true });
  change();
  setTime(path, atimeNs, mtimeNs);
}

/** Turns over one bit in the middle, and nothing else. */
export function flip(path: string): void {
  keepingTime(path, () => {
    const bytes = readFileSync(path);
    const at = bytes.length >> 1;
    bytes[at] = bytes[at]! ^ 1;
    writeFileSync(path, bytes, { flag: "r+" });
  });
}

export function namesIn(path: string): string[] {
  return readdirSync(path).sort();
}

/** Sets a file's (or link's) own times, to the nanosecond. */
export function setTime(path: string, atime: bigint, mtime: bigint): void {
  const split = (time: bigint): [number, number] => {
    const fraction =
      ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    return [Number((time - fraction) / 1_000_000_000n), Number(fraction)];
  };
  const result = utimensat(
    AT_FDCWD,
    cPath(path),
    ...split(atime),
    ...split(mtime),
  );
  if (result < 0) throw new Error(`utimensat ${path}: ${result}`);
}
