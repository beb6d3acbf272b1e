/** Makes one gzip layer of a list of archive members. */
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { pack } from "tar-stream";
import { digestOf, parseDiffId } from "../../store/index.js";
import type { DiffId, Digest } from "../../store/index.js";

/** The time of everything in the demo image, so that its bytes never change. */
export const DEMO_TIME = "2025-01-01T00:00:00Z";

/** One level for all layers: the level decides the bytes. */
const GZIP_LEVEL = 6;

/** A member of a layer's archive. Owners are numbers, `root` is 0. */
export interface Member {
  readonly path: string;
  readonly type: "file" | "directory" | "symlink" | "link";
  readonly mode: number;
  /** User and group. */
  readonly owner: number;
  /** Content of a file. */
  readonly text?: string;
  /** Target of a symlink, or of a hard link: the path of an earlier member. */
  readonly target?: string;
}

export interface BuiltLayer {
  readonly digest: Digest;
  readonly diffId: DiffId;
  readonly bytes: Uint8Array;
}

/**
 * Packs members in their order. The same members give the same diff ID
 * everywhere, and the same digest wherever the same zlib compresses.
 */
export async function buildLayer(
  members: readonly Member[],
): Promise<BuiltLayer> {
  const archive = pack();
  for (const { path, type, mode, owner, text, target } of members) {
    archive.entry(
      {
        name: path,
        type,
        mode,
        uid: owner,
        gid: owner,
        mtime: new Date(DEMO_TIME),
        ...(target !== undefined && { linkname: target }),
      },
      text ?? "",
    );
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) {
    chunks.push(chunk);
  }
  const tar = Buffer.concat(chunks);
  const bytes = await promisify(gzip)(tar, { level: GZIP_LEVEL });
  return {
    digest: digestOf(bytes),
    diffId: parseDiffId(digestOf(tar), "demo layer"),
    bytes,
  };
}
