// Any file at all: places, or a TpullError, and never a secret.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interpret, parseToml } from "#src/hosts/hosts-toml.js";
import { fileReport } from "#src/hosts/report.js";
import { isTpullError } from "#store/errors.js";

const report = fileReport("/etc/hosts.toml", () => {});

/** Interprets; tells whether it could be. */
function tryToInterpret(document: Record<string, unknown>): boolean {
  try {
    const places = interpret(document, "reg.example", report);
    expect(places.length).toBeGreaterThan(0);
    for (const { capabilities, connectTimeoutMs = 1 } of places) {
      expect(capabilities.length).toBeGreaterThan(0);
      expect(connectTimeoutMs).toBeGreaterThanOrEqual(1);
      expect(connectTimeoutMs).toBeLessThan(2 ** 31);
    }
    return true;
  } catch (error) {
    if (!isTpullError(error)) throw error;
    expect(error.code).toBe("HOSTS_CONFIG_INVALID");
    return false;
  }
}

const text = fc.oneof(
  fc.string(),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc.constantFrom(
    "pull",
    "resolve",
    "3s",
    "-1ms",
    "https://m",
    "m:5000",
    "http://[::1]:1/v2",
  ),
);
const anything = fc.oneof(
  text,
  fc.boolean(),
  fc.double(),
  fc.constant(new Date(0)),
  fc.array(fc.oneof(text, fc.array(text, { maxLength: 3 }), fc.integer()), {
    maxLength: 4,
  }),
  fc.dictionary(fc.string(), fc.oneof(text, fc.array(text), fc.integer())),
);
/** Mostly what belongs there. */
const likely = <T>(right: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof(
    { arbitrary: right, weight: 30 },
    { arbitrary: anything, weight: 1 },
  );
const url = fc.constantFrom("https://m", "http://[::1]:5000/v2", "m:5000/x");
const files = fc.array(fc.string(), { maxLength: 3 });
const place = fc.record(
  {
    capabilities: likely(
      fc.array(fc.constantFrom("pull", "resolve", "push", "Pull")),
    ),
    ca: likely(fc.oneof(fc.string(), files)),
    client: likely(
      fc.oneof(files, fc.array(fc.tuple(fc.string(), fc.string()))),
    ),
    skip_verify: likely(fc.boolean()),
    header: likely(fc.dictionary(fc.constantFrom("a", "B", "__proto__"), url)),
    override_path: likely(fc.boolean()),
    dial_timeout: likely(
      fc
        .tuple(fc.nat(), fc.constantFrom("ns", "ms", "h"))
        .map((d) => d.join("")),
    ),
    other: anything,
  },
  { requiredKeys: [] },
);
const document = fc
  .tuple(
    place,
    fc.record(
      {
        server: likely(url),
        host: likely(
          fc.dictionary(fc.oneof({ arbitrary: url, weight: 30 }, text), place, {
            maxKeys: 3,
          }),
        ),
      },
      { requiredKeys: [] },
    ),
  )
  .map(([fields, more]) => ({ ...fields, ...more }));

describe("hosts.toml of any content", () => {
  it("is places or an error", () => {
    const understood = { yes: 0, no: 0 };
    fc.assert(
      fc.property(document, (table) => {
        understood[tryToInterpret(table) ? "yes" : "no"]++;
      }),
      { numRuns: 2000 },
    );
    // The test is worth something only if both happen.
    expect(understood.yes).toBeGreaterThan(20);
    expect(understood.no).toBeGreaterThan(20);
  });

  const snippet = fc.constantFrom(
    '[host."https://m"]',
    "[header]",
    "[host]",
    "server",
    "host",
    "=",
    '"',
    "'",
    "\n",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    "1",
    "true",
    '"s3cret"',
    "s3cret",
    "ca",
    "client",
    "#",
    "\\",
    "\u0000",
    "1979-05-27",
  );

  it("is a table or an error, as text", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(snippet, fc.string({ maxLength: 3 }))),
        async (parts) => {
          try {
            tryToInterpret(await parseToml(parts.join(""), report));
          } catch (error) {
            if (!isTpullError(error)) throw error;
            expect(error.code).toBe("HOSTS_CONFIG_INVALID");
            expect(error.message).not.toContain("s3cret");
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("takes no longer for an address of slashes", () => {
    const began = performance.now();
    const url = `https://mirror.example${"/".repeat(100_000)}x`;
    expect(tryToInterpret({ server: url })).toBe(true);
    expect(performance.now() - began).toBeLessThan(500);
  });

  it("is an error when it is nested without end", async () => {
    for (const open of [
      "x = " + "[".repeat(100_000),
      "x = " + "{a=".repeat(100_000),
    ]) {
      await expect(parseToml(open, report)).rejects.toMatchObject({
        code: "HOSTS_CONFIG_INVALID",
      });
    }
  });
});
