/** The content of kept blobs: each has to have the digest that it is named after. */
import { createHash } from "node:crypto";
import { OpenBlob } from "../../blobs/open-blob.js";
import { throwIfAborted } from "../../errors.js";
import type { Layout } from "../../layout.js";
import type { BlobToCheck } from "../structure/blobs.js";

export interface BlobsChecked {
  readonly problems: readonly {
    readonly blob: BlobToCheck;
    readonly message: string;
  }[];
  readonly bytes: number;
  readonly files: number;
}

/**
 * @param onBytes called with the number of bytes read, for each chunk
 * @throws the failed system call, TpullError `ABORTED`
 */
export async function checkBlobContent(
  layout: Layout,
  blobs: readonly BlobToCheck[],
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): Promise<BlobsChecked> {
  const problems: { blob: BlobToCheck; message: string }[] = [];
  let bytes = 0;
  let files = 0;
  for (const blob of blobs) {
    using file = OpenBlob.open(layout, blob.digest);
    if (file === undefined) continue; // it went just now
    const hash = createHash("sha256");
    for await (const chunk of file.read()) {
      throwIfAborted(signal);
      hash.update(chunk);
      bytes += chunk.length;
      onBytes(chunk.length);
    }
    files += 1;
    const found = `sha256:${hash.digest("hex")}`;
    if (found === blob.digest) continue;
    problems.push({ blob, message: `it hashes to ${found}` });
  }
  return { problems, bytes, files };
}
