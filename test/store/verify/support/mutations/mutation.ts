/** What a mutation is, and the means of several of them. */
import type { FindingCode } from "#store/index.js";
import { AT_FDCWD, cPath, lsetxattr, mknodat } from "#store/native/libc.js";
import type { Scene } from "../scene.js";

export interface Mutation {
  readonly name: string;
  /** All codes that come of it; nothing else may be found. */
  readonly codes: readonly FindingCode[];
  readonly damage: (scene: Scene) => void;
  /** It takes root's rights to do it. */
  readonly root: boolean;
  /** What a finding must be about. */
  readonly path?: (scene: Scene) => string;
}

export const ZEROS: string = "0".repeat(64);
export const ONES: string = "1".repeat(64);

export function mutation(
  name: string,
  codes: FindingCode | readonly FindingCode[],
  damage: (scene: Scene) => void,
): Mutation {
  return { name, codes: [codes].flat(), damage, root: false };
}

/** One that takes root's rights. */
export function asRoot(
  name: string,
  codes: FindingCode | readonly FindingCode[],
  damage: (scene: Scene) => void,
): Mutation {
  return { ...mutation(name, codes, damage), root: true };
}

export function makeNode(
  path: string,
  mode: number,
  device: number | bigint,
): void {
  const result = mknodat(AT_FDCWD, cPath(path), mode, device);
  if (result < 0) throw new Error(`mknod ${path}: ${result}`);
}

export function setXattr(path: string, name: string, value: string): void {
  const result = lsetxattr(cPath(path), cPath(name), Buffer.from(value));
  if (result < 0) throw new Error(`setxattr ${path}: ${result}`);
}
