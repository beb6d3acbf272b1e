/**
 * A file that a person asked for, in the making: written beside its place,
 * and there only once it is whole and flushed. What a killed process left of
 * one is removed by the next that makes a file in the same folder.
 */
import { randomInt } from "node:crypto";
import { constants, mkdirSync, statSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { moveFile } from "../atomic.js";
import { isAbsent, outputFailure } from "../io-error.js";
import { LockedFile } from "../lock.js";
import { LOCK_EX } from "../native/libc.js";
import { readNames } from "../read.js";

const PREFIX = ".tpull-new-";
const SCRATCH = ".parts";

export class NewFile {
  /** Where it is written until it is whole. */
  readonly path: string;
  readonly #place: string;
  readonly #lock: LockedFile;
  readonly #file: FileHandle;
  #scratch: string | undefined;

  private constructor(
    place: string,
    path: string,
    lock: LockedFile,
    file: FileHandle,
  ) {
    this.#place = place;
    this.path = path;
    this.#lock = lock;
    this.#file = file;
  }

  /** @throws TpullError `OUTPUT_NOT_WRITABLE`, `DISK_FULL` */
  static async begin(place: string, mode: number): Promise<NewFile> {
    const whole = resolve(place);
    return await writing(place, async () => {
      await sweep(dirname(whole));
      const path = join(dirname(whole), PREFIX + randomInt(2 ** 40));
      const lock = new LockedFile(path, "wx", mode);
      lock.tryLock(LOCK_EX);
      return new NewFile(whole, path, lock, await open(path, "r+"));
    });
  }

  /** Writes at an offset. Bytes that are never written are zero. */
  async write(bytes: Uint8Array, offset: number): Promise<void> {
    await writing(this.#place, async () => {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#file.write(
          bytes,
          done,
          bytes.length - done,
          offset + done,
        );
        done += bytesWritten;
      }
    });
  }

  /** A folder beside it for parts that are not in it yet. Goes with the end of this. */
  scratch(): string {
    if (this.#scratch === undefined) {
      const path = this.path + SCRATCH;
      mkdirSync(path, { mode: 0o700 });
      this.#scratch = path;
    }
    return this.#scratch;
  }

  /** Makes it `length` bytes long, durable, and gives it its place. */
  async finish(length: number): Promise<void> {
    await writing(this.#place, async () => {
      await this.#file.truncate(length);
      await this.#file.sync();
      await moveFile(this.path, this.#place);
    });
    await this.#end();
  }

  /** Gives it up; its place is as it was. */
  async discard(): Promise<void> {
    await rm(this.path, { force: true });
    await this.#end();
  }

  async #end(): Promise<void> {
    if (this.#scratch !== undefined) {
      await rm(this.#scratch, { recursive: true, force: true });
    }
    await this.#file.close();
    this.#lock.close();
  }
}

/** Whether something is there that is no file to be replaced: a device, a pipe. */
export function isSpecial(path: string): boolean {
  try {
    const stats = statSync(path);
    return !stats.isFile() && !stats.isDirectory();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

/** Runs `work` and says what failed in terms of the file that was asked for. */
export async function writing<Result>(
  place: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw outputFailure(error, place);
  }
}

/** Its maker holds the lock on it for life. */
async function sweep(directory: string): Promise<void> {
  for (const name of readNames(directory)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(directory, name);
    if (name.endsWith(SCRATCH)) {
      if (!isHeld(path.slice(0, -SCRATCH.length))) {
        await rm(path, { recursive: true, force: true });
      }
    } else if (!isHeld(path)) await rm(path, { force: true });
  }
}

function isHeld(path: string): boolean {
  let file: LockedFile;
  try {
    file = new LockedFile(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return false;
  }
  const free = file.tryLock(LOCK_EX);
  file.close();
  return !free;
}
