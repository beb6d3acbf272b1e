/**
 * minizlib, which drives Node's zlib synchronously. Loaded at the first use:
 * with ISA-L most workers never need it, and a worker's start is part of every
 * pull.
 */
import { createRequire } from "node:module";
import type { Gunzip } from "minizlib";

const require = createRequire(import.meta.url);

/** @param options zlib's own; minizlib hands them on, though its types do not list all of them */
export function newGunzip(options: object): Gunzip {
  const minizlib = require("minizlib") as typeof import("minizlib");
  return new minizlib.Gunzip(options);
}
