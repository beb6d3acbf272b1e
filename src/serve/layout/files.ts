/** The files of an image layout, wherever they lie: in a folder, or inside one tar archive. */
import type { Digest } from "../../../store/index.js";
import { TpullError } from "../../../store/index.js";

/** No client takes a larger manifest; an index of images is not larger either. */
export const MAX_MANIFEST_BYTES: number = 4 * 1024 * 1024;

/** The two that a layout has, and the one by which other forms are told. */
export type TopFile = "oci-layout" | "index.json" | "manifest.json";

export interface LayoutFiles {
  /** The path of the folder or archive. */
  readonly place: string;
  /** How messages call a file in it. */
  pathOf(name: string): string;
  /**
   * One of the files at the top; undefined when it is not there.
   * @throws TpullError `LAYOUT_INVALID` for one that is no small regular file
   */
  top(name: TopFile): Promise<Buffer | undefined>;
  /** A blob as it lies there; undefined when it does not, or is no regular file (a link could lead anywhere). */
  blob(digest: Digest): Promise<Stretch | undefined>;
  /** Gives back what is held open, as soon as nobody reads any more. */
  close(): Promise<void>;
}

/** Bytes of a file that belong together. */
export interface Stretch {
  /** Changes when the file is changed or replaced, as far as the filesystem tells. */
  readonly identity: string;
  readonly size: number;
  open(): Promise<StretchReader>;
}

export interface StretchReader {
  /** Fills the buffer from `position` on, as far as one read does. @returns how many bytes; 0 at the end */
  read(buffer: Uint8Array, position: number): Promise<number>;
  close(): void;
}

/** All of a stretch. The caller has looked at its size. */
export async function readStretch(stretch: Stretch): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(stretch.size);
  const reader = await stretch.open();
  try {
    for (let at = 0; at < buffer.length;) {
      const length = await reader.read(buffer.subarray(at), at);
      if (length === 0) throw new Error(`ends after ${at} bytes`);
      at += length;
    }
  } finally {
    reader.close();
  }
  return buffer;
}

export function invalidLayout(
  path: string,
  what: string,
  cause?: unknown,
): TpullError {
  return new TpullError("LAYOUT_INVALID", `${path} ${what}`, {
    hint: "An OCI image layout is a directory (or a plain tar of one) with oci-layout, index.json and blobs/; 'tpull bundle' and 'skopeo copy … oci:DIR:TAG' make them. A data root is served with --root.",
    cause,
  });
}
