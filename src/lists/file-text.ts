/** The text of a list, from a file or standard input, of whatever kind these are. */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, realpath } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { TpullError, abortedError, isTpullError } from "../../store/index.js";
import { throwIfAborted } from "../../store/errors.js";
import { errnoOf } from "../../store/io-error.js";

/** A rendered chart of a thousand objects has a few megabytes. */
const LARGEST_BYTES = 64 * 1024 * 1024;
const PIECE_BYTES = 64 * 1024;
/** How often a pipe is looked at that has nothing to give yet. */
const LOOK_MS = 20;
/** Opening a pipe would wait for a writer where nothing can interrupt it. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * @param path `-` is standard input
 * @param stdin what that is
 * @throws TpullError `IMAGE_LIST_INVALID` when it cannot be read, or is too large; `ABORTED`
 */
export async function textOf(
  path: string,
  { stdin, signal }: TextSource = {},
): Promise<string> {
  throwIfAborted(signal);
  if (path === "-") {
    if (stdin !== undefined) return whole(untilAborted(stdin, signal));
    throw new TpullError("IMAGE_LIST_INVALID", "there is nothing to read from");
  }
  try {
    await using file = await open(path, FLAGS);
    return await whole(piecesOf(path, file, signal));
  } catch (error) {
    if (isTpullError(error)) throw error;
    throw new TpullError(
      "IMAGE_LIST_INVALID",
      `cannot be read: ${(error as Error).message}`,
    );
  }
}

export interface TextSource {
  readonly stdin?: AsyncIterable<Uint8Array | string> | undefined;
  readonly signal?: AbortSignal | undefined;
}

async function whole(
  source: AsyncIterable<Uint8Array | string>,
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > LARGEST_BYTES) {
      throw new TpullError("IMAGE_LIST_INVALID", "is larger than 64 MiB");
    }
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * What a file gives until its end. A pipe that has nothing yet is waited for; a
 * named one also until somebody writes to it, as who opens it would.
 */
async function* piecesOf(
  path: string,
  file: FileHandle,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  let isExpected = await isNamedPipe(path, file);
  for (;;) {
    throwIfAborted(signal);
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    const length = await lengthRead(file, piece);
    if (length === undefined || (length === 0 && isExpected)) {
      await sleep(LOOK_MS);
      continue;
    }
    if (length === 0) return;
    isExpected = false;
    yield piece.subarray(0, length);
  }
}

/** @returns undefined where there is nothing yet */
async function lengthRead(
  file: FileHandle,
  piece: Buffer,
): Promise<number | undefined> {
  try {
    return (await file.read(piece, 0, piece.length, null)).bytesRead;
  } catch (error) {
    if (errnoOf(error) === "EAGAIN") return undefined;
    throw error;
  }
}

/** The pipes of a shell's `<(command)` have no name, and their writer is there already. */
async function isNamedPipe(path: string, file: FileHandle): Promise<boolean> {
  if (!(await file.stat()).isFIFO()) return false;
  try {
    return (await lstat(await realpath(path))).isFIFO();
  } catch {
    return false;
  }
}

/** The same, until the signal fires: whoever waits at a terminal may leave. */
async function* untilAborted<Piece>(
  source: AsyncIterable<Piece>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Piece, void, void> {
  if (signal === undefined) {
    yield* source;
    return;
  }
  const pieces = source[Symbol.asyncIterator]();
  let leave = (): void => {};
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(abortedError());
  });
  left.catch(() => undefined);
  signal.addEventListener("abort", leave, { once: true });
  try {
    for (;;) {
      const next = await Promise.race([pieces.next(), left]);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
