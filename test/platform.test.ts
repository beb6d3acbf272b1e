import { readCpuInfo } from "#src/cpu-level.js";
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  listPlatforms,
  normalizePlatform,
  parsePlatform,
  platformMatches,
  type Platform,
  type PlatformEntry,
  type WirePlatform,
} from "#src/platform.js";
import { isTpullError, type TpullError } from "#store/errors.js";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";

const AMD64_V3: Platform = {
  os: "linux",
  architecture: "amd64",
  variant: "v3",
};
const ARM_V6: Platform = { os: "linux", architecture: "arm", variant: "v6" };

function refusal(text: unknown): TpullError {
  try {
    parsePlatform(text as string, () => AMD64_V3);
  } catch (error) {
    if (isTpullError(error)) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(text)}`);
}

/** `os/arch/variant` spelled out as an index does, without any normalising. */
function wire(text: string): PlatformEntry {
  const [os, architecture, variant] = text.split("/");
  return {
    platform: {
      ...(os ? { os } : {}),
      ...(architecture ? { architecture } : {}),
      ...(variant ? { variant } : {}),
    },
  };
}

function wireName({ platform }: PlatformEntry): string {
  if (!platform) return "-";
  return [platform.os, platform.architecture, platform.variant]
    .filter((part) => part !== undefined)
    .join("/");
}

/** Names of what is chosen from an index of these names, best first. */
function chosen(index: readonly string[], wanted: string | Platform): string[] {
  const platform = typeof wanted === "string" ? parsePlatform(wanted) : wanted;
  return choosePlatform(index.map(wire), platform).map(wireName);
}

describe("parsePlatform", () => {
  // text, normalised os/arch/variant
  test.each([
    ["linux/amd64", "linux/amd64"],
    ["Linux/AMD64", "linux/amd64"],
    ["linux/x86_64", "linux/amd64"],
    ["linux/x86-64", "linux/amd64"],
    ["linux/X86_64/V3", "linux/amd64/v3"],
    ["linux/amd64/v1", "linux/amd64"],
    ["linux/x86_64/v1", "linux/amd64"],
    ["linux/amd64/v2", "linux/amd64/v2"],
    ["linux/i386", "linux/386"],
    ["linux/i386/v2", "linux/386"],
    ["linux/386", "linux/386"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/aarch64/v8", "linux/arm64"],
    ["linux/arm64", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/v8.0", "linux/arm64"],
    ["linux/arm64/v8.2", "linux/arm64/v8.2"],
    ["linux/arm64/9", "linux/arm64/v9"],
    ["linux/arm64/9.0", "linux/arm64/v9"],
    ["linux/arm64/v9.0", "linux/arm64/v9"],
    ["linux/arm64/v9.2", "linux/arm64/v9.2"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/arm/7", "linux/arm/v7"],
    ["linux/arm/v7", "linux/arm/v7"],
    ["linux/arm/5", "linux/arm/v5"],
    ["linux/arm/6", "linux/arm/v6"],
    ["linux/arm/8", "linux/arm/v8"],
    ["linux/arm/v6", "linux/arm/v6"],
    ["linux/armhf", "linux/arm/v7"],
    ["linux/armhf/v6", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["linux/armel/v5", "linux/arm/v6"],
    ["linux/ppc64le", "linux/ppc64le"],
    ["linux/s390x", "linux/s390x"],
    ["macos/arm64", "darwin/arm64"],
    ["macOS/aarch64", "darwin/arm64"],
    ["windows/amd64", "windows/amd64"],
    // unknown words pass in the longer forms
    ["plan10/quantum", "plan10/quantum"],
    ["linux/quantum/q.2-x_y", "linux/quantum/q.2-x_y"],
    ["constructor/toString", "constructor/tostring"],
    // one word: an architecture is linux'
    ["amd64", "linux/amd64"],
    ["x86_64", "linux/amd64"],
    ["x86-64", "linux/amd64"],
    ["i386", "linux/386"],
    ["AArch64", "linux/arm64"],
    ["arm", "linux/arm/v7"],
    ["armhf", "linux/arm/v7"],
    ["armel", "linux/arm/v6"],
    ["s390x", "linux/s390x"],
    ["riscv64", "linux/riscv64"],
    ["wasm", "linux/wasm"],
    // one word: an os is on this machine's architecture, at its lowest level
    ["linux", "linux/amd64"],
    ["Windows", "windows/amd64"],
    ["macOS", "darwin/amd64"],
    ["linux()", "linux/amd64"],
    // with version and features
    ["windows(10.0.20348)/amd64", "windows(10.0.20348)/amd64"],
    ["windows(10.0.20348+win32k)/amd64", "windows(10.0.20348+win32k)/amd64"],
    ["linux(+simd+gpu+gpu)/arm64", "linux(+gpu+simd)/arm64"],
    ["Windows(1.2%2Bx%20y)", "windows(1.2%2Bx%20y)/amd64"],
  ])("%s is %s", (text, expected) => {
    const platform = parsePlatform(text, () => AMD64_V3);
    expect(formatPlatform(platform)).toBe(expected);
    expect(parsePlatform(expected)).toStrictEqual(platform);
    expect(normalizePlatform(platform)).toStrictEqual(platform);
    expect(Object.isFrozen(platform)).toBe(true);
  });

  it("keeps the variant of an arm host for a bare os", () => {
    expect(parsePlatform("linux", () => ARM_V6)).toStrictEqual(ARM_V6);
  });

  it("asks this machine for a bare os", () => {
    expect(parsePlatform("linux").architecture).toBe(
      hostPlatform().architecture,
    );
  });

  it("leaves parts out that are not there", () => {
    expect(parsePlatform("linux/amd64/v1")).toStrictEqual({
      os: "linux",
      architecture: "amd64",
    });
    expect(parsePlatform("windows(10.0.1%2B2+b+a)/amd64/v2")).toStrictEqual({
      os: "windows",
      architecture: "amd64",
      variant: "v2",
      osVersion: "10.0.1+2",
      osFeatures: ["a", "b"],
    });
  });

  // text, what the message must say, what the hint must say
  test.each<[string, RegExp, RegExp?]>([
    ["", /it is empty/],
    [" ", /a space at position 1/],
    ["linux/amd64 ", /a space at position 12/],
    ["linux/amd64\n", /a line break/],
    ["linux\u0000/amd64", /U\+0000/],
    ["lіnux/amd64", /U\+0456/],
    ["linux/*", /"\*" at position 7/],
    ["*", /"\*"/],
    ["linux/&arm", /"&"/],
    ["linux:amd64", /":"/],
    ["linux/amd64,linux/arm64", /","/, /one platform only/],
    ["/", /a part is missing/],
    ["/linux/arm", /a part is missing/],
    ["linux/arm/", /a part is missing/],
    ["linux//v7", /a part is missing/],
    ["linux/", /a part is missing/],
    ["linux/arm/v7/x", /it has 4 parts/],
    ["a/b/c/d/e", /it has 5 parts/],
    ["quantum", /neither an operating system nor an architecture/],
    ["v7", /neither/],
    ["constructor", /neither/],
    ["__proto__", /neither/],
    ["amd64(1)", /neither/],
    ["amd64/linux", /operating system comes first/, /linux\/amd64\?/],
    ["aarch64/macos", /operating system comes first/, /darwin\/arm64\?/],
    ["linux.x/amd64", /"linux\.x" is not the name/],
    ["linux(/amd64", /"linux\(" is not the name/],
    ["linux)/amd64", /not the name/],
    ["(1.2)/amd64", /not the name/],
    ["linux(1)(2)/amd64", /not the name/],
    ["linux(1)x/amd64", /not the name/],
    ["linux(+)/amd64", /os feature is empty/],
    ["linux(1++b)/amd64", /os feature is empty/],
    ["linux(%zz)/amd64", /"%zz" is not properly/],
    ["linux(+%ff)/amd64", /"%ff" is not properly/],
    ["linux(%0a)/amd64", /"%0a" is not properly/],
    ["linux/amd64(1)", /has "\(" in it/],
    ["linux/am+d64", /has "\+" in it/],
    ["linux/amd64/v%31", /has "%" in it/],
  ])("refuses %j", (text, message, hint) => {
    const error = refusal(text);
    expect(error.code).toBe("PLATFORM_INVALID");
    expect(error.message).toMatch(/^invalid platform "/);
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint ?? /os\/arch\[\/variant\]/);
  });

  test.each([undefined, null, 3, {}, Object.create(null)])(
    "refuses %o, which is no string",
    (value) => {
      expect(refusal(value).code).toBe("PLATFORM_INVALID");
    },
  );

  it("answers any text with a platform in order or an error that is safe to print", () => {
    const piece = fc.constantFrom(
      ..."linux windows amd64 arm arm64 v7 v8.1 unknown / / / ( ) + % %41".split(
        " ",
      ),
      "__proto__",
      "\n",
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 9 }).map((parts) => parts.join("")),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(text, (text) => {
        let platform: Platform;
        try {
          platform = parsePlatform(text);
        } catch (error) {
          if (!isTpullError(error)) throw error;
          expect(error.code).toBe("PLATFORM_INVALID");
          expect(error.message + error.hint).toMatch(/^[\x20-\x7e]+$/);
          return;
        }
        const name = formatPlatform(platform);
        expect(name).toMatch(/^[\x21-\x7e]+$/);
        expect(parsePlatform(name)).toStrictEqual(platform);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("formatPlatform", () => {
  test.each<[Platform, string]>([
    [{ os: "linux", architecture: "amd64" }, "linux/amd64"],
    [{ os: "linux", architecture: "arm64", variant: "v8" }, "linux/arm64/v8"],
    [{ os: "", architecture: "amd64" }, "linux/amd64"],
    [{ os: "linux", architecture: "" }, "linux"],
    [{ os: "a", architecture: "b", osVersion: "", osFeatures: [""] }, "a/b"],
    [
      { os: "a", architecture: "b", osVersion: "1/(2)%" },
      "a(1%2F%282%29%25)/b",
    ],
    [
      { os: "a", architecture: "b", osVersion: "\ud800é" },
      "a(%EF%BF%BD%C3%A9)/b",
    ],
    [{ os: "a", architecture: "b", osFeatures: ["y", "x"] }, "a(+y+x)/b"],
  ])("%j is %s", (platform, expected) => {
    expect(formatPlatform(platform)).toBe(expected);
  });
});

describe("choosePlatform", () => {
  /** Everything that has an order among itself, the worst first. */
  const EVERYTHING = [
    "linux/arm/v4",
    "linux/arm/v5",
    "linux/arm/v6",
    "linux/arm/v7",
    "linux/arm/v8",
    ..."linux/arm64 linux/arm64/v8.1 linux/arm64/v8.2 linux/arm64/v8.3 linux/arm64/v8.4 linux/arm64/v8.5 linux/arm64/v8.6 linux/arm64/v8.7 linux/arm64/v8.8 linux/arm64/v8.9".split(
      " ",
    ),
    ..."linux/arm64/v9 linux/arm64/v9.1 linux/arm64/v9.2 linux/arm64/v9.5 linux/arm64/v9.7".split(
      " ",
    ),
    "linux/386",
    "linux/amd64",
    "linux/amd64/v2",
    "linux/amd64/v3",
    "linux/amd64/v4",
    "linux/s390x",
    "linux/ppc64le",
    "windows/amd64",
    "darwin/arm64",
    "unknown/unknown",
  ];
  const ARM = "linux/arm/v8 linux/arm/v7 linux/arm/v6 linux/arm/v5";
  const V8_5 =
    "linux/arm64/v8.5 linux/arm64/v8.4 linux/arm64/v8.3 linux/arm64/v8.2 linux/arm64/v8.1 linux/arm64";
  const V8_9 = `linux/arm64/v8.9 linux/arm64/v8.8 linux/arm64/v8.7 linux/arm64/v8.6 ${V8_5}`;

  test.each([
    ["linux/amd64", "linux/amd64 linux/386"],
    ["linux/amd64/v2", "linux/amd64/v2 linux/amd64 linux/386"],
    ["linux/amd64/v3", "linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/386"],
    [
      "linux/amd64/v4",
      "linux/amd64/v4 linux/amd64/v3 linux/amd64/v2 linux/amd64 linux/386",
    ],
    ["linux/amd64/haswell", "linux/386"],
    ["linux/386", "linux/386"],
    ["linux/arm64", `linux/arm64 ${ARM}`],
    [
      "linux/arm64/v8.2",
      `linux/arm64/v8.2 linux/arm64/v8.1 linux/arm64 ${ARM}`,
    ],
    ["linux/arm64/v9", `linux/arm64/v9 ${V8_5} ${ARM}`],
    [
      "linux/arm64/v9.1",
      `linux/arm64/v9.1 linux/arm64/v9 linux/arm64/v8.6 ${V8_5} ${ARM}`,
    ],
    [
      "linux/arm64/v9.5",
      `linux/arm64/v9.5 linux/arm64/v9.2 linux/arm64/v9.1 linux/arm64/v9 ${V8_9} ${ARM}`,
    ],
    ["linux/arm64/v10", ""],
    ["linux/arm/v8", ARM],
    ["linux/arm", "linux/arm/v7 linux/arm/v6 linux/arm/v5"],
    ["linux/arm/v6", "linux/arm/v6 linux/arm/v5"],
    ["linux/arm/v5", "linux/arm/v5"],
    ["linux/arm/v4", "linux/arm/v4"],
    ["linux/s390x", "linux/s390x"],
    ["linux/riscv64", ""],
    ["windows/amd64", "windows/amd64"],
    ["macos/arm64", "darwin/arm64"],
    ["freebsd/amd64", ""],
    ["unknown/unknown", ""],
  ])("for %s tries %s", (wanted, expected) => {
    const order = expected === "" ? [] : expected.split(" ");
    expect(chosen(EVERYTHING, wanted)).toStrictEqual(order);
    expect(chosen(EVERYTHING.toReversed(), wanted)).toStrictEqual(order);
  });

  it("normalises both sides", () => {
    const same = ["linux/AMD64", "Linux/x86_64", "LINUX/amd64/V1"];
    expect(chosen(same, "linux/amd64")).toStrictEqual(same);
    expect(chosen(["/amd64"], "linux/amd64")).toHaveLength(1);
    expect(
      chosen(["linux/arm64/8", "linux/aarch64/v8"], "linux/arm64/v8.0"),
    ).toStrictEqual(["linux/arm64/8", "linux/aarch64/v8"]);
    const arm = ["linux/armhf", "linux/arm", "linux/arm/7", "linux/armel"];
    expect(chosen(arm, "linux/arm/v7")).toStrictEqual(arm);
    expect(chosen(arm, "linux/arm/v6")).toStrictEqual(["linux/armel"]);
    expect(
      choosePlatform([wire("linux/amd64")], {
        os: "LINUX",
        architecture: "X86_64",
        variant: "V3",
      }),
    ).toHaveLength(1);
  });

  it("keeps the index's order among equals and returns its own objects", () => {
    const entries = [
      { ...wire("linux/386"), id: 1 },
      { ...wire("linux/amd64"), id: 2 },
      { ...wire("linux/amd64/v3"), id: 3 },
      { ...wire("linux/amd64/v1"), id: 4 },
      { ...wire("linux/386"), id: 5 },
    ];
    const found = choosePlatform(entries, AMD64_V3);
    expect(found.map(({ id }) => id)).toStrictEqual([3, 2, 4, 1, 5]);
    expect(found[0]).toBe(entries[2]);
    expect(entries.map(({ id }) => id)).toStrictEqual([1, 2, 3, 4, 5]);
  });

  it("puts entries without a platform last", () => {
    const entries: PlatformEntry[] = [
      {},
      { platform: null },
      wire("linux/386"),
      { platform: {} },
      { platform: { os: "", architecture: "" } },
      wire("linux/amd64"),
      wire("linux/s390x"),
    ];
    expect(choosePlatform(entries, AMD64_V3)).toStrictEqual([
      entries[5],
      entries[2],
      entries[0],
      entries[1],
      entries[3],
      entries[4],
    ]);
    expect(choosePlatform([{}], AMD64_V3)).toHaveLength(1);
  });

  it("never takes an attestation, nor an entry that says half of nothing", () => {
    const index = [
      "unknown/unknown",
      "UNKNOWN/Unknown",
      "linux/unknown",
      "unknown/amd64",
      "linux",
      "//v8",
    ];
    for (const wanted of ["linux/amd64", "linux/unknown", "unknown/amd64"]) {
      expect(chosen(index, wanted)).toStrictEqual([]);
    }
  });

  it("survives values of the wrong type", () => {
    const odd = [
      { os: 1, architecture: ["amd64"] },
      { os: "linux", architecture: null },
      { os: "linux", architecture: "amd64", variant: 3 },
      { os: "linux", architecture: "amd64", "os.features": "gpu" },
      { os: "linux", architecture: "amd64", "os.features": [7, null] },
    ].map((platform) => ({ platform }));
    expect(choosePlatform(odd, AMD64_V3)).toStrictEqual([
      odd[2],
      odd[3],
      odd[4],
      odd[0],
    ]);
    const noObject = { platform: "linux/amd64" } as unknown as PlatformEntry;
    expect(choosePlatform([noObject], AMD64_V3)).toStrictEqual([noObject]);
  });

  it("takes an image that needs os features only where they are offered", () => {
    const plain: WirePlatform = { os: "linux", architecture: "amd64" };
    const gpu = { ...plain, "os.features": ["gpu"] };
    const both = { ...plain, "os.features": ["simd", "gpu"] };
    const better = { ...gpu, variant: "v2" };
    const entries = [plain, gpu, both, better].map((platform) => ({
      platform,
    }));
    const order = (wanted: string) =>
      choosePlatform(entries, parsePlatform(wanted)).map((entry) =>
        entries.indexOf(entry),
      );
    expect(order("linux/amd64")).toStrictEqual([0]);
    expect(order("linux(+gpu)/amd64")).toStrictEqual([1, 0]);
    expect(order("linux(+simd+gpu)/amd64")).toStrictEqual([2, 1, 0]);
    expect(order("linux(+simd+gpu)/amd64/v2")).toStrictEqual([3, 2, 1, 0]);
  });

  describe("of Windows", () => {
    const BUILDS = [
      "10.0.17763.5820",
      "10.0.20348.2461",
      "10.0.25398.1",
      "10.0.26100.1",
      "6.3.9600.1",
      "odd",
    ];
    const windows = (version?: string): PlatformEntry => ({
      platform: {
        os: "windows",
        architecture: "amd64",
        ...(version === undefined ? {} : { "os.version": version }),
        "os.features": ["win32k"],
      },
    });
    test.each([
      ["windows/amd64", BUILDS],
      [
        "windows(latest)/amd64",
        [
          "10.0.26100.1",
          "10.0.25398.1",
          "10.0.20348.2461",
          "10.0.17763.5820",
          "6.3.9600.1",
          "odd",
        ],
      ],
      ["windows(10.0.17763)/amd64", ["10.0.17763.5820"]],
      ["windows(10.0.17764)/amd64", []],
      ["windows(10.0.20348)/amd64", ["10.0.20348.2461"]],
      ["windows(10.0.22621)/amd64", ["10.0.20348.2461"]],
      ["windows(10.0.25398)/amd64", ["10.0.25398.1", "10.0.20348.2461"]],
      [
        "windows(10.0.26100)/amd64",
        ["10.0.26100.1", "10.0.25398.1", "10.0.20348.2461"],
      ],
      ["windows(10.0.27000)/amd64", ["10.0.26100.1"]],
      ["windows(6.3.9600)/amd64", ["6.3.9600.1"]],
    ])("%s takes %j", (wanted, expected) => {
      const entries = BUILDS.map(windows);
      const found = choosePlatform(entries, parsePlatform(wanted));
      const builds = found.map(({ platform }) => platform?.["os.version"]);
      expect(builds).toStrictEqual(expected);
    });

    it("takes an entry without a version for any", () => {
      const wanted = parsePlatform("windows(10.0.17763)/amd64");
      expect(choosePlatform([windows()], wanted)).toHaveLength(1);
    });

    it("does not look at the version of a linux image", () => {
      const entry = {
        platform: { os: "linux", architecture: "amd64", "os.version": "6.1" },
      };
      expect(choosePlatform([entry], AMD64_V3)).toHaveLength(1);
    });
  });

  it("is a stable choice of some entries, whatever else is in the index", () => {
    const name = fc.constantFrom(...EVERYTHING);
    const index = fc.array(name, { maxLength: 12 });
    fc.assert(
      fc.property(index, name, index, (first, wanted, second) => {
        const platform = parsePlatform(wanted);
        const entries = [...first, ...second].map(wire);
        const found = choosePlatform(entries, platform);
        expect(new Set(found).size).toBe(found.length);
        for (const entry of found) expect(entries).toContain(entry);
        // Choosing among the chosen, or leaving the rest out, changes nothing.
        expect(choosePlatform(found, platform)).toStrictEqual(found);
        const kept = entries.filter((entry) => found.includes(entry));
        expect(choosePlatform(kept, platform)).toStrictEqual(found);
        if (
          [...first, ...second].includes(wanted) &&
          wanted !== EVERYTHING.at(-1)
        ) {
          expect(wireName(found[0] ?? {})).toBe(wanted);
        }
      }),
    );
  });

  it("is quick with a huge index", () => {
    const entries = Array.from({ length: 40_000 }, () => wire("linux/mips64"));
    const start = performance.now();
    expect(choosePlatform(entries, parsePlatform("linux/arm64/v9.7"))).toEqual(
      [],
    );
    expect(performance.now() - start).toBeLessThan(5000);
  });
});

describe("platformMatches", () => {
  // config's platform, wanted, whether it matches
  test.each<[WirePlatform, string, boolean]>([
    [{ os: "linux", architecture: "amd64" }, "linux/amd64", true],
    [{ os: "linux", architecture: "amd64" }, "linux/amd64/v3", true],
    [{ os: "Linux", architecture: "x86_64" }, "linux/amd64", true],
    [{ os: "linux", architecture: "386" }, "linux/amd64", true],
    [{ os: "linux", architecture: "amd64" }, "linux/386", false],
    [{ os: "linux", architecture: "amd64" }, "linux/arm64", false],
    [{ os: "windows", architecture: "amd64" }, "linux/amd64", false],
    [
      { os: "linux", architecture: "amd64", variant: "v3" },
      "linux/amd64/v2",
      false,
    ],
    [{ os: "linux", architecture: "arm", variant: "v6" }, "linux/arm64", true],
    [
      { os: "linux", architecture: "arm", variant: "v7" },
      "linux/arm/v6",
      false,
    ],
    // old builders leave the variant out whatever they built for
    [{ os: "linux", architecture: "arm" }, "linux/arm/v6", true],
    [{ os: "linux", architecture: "arm" }, "linux/arm/v5", true],
    [{ os: "linux", architecture: "arm64" }, "linux/arm64/v10", true],
    // what says nothing contradicts nothing
    [{}, "linux/amd64", true],
    [{ os: "linux" }, "linux/s390x", true],
    [{ os: "windows" }, "linux/s390x", false],
    [{ architecture: "amd64" }, "linux/amd64", true],
    [{ architecture: "amd64" }, "windows/amd64", false],
    [{ os: "unknown", architecture: "unknown" }, "linux/amd64", false],
    [{ os: "unknown", architecture: "unknown" }, "unknown/unknown", false],
    [{ os: 1, architecture: {} }, "linux/amd64", true],
    [
      {
        os: "windows",
        architecture: "amd64",
        "os.version": "10.0.17763.1",
      },
      "windows(10.0.20348)/amd64",
      false,
    ],
  ])("%j for %s: %s", (config, wanted, expected) => {
    expect(platformMatches(config, parsePlatform(wanted))).toBe(expected);
  });
});

describe("listPlatforms", () => {
  it("names each platform once, as the index spells it", () => {
    const entries: PlatformEntry[] = [
      wire("linux/amd64"),
      wire("linux/arm64/v8"),
      wire("unknown/unknown"),
      {},
      wire("linux/amd64"),
      wire("linux/ARM/7"),
      wire("/s390x"),
      {
        platform: {
          os: "windows",
          architecture: "amd64",
          "os.version": "10.0.17763.5820",
        },
      },
    ];
    expect(listPlatforms(entries)).toStrictEqual([
      "linux/amd64",
      "linux/arm64/v8",
      "linux/ARM/7",
      "linux/s390x",
      "windows(10.0.17763.5820)/amd64",
    ]);
    expect(listPlatforms([])).toStrictEqual([]);
  });

  it("is safe to print", () => {
    const [name = ""] = listPlatforms([
      { platform: { os: "\u001b[2J", architecture: "a\n\u202e".repeat(999) } },
    ]);
    expect(name).toMatch(/^[\x20-\x7e]{1,1000}$/);
  });
});

describe("hostPlatform", () => {
  const V1 = "fpu cx8 mmx sse sse2 lm syscall nx";
  const V2 = `${V1} pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm`;
  const V3 = `${V2} xsave avx f16c fma abm movbe bmi1 bmi2 avx2`;
  const V4 = `${V3} avx512f avx512dq avx512cd avx512bw avx512vl`;
  const cpu = (flags: string) =>
    `processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: ${flags}\nvmx flags\t: ept\n\nprocessor\t: 1\nflags\t\t: ${V4}\n`;
  const without = (flags: string, flag: string) =>
    flags.replace(new RegExp(`\\b${flag}\\b`), "");

  test.each([
    [cpu(V4), "linux/amd64/v4"],
    [cpu(without(V4, "avx512cd")), "linux/amd64/v3"],
    [cpu(V3), "linux/amd64/v3"],
    [cpu(without(V4, "abm")), "linux/amd64/v2"],
    [cpu(without(V3, "movbe")), "linux/amd64/v2"],
    [cpu(V2), "linux/amd64/v2"],
    [cpu(without(V4, "lahf_lm")), "linux/amd64"],
    [cpu(without(V3, "pni")), "linux/amd64"],
    [cpu(V1), "linux/amd64"],
    [cpu(""), "linux/amd64"],
    ["", "linux/amd64"],
    ["flags", "linux/amd64"],
    ["model name\t: flags : avx", "linux/amd64"],
  ])("of an x64 machine, case %#", (cpuInfo, expected) => {
    const host = hostPlatform({ architecture: "x64", cpuInfo });
    expect(formatPlatform(host)).toBe(expected);
  });

  const arm = (version: string, model = "ARMv7 Processor rev 4 (v7l)") =>
    `processor\t: 0\nmodel name\t: ${model}\nCPU architecture: ${version}\n`;
  // cpuinfo, uname -m, variant
  test.each([
    [arm("7"), "armv7l", "v7"],
    [arm("7m"), "armv7l", "v7"],
    [arm("8"), "aarch64", "v8"],
    [arm("AArch64"), "aarch64", "v8"],
    [arm("6TEJ"), "armv6l", "v6"],
    [arm("5TE"), "armv5tel", "v5"],
    [arm("4T"), "armv4tl", "v4"],
    [arm("?(17)"), "armv7l", "v7"],
    [arm("7", "ARMv6-compatible processor rev 7 (v6l)"), "armv6l", "v6"],
    [arm("8", "ARMv6-compatible processor"), "armv8l", "v8"],
    // an emulator that shows the cpuinfo of its host
    [cpu(V4), "armv6l", "v6"],
    [cpu(V4), "armv7l", "v7"],
    [cpu(V4), "armv8l", "v8"],
    [cpu(V4), "aarch64", "v8"],
    // nothing to go by: the commonest one
    ["", "arm", "v7"],
    ["", "x86_64", "v7"],
    [arm("nonsense"), "armv6l", "v7"],
  ])("of an arm machine, case %#", (cpuInfo, machine, variant) => {
    const host = hostPlatform({ architecture: "arm", cpuInfo, machine });
    expect(host).toStrictEqual({ os: "linux", architecture: "arm", variant });
  });

  test.each([
    ["arm64", "LE", "linux/arm64"],
    ["ia32", "LE", "linux/386"],
    ["ppc64", "LE", "linux/ppc64le"],
    ["ppc64", "BE", "linux/ppc64"],
    ["s390x", "BE", "linux/s390x"],
    ["riscv64", "LE", "linux/riscv64"],
    ["loong64", "LE", "linux/loong64"],
    ["mips", "BE", "linux/mips"],
    ["mipsel", "LE", "linux/mipsle"],
  ] as const)(
    "of a %s machine (%s) is %s",
    (architecture, endianness, name) => {
      const facts = {
        architecture,
        endianness,
        cpuInfo: cpu(V4),
        machine: "x",
      };
      expect(formatPlatform(hostPlatform(facts))).toBe(name);
    },
  );

  it("of this machine is linux, and its images run here", () => {
    const host = hostPlatform();
    expect(host.os).toBe("linux");
    const index = [wire("linux/mips64"), wire(formatPlatform(host))];
    expect(choosePlatform(index, host)).toStrictEqual([index[1]]);
  });

  it("does without /proc/cpuinfo", () => {
    expect(readCpuInfo("/does/not/exist")).toBe("");
    expect(readCpuInfo("/")).toBe("");
    expect(readCpuInfo(import.meta.filename)).toContain("readCpuInfo");
  });
});
