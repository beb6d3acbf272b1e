/** An archive as the reader sees it. */
import { type TarHeader } from "#store/ingest/tar-header.js";
import { TarInput, TarReader } from "#store/ingest/tar-reader.js";
import type { ByteSource } from "#store/ingest/ring.js";

export interface ReadMember extends TarHeader {
  readonly content: string;
  /** Bytes in front of the content since the last one's. */
  readonly rawBytes: number;
}

export interface ReadArchive {
  readonly members: readonly ReadMember[];
  /** Bytes behind the last content that belong to the archive, then all that follows. */
  readonly end: number;
  readonly trailing: number;
  /** All of the stream, as the diff ID's hash was given it. */
  readonly seen: Buffer;
  /** The same, put together again from raw runs and contents. */
  readonly again: Buffer;
}

/** Reads an archive to the end of the stream. @throws what the reader throws */
export function readArchive(source: ByteSource): ReadArchive {
  const seen: Buffer[] = [];
  const again: Buffer[] = [];
  const input = new TarInput(source, (chunk) => seen.push(Buffer.from(chunk)));
  const reader = new TarReader(input);
  const members: ReadMember[] = [];
  const takeRaw = (): number => {
    const raw = Buffer.from(reader.raw.bytes);
    again.push(raw);
    reader.raw.clear();
    return raw.length;
  };
  for (;;) {
    const header = reader.next();
    if (header === undefined) break;
    const rawBytes = takeRaw();
    const content: Buffer[] = [];
    for (let left = header.size; left > 0;) {
      const piece = Buffer.from(reader.payload());
      content.push(piece);
      left -= piece.length;
    }
    again.push(...content);
    members.push({
      ...header,
      rawBytes,
      content: Buffer.concat(content).toString("latin1"),
    });
  }
  const end = takeRaw();
  let trailing = 0;
  for (let rest = input.some(1000); rest.length > 0; rest = input.some(1000)) {
    trailing += rest.length;
    again.push(Buffer.from(rest));
  }
  return {
    members,
    end,
    trailing,
    seen: Buffer.concat(seen),
    again: Buffer.concat(again),
  };
}
