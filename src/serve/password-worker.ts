/** The thread that compares passwords: bcrypt is slow on purpose, and must not hold up transfers. */
import { parentPort } from "node:worker_threads";
import { compareSync } from "bcryptjs";

/** Answered with whether the password is that of the hash, before the next one is asked. */
export interface PasswordQuestion {
  readonly password: string;
  readonly hash: string;
}

parentPort?.on("message", ({ password, hash }: PasswordQuestion) => {
  let fits = false;
  try {
    fits = compareSync(password, hash);
  } catch {
    // What cannot be compared does not fit.
  }
  parentPort?.postMessage(fits);
});
