/** The images of a lock file. */
import { parseLock } from "../lock/parse.js";
import type { ListedImage } from "./listed.js";

/**
 * Each image once for each platform that the lock was written for, with the
 * digest that it has there.
 * @param namesOnly leaves the digests
 * @throws TpullError `LOCK_INVALID`
 */
export function lockedImages(text: string, namesOnly = false): ListedImage[] {
  return parseLock(text).images.flatMap(({ reference, digest, wanted }, at) => {
    const from = `images[${at}]`;
    const image = { reference, from, ...(namesOnly ? {} : { digest }) };
    return wanted === undefined
      ? [image]
      : wanted.map((platform) => ({ ...image, platform }));
  });
}
