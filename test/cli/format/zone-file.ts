/** Files of the time zone database, made here: not every system has it. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../../store/support/roots.js";

export interface Clock {
  readonly name: string;
  /** Seconds east of UTC. */
  readonly offset: number;
  readonly isSummer?: boolean;
}

export interface ZoneData {
  readonly clocks: readonly Clock[];
  /** From that second on, the clock of that index. */
  readonly transitions?: readonly (readonly [at: number, clock: number])[];
  /** The rule after them; undefined for a file of the first version, with 32 bits. */
  readonly rule?: string;
}

/** The bytes of a file (RFC 8536). */
export function zoneBytes(zone: ZoneData): Buffer {
  if (zone.rule === undefined) return block(zone, 4, 0);
  return Buffer.concat([
    // Old readers get something else, so that a test notices who reads it.
    block({ clocks: [{ name: "OLD", offset: 1 }] }, 4, 0x32),
    block(zone, 8, 0x32),
    Buffer.from(`\n${zone.rule}\n`),
  ]);
}

function block(
  { clocks, transitions = [] }: ZoneData,
  width: 4 | 8,
  version: number,
): Buffer {
  const names = clocks.map(({ name }) => Buffer.from(`${name}\0`));
  const header = Buffer.alloc(44);
  header.write("TZif");
  header.writeUInt8(version, 4);
  header.writeUInt32BE(transitions.length, 32);
  header.writeUInt32BE(clocks.length, 36);
  header.writeUInt32BE(Buffer.concat(names).length, 40);
  const times = transitions.map(([at]) => {
    const time = Buffer.alloc(width);
    if (width === 4) time.writeInt32BE(at);
    else time.writeBigInt64BE(BigInt(at));
    return time;
  });
  const types = clocks.map(({ offset, isSummer = false }, index) => {
    const type = Buffer.alloc(6);
    type.writeInt32BE(offset);
    type.writeUInt8(isSummer ? 1 : 0, 4);
    type.writeUInt8(Buffer.concat(names.slice(0, index)).length, 5);
    return type;
  });
  const indexes = Buffer.from(transitions.map(([, clock]) => clock));
  return Buffer.concat([header, ...times, indexes, ...types, ...names]);
}

/** The path of such a file, for `TZ`; removed after the test. */
export async function zoneFile(zone: ZoneData): Promise<string> {
  const path = join(await temporaryFolder(), "zone");
  await writeFile(path, zoneBytes(zone));
  return path;
}

/** Newfoundland as it is now: half an hour off, and west of Greenwich. */
export const NEWFOUNDLAND: ZoneData = {
  clocks: [{ name: "NST", offset: -12_600 }],
  rule: "NST3:30NDT,M3.2.0,M11.1.0",
};
/** Central Europe as it is now. */
export const BERLIN: ZoneData = {
  clocks: [{ name: "CET", offset: 3600 }],
  rule: "CET-1CEST,M3.5.0,M10.5.0/3",
};
