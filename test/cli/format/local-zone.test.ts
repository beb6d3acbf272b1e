import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { localZone } from "#src/cli/format/local-zone.js";
import { timeTypeByRule } from "#src/cli/format/zone-rule.js";
import { parseZoneFile } from "#src/cli/format/tzif.js";
import { temporaryFolder } from "../../store/support/roots.js";
import { BERLIN, zoneBytes, zoneFile, type ZoneData } from "./zone-file.js";

const seconds = (text: string): number => Date.parse(text) / 1000;

async function clockAt(zone: ZoneData, at: number) {
  const { name, offset } = localZone({ TZ: await zoneFile(zone) }).at(at);
  return [name, offset];
}

describe("a zone", () => {
  const zone: ZoneData = {
    clocks: [
      { name: "LMT", offset: 3208 },
      { name: "CET", offset: 3600 },
      { name: "CEST", offset: 7200, isSummer: true },
      { name: "+0330", offset: 12_600 },
    ],
    transitions: [
      [-2_422_054_408, 1],
      [0, 2],
      [1000, 3],
    ],
    rule: "",
  };

  test.each([
    [-1e11, "LMT", 3208],
    [-2_422_054_409, "LMT", 3208],
    [-2_422_054_408, "CET", 3600],
    [-1, "CET", 3600],
    [0, "CEST", 7200],
    [999, "CEST", 7200],
    [1000, "+0330", 12_600],
    [1e11, "+0330", 12_600],
  ])("at %d has the clock %s", async (at, name, offset) => {
    expect(await clockAt(zone, at)).toEqual([name, offset]);
  });

  it("follows its rule after the last transition", async () => {
    const ruled = { ...zone, rule: BERLIN.rule! };
    expect(await clockAt(ruled, 999)).toEqual(["CEST", 7200]);
    expect(await clockAt(ruled, seconds("2024-01-01T00:00Z"))).toEqual([
      "CET",
      3600,
    ]);
    expect(await clockAt(ruled, seconds("2500-07-01T00:00Z"))).toEqual([
      "CEST",
      7200,
    ]);
    const unreadable = { ...zone, rule: "CET-" };
    expect(await clockAt(unreadable, 1e10)).toEqual(["+0330", 12_600]);
  });

  it("begins with winter where its first change is to summer", async () => {
    const clocks = [
      { name: "SUM", offset: 1, isSummer: true },
      { name: "WIN", offset: 0 },
    ];
    expect(
      await clockAt({ clocks, transitions: [[5, 0]], rule: "" }, 4),
    ).toEqual(["WIN", 0]);
  });

  it("may be a file of the first version", async () => {
    const old = {
      clocks: zone.clocks,
      transitions: zone.transitions!.slice(1),
    };
    expect(await clockAt(old, 0)).toEqual(["CEST", 7200]);
    expect(await clockAt(old, 1e9)).toEqual(["+0330", 12_600]);
  });
});

describe("where the zone is looked for", () => {
  it("is UTC when TZ is empty, UTC, or nothing that is there", async () => {
    const folder = await temporaryFolder();
    const broken = join(folder, "broken");
    await writeFile(broken, zoneBytes(BERLIN).subarray(0, 60));
    for (const TZ of [
      "",
      ":",
      "UTC",
      "No/Where",
      "/no/where",
      "../etc/passwd",
      broken,
      folder,
    ]) {
      expect(localZone({ TZ }).at(0)).toMatchObject({ name: "UTC", offset: 0 });
    }
  });

  it("is a path, also behind a colon", async () => {
    const path = await zoneFile(BERLIN);
    for (const TZ of [path, `:${path}`]) {
      expect(localZone({ TZ }).at(0).name).toBe("CET");
    }
  });

  const database = "/usr/share/zoneinfo/Europe";
  it.skipIf(!existsSync(database))(
    "is the system's database, whose zones are those of Intl",
    () => {
      for (const city of ["Berlin", "Lisbon", "London", "Helsinki"]) {
        const timeZone = `Europe/${city}`;
        const zone = localZone({ TZ: timeZone });
        const clock = new Intl.DateTimeFormat("sv", {
          timeZone,
          dateStyle: "short",
          timeStyle: "medium",
        });
        for (let at = seconds("1998-01-01T12:00Z"); at < 1.7e9; at += 3e6) {
          const local = new Date((at + zone.at(at).offset) * 1000);
          const shown = local.toISOString().slice(0, 19).replace("T", " ");
          expect(`${city} ${shown}`).toBe(`${city} ${clock.format(at * 1000)}`);
        }
      }
    },
  );
});

describe("rules", () => {
  test.each<[string, string, string, number]>([
    ["UTC0", "2024-07-01T00:00Z", "UTC", 0],
    ["<+0330>-3:30", "2024-07-01T00:00Z", "+0330", 12_600],
    ["<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2024-03-31T00:59:59Z", "-02", -7200],
    ["<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2024-03-31T01:00:00Z", "-01", -3600],
    ["<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2024-10-27T01:00:00Z", "-02", -7200],
    ["CET-1CEST,M3.5.0,M10.5.0/3", "2024-03-31T00:59:59Z", "CET", 3600],
    ["CET-1CEST,M3.5.0,M10.5.0/3", "2024-03-31T01:00:00Z", "CEST", 7200],
    ["CET-1CEST,M3.5.0,M10.5.0/3", "2024-10-27T00:59:59Z", "CEST", 7200],
    ["CET-1CEST,M3.5.0,M10.5.0/3", "2024-10-27T01:00:00Z", "CET", 3600],
    ["AEST-10AEDT,M10.1.0,M4.1.0/3", "2024-01-01T00:00Z", "AEDT", 39_600],
    ["AEST-10AEDT,M10.1.0,M4.1.0/3", "2024-07-01T00:00Z", "AEST", 36_000],
    ["EST5EDT", "2024-03-10T06:59:59Z", "EST", -18_000],
    ["EST5EDT", "2024-03-10T07:00:00Z", "EDT", -14_400],
    ["XXX0YYY-2,J60,300", "2024-02-29T12:00Z", "XXX", 0],
    ["XXX0YYY-2,J60,300", "2024-03-01T02:00Z", "YYY", 7200],
    ["XXX0YYY-2,J60/0,300/0:00:30", "2023-10-27T22:00:29Z", "YYY", 7200],
    ["XXX0YYY-2,J60/0,300/0:00:30", "2023-10-27T22:00:30Z", "XXX", 0],
  ])("%s at %s is %s", (rule, at, name, offset) => {
    expect(timeTypeByRule(rule, seconds(at))).toMatchObject({ name, offset });
  });

  test.each([
    "",
    "CET",
    "C-1",
    "CET-1CEST,M3.6.0,M10.5.0",
    "CET-1CEST,x,y",
    "CET-1CEST,M3.5.0",
  ])("%j cannot be read", (rule) => {
    expect(timeTypeByRule(rule, 0)).toBeUndefined();
  });
});

it("whatever else is in a file, it is no zone", () => {
  const whole = zoneBytes(BERLIN);
  expect(parseZoneFile(whole)?.rule).toBe(BERLIN.rule);
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from("TZif"),
    whole.subarray(1),
  ]) {
    expect(parseZoneFile(bytes)).toBeUndefined();
  }
});
