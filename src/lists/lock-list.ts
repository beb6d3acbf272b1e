/** The images of a lock file. */
import { parseLock } from "../lock/parse.js";
import type { ListedImage } from "./listed.js";

/**
 * Each image once for each platform that the lock was written for, with the
 * digest that it has there.
 * @throws TpullError `LOCK_INVALID`
 */
export function lockedImages(text: string): ListedImage[] {
  return parseLock(text).images.flatMap(({ reference, digest, wanted }, at) => {
    const image = { reference, digest, from: `images[${at}]` };
    return wanted === undefined
      ? [image]
      : wanted.map((platform) => ({ ...image, platform }));
  });
}
