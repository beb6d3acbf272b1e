/** Why a layer could not be brought, by what is to be done about it. */

/** Failures that another source would not change. */
export const OUR_OWN: ReadonlySet<string> = new Set([
  "ABORTED",
  "DISK_FULL",
  "ROOT_NOT_WRITABLE",
  "STORE_IO_FAILED",
  "WORKER_FAILED",
]);
/** Failures after which the same place may have better bytes. */
export const WRONG_BYTES: ReadonlySet<string> = new Set([
  "DIGEST_MISMATCH",
  "SIZE_MISMATCH",
  "DIFF_ID_MISMATCH",
]);
