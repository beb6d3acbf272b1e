/** What a check is asked for, and what it answers. */
import type { ChainId } from "../digest.js";
import type { Finding } from "./finding.js";

export interface VerifyOptions {
  /** Names, IDs or beginnings of IDs: only these images, their layers, and what concerns them. Everything by default. */
  readonly images?: readonly string[] | undefined;
  /** Only the structure: names, chains, links, modes. No content of layers is read. */
  readonly quick?: boolean | undefined;
  /** Only the content of these layers is read; the structure is checked all the same. */
  readonly contentOf?: ReadonlySet<ChainId> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
  /** Layers that are read at once; one for each core by default. */
  readonly threads?: number | undefined;
}

export interface VerifyProgress {
  /** Bytes of files read so far, and about how many there are. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** Layers done, and how many there are. */
  readonly layers: number;
  readonly totalLayers: number;
}

/**
 * Something that could not be checked, or that there was no point in checking.
 * `IN_THE_MAKING`: a dockerd or another tpull is at work, so that leftovers and
 * what nobody uses were not judged. `ORPHANS`: layers without an image may be of
 * one whose config is lost. `FILES_FORBIDDEN`: this user must not read some
 * files. `TRUSTED_ATTRIBUTES`: attributes of that name space are shown to root
 * only. `OWNERS`: layers were unpacked without the rights to set owners.
 */
export interface NotChecked {
  readonly code:
    | "IN_THE_MAKING"
    | "ORPHANS"
    | "FILES_FORBIDDEN"
    | "TRUSTED_ATTRIBUTES"
    | "OWNERS";
  /** For people. */
  readonly message: string;
}

export interface Verification {
  /** What is wrong, the gravest first. */
  readonly findings: readonly Finding[];
  readonly notChecked: readonly NotChecked[];
  /** How many images and layers there were to check. */
  readonly images: number;
  readonly layers: number;
  /** Bytes of files that were read, and files, directories and all else that was looked at. */
  readonly bytes: number;
  readonly files: number;
  readonly durationMs: number;
}
