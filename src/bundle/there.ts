/** The layers that a bundle may leave out, from all that says what the other side has. */
import { type DiffId, TpullError } from "../../store/index.js";
import type { RunSession } from "../run-session.js";
import { findImages } from "./find.js";
import { readHave } from "./have.js";
import type { BundleOptions } from "./types.js";

/** @throws TpullError `HAVE_INVALID`, `ARCHIVE_*`, and why a base image is not found */
export async function layersThere(
  session: RunSession,
  options: BundleOptions,
): Promise<Set<DiffId>> {
  const all = new Set<DiffId>();
  for (const path of options.have ?? []) {
    for (const diffId of await readHave(path, session.signal)) all.add(diffId);
  }
  const { found, failures } = await findImages(
    options.base ?? [],
    session.client,
    session,
    options,
  );
  const [failed] = failures;
  if (failed !== undefined) {
    const { code, message, hint, details } = failed.error;
    throw new TpullError(code, message, { hint, details: details ?? {} });
  }
  for (const { config } of found) {
    for (const diffId of config.diffIds) all.add(diffId);
  }
  return all;
}
