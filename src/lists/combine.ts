/** Lists become one: each image once for each platform, and with one digest. */
import { type Digest, TpullError } from "../../store/index.js";
import {
  canonicalName,
  parseReference,
} from "../../store/reference/reference.js";
import { parsePlatform } from "../platform.js";
import type { ListedImage } from "./listed.js";

export class CombinedImages {
  readonly #images = new Map<string, { name: string; image: ListedImage }>();
  readonly #pins = new Map<string, { digest: Digest; at: string }>();

  /**
   * @param at where it is named
   * @throws TpullError `PLATFORM_INVALID`; `IMAGE_LIST_INVALID` where two locks have different
   *   digests for a name; `REFERENCE_INVALID`, `DIGEST_UNSUPPORTED`
   */
  add(image: ListedImage, at: string): void {
    const { reference, platform, digest } = image;
    const name = canonicalName(parseReference(reference));
    // Said here, since lists are read also where nothing is pulled.
    if (platform !== undefined && platform !== "all") parsePlatform(platform);
    if (digest !== undefined) this.#pin(name, digest, at);
    const key = JSON.stringify([name, platform]);
    if (this.#images.has(key)) return;
    this.#images.set(key, { name, image: { ...image, from: at } });
  }

  #pin(name: string, digest: Digest, at: string): void {
    const before = this.#pins.get(name);
    if (before === undefined) this.#pins.set(name, { digest, at });
    else if (before.digest !== digest) {
      throw new TpullError(
        "IMAGE_LIST_INVALID",
        `${name} is ${digest} here, and ${before.digest} in ${before.at}`,
        { hint: "Only one of the two can have the name." },
      );
    }
  }

  /** In the order in which they were added. What a lock says of a name holds for other lists, too. */
  all(): ListedImage[] {
    return [...this.#images.values()].map(({ name, image }) => {
      const pin = this.#pins.get(name);
      return pin === undefined ? image : { ...image, digest: pin.digest };
    });
  }
}
