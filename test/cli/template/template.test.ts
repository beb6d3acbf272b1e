// Templates against what Go says of them. The same cases are put to docker in test/peers/templates.test.ts.
import { describe, expect, it, test } from "vitest";
import {
  executeHeader,
  executeTemplate,
  inspectLine,
  parseTemplate,
} from "#src/cli/template/template.js";
import {
  embedded,
  field,
  FLOAT64,
  INT,
  INT64,
  mapOf,
  named,
  pointerTo,
  sliceOf,
  STRING,
  structOf,
  UINT8,
  type GoType,
} from "#src/cli/template/types.js";
import {
  bool,
  fromJson,
  int,
  string,
  strings,
  struct,
  typed,
  type GoValue,
} from "#src/cli/template/values.js";
import { CASES, DATA } from "./cases.js";

function shown(text: string, value: GoValue): string {
  return executeTemplate(parseTemplate(text), value);
}

/** The message of the error that it ends with. */
function failure(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toMatchObject({ code: "FORMAT_INVALID" });
    return (error as Error).message;
  }
  return "it did not fail";
}

describe.each(Object.entries(CASES))("%s", (_, cases) => {
  test.each(cases)("%j", (template, result) => {
    const run = (): string =>
      executeTemplate(parseTemplate(template), fromJson(DATA), {
        missingKey: "error",
      });
    if (typeof result === "string") expect(run()).toBe(result);
    else expect(failure(run)).toBe(result.error);
  });
});

describe("a key that a map lacks", () => {
  const value = fromJson({ a: "x" });
  const strict = { type: mapOf(STRING), data: new Map([["a", "x"]]) };

  it("is no value, an error, or the zero of the elements", () => {
    const template = parseTemplate("{{.a}} {{.b}} {{.b.c}}");
    expect(executeTemplate(template, value)).toBe("x <no value> <no value>");
    expect(
      executeTemplate(parseTemplate("{{.b}}|"), strict, { missingKey: "zero" }),
    ).toBe("|");
    expect(
      failure(() => executeTemplate(template, value, { missingKey: "error" })),
    ).toBe(
      'template: :1:9: executing "" at <.b>: map has no entry for key "b"',
    );
  });
});

const PORTS = mapOf(structOf("", []), named("nat.Port", STRING));
const CONFIG = structOf("types.Config", [
  embedded(
    "Basic",
    structOf("types.Basic", [
      field("User", STRING, "User,omitempty"),
      field("Env", sliceOf(STRING), "Env,omitempty"),
      field("Labels", mapOf(STRING), "Labels,omitempty"),
    ]),
  ),
  field("Shell", sliceOf(STRING), ",omitempty"),
]);
const IMAGE = structOf("types.Image", [
  field("ID", STRING, "Id"),
  field("Tags", sliceOf(STRING)),
  field("Size", INT64),
  field("Config", pointerTo(CONFIG)),
  field("Ports", PORTS, ",omitempty"),
  field("Hidden", STRING, "-"),
  field("Ratio", FLOAT64, "ratio"),
  field("Bytes", sliceOf(UINT8), ",omitempty"),
]);

function image(json: unknown): GoValue {
  return typed(IMAGE, json);
}

const FULL = image({
  Id: "i",
  Tags: ["a:1", "b<2>"],
  Size: 12345678901,
  Config: { User: "u", Labels: { z: "1", a: "2" }, Shell: ["sh"] },
  Ports: { "80/tcp": {}, "443/tcp": {} },
  Hidden: "never",
  ratio: 0.25,
});
const EMPTY = image({});

describe("values of declared types", () => {
  test.each<[string, GoValue, string]>([
    [
      "{{.ID}} {{.Tags}} {{.Size}} {{.Ratio}}",
      FULL,
      "i [a:1 b<2>] 12345678901 0.25",
    ],
    ["{{.Config}}", FULL, "{{u [] map[a:2 z:1]} [sh]}"],
    [
      "{{.Config.User}} {{.Config.Basic.User}} {{len .Config.Labels}}",
      FULL,
      "u u 2",
    ],
    ["{{.Ports}}", FULL, "map[443/tcp:{} 80/tcp:{}]"],
    ["{{range $port, $_ := .Ports}}{{$port}} {{end}}", FULL, "443/tcp 80/tcp "],
    ['{{join .Tags "|"}} {{index .Tags 1}}', FULL, "a:1|b<2> b<2>"],
    ['{{index .Config.Labels "z"}}{{index .Config.Labels "no"}}|', FULL, "1|"],
    [
      "{{json .Config}}",
      FULL,
      '{"User":"u","Labels":{"a":"2","z":"1"},"Shell":["sh"]}',
    ],
    [
      "{{json .}}",
      FULL,
      '{"Id":"i","Tags":["a:1","b<2>"],"Size":12345678901,"Config":{"User":"u","Labels":{"a":"2","z":"1"},"Shell":["sh"]},"Ports":{"443/tcp":{},"80/tcp":{}},"ratio":0.25}',
    ],
    [
      "{{json .}}",
      EMPTY,
      '{"Id":"","Tags":null,"Size":0,"Config":null,"ratio":0}',
    ],
    [
      "{{.Config}} {{.Tags}} {{.Ports}} {{len .Tags}}",
      EMPTY,
      "<nil> [] map[] 0",
    ],
    [
      "{{if .Config}}x{{end}}{{if .Tags}}y{{end}}{{with .Ports}}z{{end}}|",
      EMPTY,
      "|",
    ],
    [
      '{{gt .Size 1000}} {{eq .Size 12345678901}} {{printf "%d %x" .Size .Size}}',
      FULL,
      "true true 12345678901 2dfdc1c35",
    ],
    [
      '{{printf "%T %T %T %T" . .Config .Ports .Tags}}',
      FULL,
      "types.Image *types.Config map[nat.Port]struct {} []string",
    ],
    [
      '{{printf "%v" .Config}} {{printf "%+v" .Config}}',
      FULL,
      "&{{u [] map[a:2 z:1]} [sh]} &{Basic:{User:u Env:[] Labels:map[a:2 z:1]} Shell:[sh]}",
    ],
    [
      '{{printf "%#v" .Config}}',
      FULL,
      '&types.Config{Basic:types.Basic{User:"u", Env:[]string(nil), Labels:map[string]string{"a":"2", "z":"1"}}, Shell:[]string{"sh"}}',
    ],
    [
      '{{printf "%s %q" .Tags .Tags}} {{printf "%d" .Tags}}',
      FULL,
      '[a:1 b<2>] ["a:1" "b<2>"] [%!d(string=a:1) %!d(string=b<2>)]',
    ],
    ["{{print .Config nil}}", EMPTY, "<nil> <nil>"],
    [
      '{{.Bytes}} {{json .Bytes}} {{printf "%s %x" .Bytes .Bytes}}',
      {
        type: IMAGE,
        data: [...(EMPTY.data as never[]).slice(0, 7), [104n, 105n]],
      },
      '[104 105] "aGk=" hi 6869',
    ],
  ])("%s", (template, value, text) => {
    expect(shown(template, value)).toBe(text);
  });

  test.each([
    ["{{.Foo}}", "1:2", ".Foo", "can't evaluate field Foo in type types.Image"],
    [
      "{{.Hidden.X}}",
      "1:9",
      ".Hidden.X",
      "can't evaluate field X in type string",
    ],
    [
      "{{.Config.User}}",
      "1:9",
      ".Config.User",
      "nil pointer evaluating *types.Config.User",
    ],
    [
      "{{.Config.Foo}}",
      "1:9",
      ".Config.Foo",
      "can't evaluate field Foo in type *types.Config",
    ],
    [
      '{{index .Ports "80/tcp"}}',
      "1:2",
      'index .Ports "80/tcp"',
      "error calling index: value has type string; should be nat.Port",
    ],
    [
      "{{.Ports.x}}",
      "1:8",
      ".Ports.x",
      "can't evaluate field x in type map[nat.Port]struct {}",
    ],
    [
      "{{upper .Size}}",
      "1:8",
      ".Size",
      "wrong type for value; expected string; got int64",
    ],
    [
      "{{pad .ID .Size 1}}",
      "1:10",
      ".Size",
      "wrong type for value; expected int; got int64",
    ],
    [
      "{{.ID 1}}",
      "1:2",
      ".ID",
      "ID has arguments but cannot be invoked as function",
    ],
    [
      "{{join .Ports .ID}}",
      "1:7",
      ".Ports",
      "wrong type for value; expected []string; got map[nat.Port]struct {}",
    ],
    [
      "{{eq .Size 1.5}}",
      "1:2",
      "eq .Size 1.5",
      "error calling eq: incompatible types for comparison",
    ],
  ])("%s fails", (template, place, at, message) => {
    expect(failure(() => shown(template, EMPTY))).toBe(
      `template: :${place}: executing "" at <${at}>: ${message}`,
    );
  });

  it("takes a pointer's target, and a named slice, for what is wanted", () => {
    const type = structOf("T", [
      field("P", pointerTo(STRING)),
      field("S", named("strslice.StrSlice", sliceOf(STRING))),
    ]);
    const value = typed(type, { P: "p", S: ["a", "b"] });
    expect(shown('{{upper .P}} {{join .S "+"}}', value)).toBe("P a+b");
    expect(failure(() => shown("{{upper .P}}", typed(type, {})))).toBe(
      'template: :1:8: executing "" at <.P>: dereference of nil pointer of type string',
    );
  });

  it("reads what does not fit a type as if it were not there", () => {
    const odd = {
      Id: 5,
      Tags: "x",
      Size: "1",
      Config: [],
      ratio: true,
      Ports: null,
    };
    expect(
      shown(
        "{{.ID}}|{{.Tags}}|{{.Size}}|{{.Config.User}}|{{.Ratio}}|{{.Ports}}",
        image(odd),
      ),
    ).toBe("|[]|0||0|map[]");
  });

  it("has no fault with names that JavaScript gives a meaning", () => {
    const text = '{"__proto__":"p","constructor":"c","toString":"t"}';
    const value = fromJson(JSON.parse(text));
    expect(shown("{{.__proto__}}{{.constructor}}{{.toString}}", value)).toBe(
      "pct",
    );
    for (const name of ["__proto__", "constructor", "toString", "length"]) {
      expect(shown(`{{.${name}}}`, fromJson({}))).toBe("<no value>");
      expect(failure(() => shown(`{{.${name}}}`, EMPTY))).toContain(
        `can't evaluate field ${name} in type types.Image`,
      );
      expect(failure(() => parseTemplate(`{{${name} .}}`))).toBe(
        `template: :1: function "${name}" not defined`,
      );
      expect(failure(() => shown(`{{template "${name}"}}`, EMPTY))).toContain(
        `template "${name}" not defined`,
      );
    }
  });
});

describe("methods and code of types", () => {
  const LEVEL: GoType = {
    kind: "int64",
    name: "log.Level",
    text: (level) => `L${String(level)}`,
    json: (level) => `"level ${String(level)}"`,
    methods: new Map([
      [
        "Next",
        {
          parameters: [],
          call: (level) => ({ type: LEVEL, data: (level as bigint) + 1n }),
        },
      ],
      [
        "Plus",
        {
          parameters: [INT],
          call: (level, [by]) => ({
            type: LEVEL,
            data: (level as bigint) + (by?.data as bigint),
          }),
        },
      ],
    ]),
  };
  const value = typed(
    structOf("T", [field("L", LEVEL), field("P", pointerTo(LEVEL))]),
    { L: 3, P: 4 },
  );

  test.each([
    ["{{.L}} {{.P}} {{print .L .L}} {{.}}", "L3 L4 L3 L3 {L3 L4}"],
    [
      '{{printf "%v %s %q %x %d %5d %#v" .L .L .L .L .L .L .L}}',
      'L3 L3 "L3" 4c33 3     3 3',
    ],
    [
      '{{.L.Next}} {{.L.Next.Next}} {{.L.Plus 4}} {{.L | printf "%s"}}',
      "L4 L5 L7 L3",
    ],
    [
      "{{(.L.Next).Plus 1}} {{5 | .L.Plus}} {{eq .L 3}} {{lt .L 4}}",
      "L5 L8 true true",
    ],
    ["{{json .}}", '{"L":"level 3","P":"level 4"}'],
  ])("%s", (template, text) => {
    expect(shown(template, value)).toBe(text);
  });

  it("are called with what they take", () => {
    expect(failure(() => shown("{{.L.Plus}}", value))).toBe(
      'template: :1:4: executing "" at <.L.Plus>: wrong number of args for Plus: want 1 got 0',
    );
    expect(failure(() => shown('{{.L.Plus "x"}}', value))).toBe(
      'template: :1:10: executing "" at <"x">: expected integer; found "x"',
    );
  });
});

describe("values made by hand", () => {
  const value = struct("main.info", [
    ["Root", string("/r")],
    ["Images", int(3)],
    ["Held", bool(false)],
    ["Names", strings(["a"])],
    ["None", strings(null)],
  ]);

  it("print as others do", () => {
    expect(
      shown("{{.Root}} {{.Images}} {{.Held}} {{.Names}} {{.None}}", value),
    ).toBe("/r 3 false [a] []");
    expect(shown("{{json .}}", value)).toBe(
      '{"Root":"/r","Images":3,"Held":false,"Names":["a"],"None":null}',
    );
    expect(failure(() => shown("{{.X}}", value))).toContain(
      "in type main.info",
    );
  });
});

describe("docker's two tries", () => {
  const json = { Id: "i", Tags: ["a"], Extra: { x: 1 } };

  it("is content with the declared type", () => {
    expect(inspectLine(parseTemplate("{{.ID}}"), image(json), json)).toBe(
      "i\n",
    );
  });

  it("falls back to the JSON for what the type does not know", () => {
    const line = (text: string): string =>
      inspectLine(parseTemplate(text), image(json), json);
    expect(line("{{.Id}} {{.Extra}} {{.Extra.x}}")).toBe("i map[x:1] 1\n");
    // Nothing of the first try is printed.
    expect(line("{{.Tags}} {{.Id}}")).toBe("[a] i\n");
    expect(failure(() => line("{{.Nowhere}}"))).toBe(
      'template: :1:2: executing "" at <.Nowhere>: map has no entry for key "Nowhere"',
    );
  });
});

describe("the line above a table", () => {
  const headers = {
    type: { ...mapOf(STRING), name: "formatter.SubHeaderContext" },
    data: new Map([
      ["ID", "IMAGE ID"],
      ["Size", "SIZE"],
    ]),
  };
  const header = (text: string): string =>
    executeHeader(parseTemplate(text), headers);

  test.each([
    ["{{.ID}}\t{{.Size}}", "IMAGE ID\tSIZE"],
    [
      "{{lower .ID}} {{json .Size}} {{truncate .ID 3}} {{title .ID}}",
      "IMAGE ID SIZE IMAGE ID IMAGE ID",
    ],
    [
      '{{split .ID " "}} {{join .ID ","}} {{pad .Size 1 2}}|',
      "IMAGE ID IMAGE ID  SIZE  |",
    ],
    ["{{.Foo}}", "<no value>"],
    // What fails ends the line.
    ["{{.ID}} {{len 5}} {{.Size}}", "IMAGE ID "],
  ])("%j", (template, text) => {
    expect(header(template)).toBe(text);
  });
});
