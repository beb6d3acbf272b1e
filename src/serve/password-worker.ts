/** The thread that compares passwords: bcrypt is slow on purpose, and must not hold up transfers. */
import { parentPort } from "node:worker_threads";
import { compareSync } from "bcryptjs";

/** Answered with `{ id, fits }`. */
export interface PasswordQuestion {
  readonly id: number;
  readonly password: string;
  readonly hash: string;
}

parentPort?.on("message", ({ id, password, hash }: PasswordQuestion) => {
  let fits = false;
  try {
    fits = compareSync(password, hash);
  } catch {
    // What cannot be compared does not fit.
  }
  parentPort?.postMessage({ id, fits });
});
