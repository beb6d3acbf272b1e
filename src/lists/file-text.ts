/** The text of a list, from a file or standard input. */
import { open } from "node:fs/promises";
import { TpullError, isTpullError } from "../../store/index.js";

/** A rendered chart of a thousand objects has a few megabytes. */
const LARGEST_BYTES = 64 * 1024 * 1024;

/**
 * @param path `-` is standard input
 * @throws TpullError `IMAGE_LIST_INVALID` when it cannot be read, or is too large
 */
export async function textOf(
  path: string,
  stdin?: AsyncIterable<Uint8Array | string>,
): Promise<string> {
  if (path === "-") {
    if (stdin !== undefined) return whole(stdin);
    throw new TpullError("IMAGE_LIST_INVALID", "there is nothing to read from");
  }
  try {
    await using file = await open(path);
    return await whole(file.createReadStream({ autoClose: false }));
  } catch (error) {
    if (isTpullError(error)) throw error;
    throw new TpullError(
      "IMAGE_LIST_INVALID",
      `cannot be read: ${(error as Error).message}`,
    );
  }
}

async function whole(
  source: AsyncIterable<Uint8Array | string>,
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > LARGEST_BYTES) {
      throw new TpullError("IMAGE_LIST_INVALID", "is larger than 64 MiB");
    }
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks).toString("utf8");
}
