/** Layers of many files whose content is made up, the same bytes each time. */
import { Buffer } from "node:buffer";
import type { Pack } from "tar-stream";

/** Numbers from 0 to 1 that look random and depend on the seed only (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SYLLABLES = "ba de fi go ku la me ni po ru sa te vi wo zu".split(" ");

/** Text of made-up words, which gzip makes about a third of, as it does of source code. */
export function bulkText(length: number, random: () => number): Buffer {
  const text = Buffer.allocUnsafe(length);
  for (let at = 0; at < length;) {
    const syllables = 1 + Math.floor(random() * 4);
    let word = "";
    for (let i = 0; i < syllables; i++)
      word += SYLLABLES[Math.floor(random() * SYLLABLES.length)];
    at += text.write(random() < 0.1 ? `${word}\n` : `${word} `, at);
  }
  return text;
}

export interface BulkLayer {
  readonly seed: number;
  readonly files: number;
  /** Mean size of a file in bytes, at most 500,000; sizes range from nothing to twice as much. */
  readonly meanSize: number;
  /** Files a folder; default 50. */
  readonly folderSize?: number;
}

/** Fills an archive with folders of files. */
export async function packBulk(pack: Pack, layer: BulkLayer): Promise<void> {
  const random = seededRandom(layer.seed);
  const stock = bulkText(1 << 20, random);
  const folderSize = layer.folderSize ?? 50;
  const mtime = new Date(1_700_000_000_000);
  const top = `bulk-${layer.seed}`;
  await entry(pack, { name: `${top}/`, type: "directory", mode: 0o755, mtime });
  for (let i = 0; i < layer.files; i++) {
    const folder = `${top}/${Math.floor(i / folderSize)}`;
    if (i % folderSize === 0)
      await entry(pack, {
        name: `${folder}/`,
        type: "directory",
        mode: 0o755,
        mtime,
      });
    const size = Math.floor(random() * 2 * layer.meanSize);
    const start = Math.floor(random() * (stock.length - size));
    const data = stock.subarray(start, start + size);
    await entry(
      pack,
      { name: `${folder}/file-${i}`, mode: 0o644, mtime },
      data,
    );
  }
}

function entry(
  pack: Pack,
  header: Parameters<Pack["entry"]>[0],
  data: Buffer = Buffer.alloc(0),
): Promise<void> {
  return new Promise((resolve, reject) => {
    pack.entry(header, data, (error) => (error ? reject(error) : resolve()));
  });
}
