/** Where the checks put what they find. */
import { basename } from "node:path";
import type { CacheId, ChainId, ImageId } from "../digest.js";
import { TEMPORARY_PREFIX } from "../atomic.js";
import type { FindingCode } from "./finding.js";
import { addTo } from "./lists.js";

/** Whom and what a finding concerns. */
export interface About {
  readonly chainId?: ChainId | undefined;
  readonly cacheId?: CacheId | undefined;
  readonly imageId?: ImageId | undefined;
  /** The images that need what is wrong. */
  readonly images?: readonly ImageId[] | undefined;
}

/** A finding before images have their names. */
export interface RawFinding extends About {
  readonly code: FindingCode;
  /** Relative to the data root. */
  readonly path: string;
  readonly message: string;
}

/** What a filesystem itself puts where it is mounted. */
const FILESYSTEMS_OWN: ReadonlySet<string> = new Set(["lost+found"]);

export class Report {
  readonly findings: RawFinding[] = [];
  readonly #relative: (path: string) => string;

  /** @param relative makes a path relative to the data root */
  constructor(relative: (path: string) => string) {
    this.#relative = relative;
  }

  /** @param path absolute */
  add(
    code: FindingCode,
    path: string,
    message: string,
    about: About = {},
  ): void {
    this.findings.push({ code, path: this.#relative(path), message, ...about });
  }

  /** Something that is not part of the format. @param path absolute */
  stray(path: string, about: About = {}): void {
    const name = basename(path);
    if (FILESYSTEMS_OWN.has(name)) return;
    if (name.startsWith(TEMPORARY_PREFIX)) {
      const message = "it was not renamed to its place";
      this.add("TEMPORARY_LEFTOVER", path, message, about);
    } else
      this.add("FOREIGN_FILE", path, "it is not part of the format", about);
  }
}

/** Messages about one thing that are told in full. */
const MOST_MESSAGES = 3;

/** One finding for each kind and path: what else is said of the same comes behind it. */
export function merged(findings: readonly RawFinding[]): RawFinding[] {
  const groups = new Map<string, RawFinding[]>();
  for (const finding of findings) {
    const key = `${finding.code} ${finding.path}`;
    addTo(groups, key, finding);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const messages = [...new Set(group.map(({ message }) => message))];
    const told = messages.slice(0, MOST_MESSAGES);
    const more = messages.length - told.length;
    if (more > 0) told.push(`and ${more} more of the kind`);
    // Each knows of another file or image that has to do with it.
    return {
      ...first,
      message: told.join("; "),
      chainId: group.find((one) => one.chainId)?.chainId,
      cacheId: group.find((one) => one.cacheId)?.cacheId,
      imageId: group.find((one) => one.imageId)?.imageId,
      images: [...new Set(group.flatMap(({ images = [] }) => images))],
    };
  });
}
