/**
 * Keeps the lines of images that are pulled at the same time apart: the lines
 * of the first unfinished image go out at once, those of the images behind it
 * wait until it is their turn.
 */

type Write = () => void;

interface Block {
  waiting: Write[];
  ended: boolean;
}

export class ImageBlocks {
  readonly #blocks = new Map<string, Block>();

  /** @param images in the order in which their blocks are to appear; others follow as they turn up */
  constructor(images: readonly string[]) {
    for (const image of images) this.#block(image);
  }

  /** Writes for `image`, now or when its turn comes. */
  add(image: string, write: Write): void {
    const block = this.#block(image);
    if (block === this.#front()) write();
    else block.waiting.push(write);
  }

  /** Says that nothing more comes for `image`. */
  end(image: string): void {
    this.#block(image).ended = true;
    for (const [name, block] of this.#blocks) {
      release(block);
      if (!block.ended) return;
      this.#blocks.delete(name);
    }
  }

  /** Writes what still waits, in order: the run is over. */
  flush(): void {
    for (const block of this.#blocks.values()) release(block);
    this.#blocks.clear();
  }

  #front(): Block | undefined {
    return this.#blocks.values().next().value;
  }

  #block(image: string): Block {
    let block = this.#blocks.get(image);
    if (block === undefined) {
      block = { waiting: [], ended: false };
      this.#blocks.set(image, block);
    }
    return block;
  }
}

function release(block: Block): void {
  for (const write of block.waiting.splice(0)) write();
}
