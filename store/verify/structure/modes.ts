/**
 * Permissions and owners of the store's own files: only where dockerd or tpull
 * set them, and never for being stricter than need be where older daemons were.
 */
import { lstatSync, type Stats } from "node:fs";
import { basename } from "node:path";
import type { Layout } from "../../layout.js";
import type { FindingCode } from "../finding.js";
import type { About, Report } from "../report.js";
import { whyUnreadable } from "./small-file.js";

/** A root of a dockerd with userns-remap is called `<uid>.<gid>`, and its owners are shifted. */
const REMAPPED = /^\d+\.\d+$/;

export class Modes {
  readonly #layout: Layout;
  readonly #report: Report;
  readonly #owner: { readonly uid: number; readonly gid: number | undefined };
  readonly #isShifted: boolean;

  constructor(layout: Layout, report: Report) {
    this.#layout = layout;
    this.#report = report;
    const found = statOf(layout.driver) ?? statOf(layout.overlay);
    const uid = found?.uid ?? 0;
    // A user's own root: groups are whatever directories hand down.
    this.#owner = { uid, gid: uid === 0 ? 0 : undefined };
    this.#isShifted =
      REMAPPED.test(basename(layout.root)) || (uid === 0 && found?.gid !== 0);
  }

  /**
   * @param path absolute; nothing is said of what is absent
   * @param allowed the modes it may have, the usual one first
   */
  check(
    code: FindingCode,
    path: string,
    allowed: readonly number[],
    about: About = {},
  ): void {
    const found = statOf(path);
    if (found === undefined) return;
    const mode = found.mode & 0o7777;
    if (!found.isSymbolicLink() && !allowed.includes(mode)) {
      const message = `it has the mode ${octal(mode)} instead of ${octal(allowed[0] ?? 0)}`;
      this.#report.add(code, path, message, about);
    }
    if (this.#isShifted) return;
    const { uid, gid } = this.#owner;
    if (found.uid !== uid || (gid !== undefined && found.gid !== gid)) {
      const message = `it belongs to ${found.uid}:${found.gid} instead of ${uid}${gid === undefined ? "" : `:${gid}`}`;
      this.#report.add(code, path, message, about);
    }
  }

  /** The directories that hold everything else. */
  checkDirectories(): void {
    const { root } = this.#layout;
    for (const [path, allowed] of directories(this.#layout)) {
      this.check("STORE_MODE", path, allowed);
    }
    // The root's own mode is its owner's choice, but nobody else may put things there.
    const found = statOf(root);
    const mode = (found?.mode ?? 0) & 0o7777;
    if ((mode & 0o002) !== 0 && (mode & 0o1000) === 0) {
      const message = `it has the mode ${octal(mode)}: anybody can replace what is in it`;
      this.#report.add("STORE_MODE", root, message);
    }
  }
}

const CLOSED = [0o700];
/** What daemons have given these over the years. */
const OF_OVERLAY = [0o710, 0o700, 0o701, 0o711];
const OPEN = [0o755, 0o700];

function directories(layout: Layout): [path: string, allowed: number[]][] {
  return [
    [layout.image, CLOSED],
    [layout.driver, CLOSED],
    [layout.overlay, OF_OVERLAY],
    [layout.links, CLOSED],
    [layout.imagedb, CLOSED],
    [layout.imagedbContentParent, CLOSED],
    [layout.imagedbContent, CLOSED],
    [layout.imagedbMetadataParent, CLOSED],
    [layout.imagedbMetadata, CLOSED],
    [layout.layerdb, CLOSED],
    [layout.layers, OPEN],
    [layout.layerdbTemporary, OPEN],
    [layout.mounts, OPEN],
    [layout.distribution, CLOSED],
    [layout.diffIdByDigestParent, OPEN],
    [layout.diffIdByDigest, OPEN],
    [layout.v2MetadataParent, OPEN],
    [layout.v2Metadata, OPEN],
    [layout.tpull, CLOSED],
    [layout.blobsParent, CLOSED],
    [layout.blobs, CLOSED],
  ];
}

/** Directories without which images cannot be found; dockerd makes them when it starts. */
export function checkDirectories(layout: Layout, report: Report): void {
  const needed = [
    layout.overlay,
    layout.links,
    layout.imagedbContent,
    layout.imagedbMetadata,
    layout.layers,
    layout.distribution,
  ];
  for (const path of needed) {
    const found = statOf(path);
    if (found === undefined) {
      report.add("STORE_DIRECTORY_MISSING", path, "it is missing");
    } else if (!found.isDirectory()) {
      report.add("STORE_DIRECTORY_MISSING", path, "it is not a directory");
    }
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    whyUnreadable(error);
    return undefined;
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
