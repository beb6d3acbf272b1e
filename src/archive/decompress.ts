/** An archive's bytes in plain: gzip and zstd are read here, xz and bzip2 by the programs of those names, as docker does it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { TpullError, inflated, isTpullError } from "../../store/index.js";
import { throwIfAborted } from "../../store/errors.js";
import { errnoOf } from "../../store/io-error.js";
import { printable } from "../../store/reference/printable.js";
import { invalidArchive } from "./archive-error.js";

/** What tells compressions apart. */
const HEAD_BYTES = 6;
/** So much of what a program complains about is kept. */
const MOST_WORDS = 300;

/** Whether a file begins as something compressed does. */
export function isCompressed(head: Uint8Array): boolean {
  const [a = 0, b, c, d] = head;
  return (
    (a === 0x1f && b === 0x8b) ||
    startsWith(head, "28b52ffd") ||
    // A frame that zstd skips may stand before the others.
    (a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18) ||
    programFor(head) !== undefined
  );
}

/**
 * @param chunks compressed in any of the ways above, or plain
 * @returns chunks that are valid until the next one is asked for
 * @throws TpullError `ARCHIVE_INVALID`, `ARCHIVE_NOT_READABLE` where the
 *   program for it is not installed, `ABORTED`
 */
export async function* decompressed(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, all } = await peek(chunks);
  const program = programFor(head);
  if (program !== undefined) {
    yield* unpackedBy(program, all, signal);
    return;
  }
  try {
    yield* inflated(all, signal);
  } catch (error) {
    if (!isTpullError(error) || error.code !== "LAYER_INVALID") throw error;
    const why = error.message.replace(/^the layer/, "it");
    throw invalidArchive(`cannot be decompressed: ${why}`, error);
  }
}

function programFor(head: Uint8Array): "xz" | "bzip2" | undefined {
  if (startsWith(head, "fd377a585a00")) return "xz";
  return startsWith(head, "425a68") ? "bzip2" : undefined;
}

function startsWith(bytes: Uint8Array, hex: string): boolean {
  const wanted = Buffer.from(hex, "hex");
  return wanted.equals(bytes.subarray(0, wanted.length));
}

/** The first bytes, and all of them. */
async function peek(chunks: AsyncIterable<Uint8Array>): Promise<{
  head: Uint8Array;
  all: AsyncGenerator<Uint8Array, void, undefined>;
}> {
  const rest = chunks[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < HEAD_BYTES) {
    const next = await rest.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* all(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      if (head.length > 0) yield head;
      for (let next = await rest.next(); !next.done; next = await rest.next()) {
        yield next.value;
      }
    } finally {
      await rest.return?.();
    }
  }
  return { head, all: all() };
}

async function* unpackedBy(
  program: string,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const child = spawn(program, ["-dc"], {
    stdio: ["pipe", "pipe", "pipe"],
    // A header may ask for gigabytes.
    env: { ...process.env, XZ_DEFAULTS: "--memlimit-decompress=512MiB" },
  });
  const stop = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (words: string) => {
    complaint = (complaint + words).slice(0, MOST_WORDS);
  });
  const ended = endOf(child);
  let inputFailure: unknown;
  feed(child, chunks).catch((error: unknown) => {
    inputFailure = error;
    stop();
  });
  // Said where the output has been read.
  ended.catch(() => {});
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    const status = await ended;
    throwIfAborted(signal);
    if (inputFailure !== undefined) throw inputFailure;
    if (status !== 0) {
      const words = printable(complaint.trim().replaceAll(/\s+/g, " "));
      throw invalidArchive(
        `cannot be decompressed: ${words === "" ? `${program} failed` : words}`,
      );
    }
  } catch (error) {
    throw errnoOf(error) === "ENOENT" ? notInstalled(program, error) : error;
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** Its exit status; undefined after a signal. */
async function endOf(child: ChildProcess): Promise<number | undefined> {
  const [status] = (await once(child, "close")) as [number | null];
  return status ?? undefined;
}

/** Writes the chunks one by one, since each is valid until the next one only. */
async function feed(
  child: ChildProcess,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { stdin } = child;
  if (stdin === null) return;
  // Why it reads no more is said by its status.
  let isOpen = true;
  stdin.on("error", () => (isOpen = false));
  for await (const chunk of chunks) {
    if (!isOpen) return;
    await new Promise<void>((done) => stdin.write(chunk, () => done()));
  }
  stdin.end();
}

function notInstalled(program: string, cause: unknown): TpullError {
  return new TpullError(
    "ARCHIVE_NOT_READABLE",
    `the archive is compressed with ${program}, and there is no program ${program} here to unpack it`,
    {
      hint: `Install ${program}, or unpack it where there is one: ${program} -dc FILE | tpull load`,
      cause,
    },
  );
}
