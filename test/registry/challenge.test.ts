import {
  parseChallenges,
  preferredChallenge,
} from "#src/registry/challenge.js";
import { mergeScopes, splitScopes } from "#src/registry/scope.js";
import * as fc from "fast-check";
import { expect, test } from "vitest";

function plain(headers: string[]) {
  return parseChallenges(headers).map(({ scheme, parameters }) => [
    scheme,
    Object.fromEntries(parameters),
  ]);
}

const cases: [string, unknown[]][] = [
  [
    'Bearer realm="https://auth.test/token",service="registry",scope="repository:a/b:pull,push registry:catalog:*"',
    [
      [
        "bearer",
        {
          realm: "https://auth.test/token",
          service: "registry",
          scope: "repository:a/b:pull,push registry:catalog:*",
        },
      ],
    ],
  ],
  ["Basic", [["basic", {}]]],
  ['basic REALM="a"', [["basic", { realm: "a" }]]],
  [
    'Basic realm="a, b", Bearer realm="c" , error = "invalid_token"',
    [
      ["basic", { realm: "a, b" }],
      ["bearer", { realm: "c", error: "invalid_token" }],
    ],
  ],
  [
    'Negotiate, Basic realm="x"',
    [
      ["negotiate", {}],
      ["basic", { realm: "x" }],
    ],
  ],
  [
    'Negotiate YWJj==, NTLM, Bearer realm="x"',
    [
      ["negotiate", {}],
      ["ntlm", {}],
      ["bearer", { realm: "x" }],
    ],
  ],
  ["Negotiate YWJj=", [["negotiate", {}]]],
  [
    'Bearer realm="a \\"quoted\\" \\\\ word"',
    [["bearer", { realm: 'a "quoted" \\ word' }]],
  ],
  [
    "Bearer realm=https://auth.test/token,service=x",
    [["bearer", { realm: "https://auth.test/token", service: "x" }]],
  ],
  ['Bearer realm="",,,service="s"', [["bearer", { realm: "", service: "s" }]]],
  ['Bearer realm="first",realm="second"', [["bearer", { realm: "first" }]]],
  ['Bearer realm="never ends', [["bearer", {}]]],
  ["", []],
  [",,", []],
  ["=", []],
  ['"x"', []],
];
test.each(cases)("%s", (header, expected) => {
  expect(plain([header])).toEqual(expected);
});

test("several headers are one list, and Bearer goes before Basic", () => {
  const challenges = parseChallenges(['Basic realm="a"', 'Bearer realm="b"']);
  expect(challenges.map(({ scheme }) => scheme)).toEqual(["basic", "bearer"]);
  expect(preferredChallenge(challenges)?.scheme).toBe("bearer");
  expect(preferredChallenge(challenges.slice(0, 1))?.scheme).toBe("basic");
  expect(preferredChallenge(parseChallenges(["Digest x=y"]))).toBeUndefined();
});

test("what is written comes back, whatever it is", () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
  const value = fc.string({ maxLength: 30 });
  const challenge = fc.tuple(
    name,
    fc.dictionary(name, value, { minKeys: 1, noNullPrototype: true }),
  );
  fc.assert(
    fc.property(fc.array(challenge, { maxLength: 4 }), (challenges) => {
      const header = challenges
        .map(([scheme, parameters]) => {
          const list = Object.entries(parameters).map(
            ([key, text]) => `${key}="${text.replace(/["\\]/g, "\\$&")}"`,
          );
          return `${scheme} ${list.join(", ")}`;
        })
        .join(", ");
      expect(plain([header])).toEqual(challenges);
    }),
  );
});

test("no header is too strange, or takes long", () => {
  const token = fc.constantFrom(
    "Bearer",
    " ",
    ",",
    "=",
    '"',
    "\\",
    "realm",
    "a/b==",
    "\t",
    "é",
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 60 }), (tokens) => {
      expect(Array.isArray(parseChallenges([tokens.join("")]))).toBe(true);
    }),
  );
  const started = performance.now();
  for (const filler of ['a="', 'a="\\', "a=", "a ", ",", '"', "a,"]) {
    parseChallenges([`Bearer ${filler.repeat(8000)}`]);
  }
  expect(performance.now() - started).toBeLessThan(1000);
});

test.each([
  [["repository:a:pull"], ["repository:a:pull"], ["repository:a:pull"]],
  [
    ["repository:a:pull"],
    ["repository:a:push,pull"],
    ["repository:a:pull,push"],
  ],
  [
    ["repository:b:pull"],
    ["repository:a:pull"],
    ["repository:a:pull", "repository:b:pull"],
  ],
  [
    ["repository:a:pull"],
    ["repository:h:5000/a:pull"],
    ["repository:a:pull", "repository:h:5000/a:pull"],
  ],
  [["repository:a:pull"], ["odd"], ["odd", "repository:a:pull"]],
  [["repository:a:pull"], [], ["repository:a:pull"]],
])("scopes %j and %j", (own, asked, merged) => {
  expect(mergeScopes(own, asked)).toEqual(merged);
  expect(mergeScopes(asked, own)).toEqual(merged);
});

test("a challenge may name several scopes", () => {
  expect(splitScopes(" a:b:c   d:e:f ")).toEqual(["a:b:c", "d:e:f"]);
  expect(splitScopes(undefined)).toEqual([]);
});
