/**
 * gzip by Node's zlib, through minizlib, which drives it synchronously. The
 * portable path; several members in a row and zero padding behind the last one
 * are part of the format and accepted.
 */
import { TpullError } from "../errors.js";
import { PushInflater, writeTo } from "./push-inflater.js";
import type { ByteSource } from "./ring.js";
import { newGunzip } from "./sync-gunzip.js";

/** deflate grows at most 1032-fold: 16 MiB of queued output for one slice. */
const SLICE_BYTES = 16 * 1024;
/** zlib's own output buffers; large ones save calls. */
const OUTPUT_BYTES = 256 * 1024;
// minizlib hands its options to zlib; its own types do not list this one.
const OPTIONS: object = { chunkSize: OUTPUT_BYTES };

export class ZlibGunzip extends PushInflater {
  constructor(source: ByteSource) {
    super(source, SLICE_BYTES, (output) => {
      let failure: unknown;
      const gunzip = newGunzip(OPTIONS);
      gunzip.on("data", (chunk: Buffer) => output(chunk));
      gunzip.on("error", (error: unknown) => {
        failure = error;
      });
      const check = (): void => {
        if (failure !== undefined) throw gzipError(failure);
      };
      return {
        push(chunk): void {
          // zlib stops at a zero byte behind a member: padding, after which it
          // wants to be called again.
          for (let rest = chunk; rest.length > 0;) {
            const taken = writeTo(gunzip, rest);
            check();
            rest = withoutPadding(rest.subarray(taken));
          }
        },
        finish(): void {
          gunzip.end();
          check();
        },
        close(): void {
          gunzip.close();
        },
      };
    });
  }
}

function withoutPadding(bytes: Uint8Array): Uint8Array {
  const length = bytes.findIndex((byte) => byte !== 0);
  return bytes.subarray(length < 0 ? bytes.length : length);
}

function gzipError(cause: unknown): TpullError {
  const reason = (cause as Error).message.replace(/^zlib: /, "");
  return new TpullError(
    "LAYER_INVALID",
    `the gzip stream is damaged: ${reason}`,
    { cause },
  );
}
