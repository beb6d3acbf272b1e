/** Files of the time zone database, as `/etc/localtime` is one (RFC 8536). */

/** What clocks show in a zone for a while. */
export interface LocalTimeType {
  /** Seconds east of UTC. */
  readonly offset: number;
  /** `CEST`, or digits like `+03` where no letters are in use. */
  readonly name: string;
  readonly isSummer: boolean;
}

export interface ZoneFile {
  readonly types: readonly LocalTimeType[];
  /** From this second on clocks show the type of that index. In order of time. */
  readonly transitions: readonly {
    readonly at: number;
    readonly type: number;
  }[];
  /** The rule for all time after the last transition; empty where there is none. */
  readonly rule: string;
}

const HEADER_BYTES = 44;
const TYPE_BYTES = 6;

interface Header {
  readonly version: number;
  readonly utcIndicators: number;
  readonly standardIndicators: number;
  readonly leapSeconds: number;
  readonly transitions: number;
  readonly types: number;
  readonly characters: number;
}

/** Undefined for what is no such file, or a damaged one. */
export function parseZoneFile(file: Buffer): ZoneFile | undefined {
  try {
    const first = readHeader(file, 0);
    if (first === undefined) return undefined;
    if (first.version === 0) return readBlock(file, 0, first, 4).zone;
    // The first block is for old readers; one with 64 bits follows it.
    const second = HEADER_BYTES + blockBytes(first, 4);
    const header = readHeader(file, second);
    if (header === undefined) return undefined;
    const { zone, end } = readBlock(file, second, header, 8);
    const footer = file.subarray(end).toString("latin1");
    return { ...zone, rule: /^\n(.*)\n/.exec(footer)?.[1] ?? "" };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readHeader(file: Buffer, at: number): Header | undefined {
  if (file.toString("latin1", at, at + 4) !== "TZif") return undefined;
  const count = (index: number): number =>
    file.readUInt32BE(at + 20 + 4 * index);
  return {
    version: file.readUInt8(at + 4),
    utcIndicators: count(0),
    standardIndicators: count(1),
    leapSeconds: count(2),
    transitions: count(3),
    types: count(4),
    characters: count(5),
  };
}

function blockBytes(header: Header, timeBytes: 4 | 8): number {
  return (
    header.transitions * (timeBytes + 1) +
    header.types * TYPE_BYTES +
    header.characters +
    header.leapSeconds * (timeBytes + 4) +
    header.standardIndicators +
    header.utcIndicators
  );
}

function readBlock(
  file: Buffer,
  headerAt: number,
  header: Header,
  timeBytes: 4 | 8,
): { readonly zone: ZoneFile; readonly end: number } {
  const times = headerAt + HEADER_BYTES;
  const indexes = times + header.transitions * timeBytes;
  const types = indexes + header.transitions;
  const names = types + header.types * TYPE_BYTES;
  const transitions = Array.from({ length: header.transitions }, (_, i) => ({
    at:
      timeBytes === 4
        ? file.readInt32BE(times + 4 * i)
        : Number(file.readBigInt64BE(times + 8 * i)),
    type: file.readUInt8(indexes + i),
  }));
  const readType = (_: unknown, i: number): LocalTimeType => {
    const at = types + TYPE_BYTES * i;
    const name = names + file.readUInt8(at + 5);
    return {
      offset: file.readInt32BE(at),
      isSummer: file.readUInt8(at + 4) !== 0,
      name: file.toString("latin1", name, file.indexOf(0, name)),
    };
  };
  return {
    zone: {
      types: Array.from({ length: header.types }, readType),
      transitions,
      rule: "",
    },
    end: headerAt + HEADER_BYTES + blockBytes(header, timeBytes),
  };
}
