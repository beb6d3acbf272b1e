// Listings as `--format` has them. docker is asked for the same rows in test/peers/templates.test.ts.
import { describe, expect, it, test } from "vitest";
import {
  alignedTable,
  formatRows,
  type Listing,
} from "#src/cli/format/rows.js";

const LISTING: Listing = {
  columns: [
    { field: "Name", header: "NAME" },
    { field: "Size", header: "SIZE" },
  ],
  headers: { ID: "IMAGE ID" },
  rows: [
    { Name: "nginx", Size: "133MB", ID: "abc", Extra: "<x> & y" },
    { Name: "a-rather-long-name", Size: "5B", ID: "def", Extra: "" },
  ],
  rowType: "*formatter.imageContext",
};

function failure(format: string, listing = LISTING): unknown {
  try {
    return formatRows(listing, format);
  } catch (error) {
    return error;
  }
}

describe("formatRows", () => {
  test.each([
    [
      undefined,
      "NAME                 SIZE\nnginx                133MB\na-rather-long-name   5B\n",
    ],
    [
      "table",
      "NAME                 SIZE\nnginx                133MB\na-rather-long-name   5B\n",
    ],
    [
      "json",
      '{"Extra":"\\u003cx\\u003e \\u0026 y","ID":"abc","Name":"nginx","Size":"133MB"}\n' +
        '{"Extra":"","ID":"def","Name":"a-rather-long-name","Size":"5B"}\n',
    ],
    ["{{.Name}}", "nginx\na-rather-long-name\n"],
    ["{{.ID}}\\t{{.Size}}", "abc\t133MB\ndef\t5B\n"],
    ["{{.ID}}\\n", "abc\n\ndef\n\n"],
    ["  {{.ID}}  ", "abc\ndef\n"],
    [
      "table {{.ID}}\\t{{.Name}}",
      "IMAGE ID   NAME\nabc        nginx\ndef        a-rather-long-name\n",
    ],
    ["table {{upper .Name}}", "NAME\nNGINX\nA-RATHER-LONG-NAME\n"],
    // A field without a header has none; docker says so, too.
    [
      "table {{.ID}}\\t{{.Extra}}",
      "IMAGE ID   <no value>\nabc        <x> & y\ndef        \n",
    ],
    ["tablejson", "json\njson\njson\n"],
    [
      'table {{if eq .ID "abc"}}a\\tb{{else}}c{{end}}\\td',
      "c         d\na         b         d\nc         d\n",
    ],
  ])("%j", (format, text) => {
    expect(formatRows(LISTING, format)).toBe(text);
  });

  it("has a header also where there is no row, and nothing else", () => {
    const empty = { ...LISTING, rows: [] };
    expect(formatRows(empty)).toBe("NAME      SIZE\n");
    expect(formatRows(empty, "table {{.ID}}")).toBe("IMAGE ID\n");
    expect(formatRows(empty, "{{.ID}}")).toBe("");
    expect(formatRows(empty, "json")).toBe("");
  });

  it("says what is wrong with a template, and where", () => {
    expect(failure("{{.Nmae}}")).toMatchObject({
      code: "FORMAT_INVALID",
      message:
        'template: :1:2: executing "" at <.Nmae>: can\'t evaluate field Nmae in type *formatter.imageContext',
    });
    expect(failure("table {{.Name}")).toMatchObject({
      code: "FORMAT_INVALID",
      message: "template: :1: bad character U+007D '}'",
      hint: expect.stringContaining("{{json .}}"),
    });
    // Also where there is no row that it could fail for.
    expect(failure("{{end}}", { ...LISTING, rows: [] })).toMatchObject({
      code: "FORMAT_INVALID",
    });
    expect(failure("{{.Name 1}}")).toMatchObject({
      message:
        'template: :1:2: executing "" at <.Name>: wrong number of args for Name: want 0 got 1',
    });
  });

  it("knows the fields that are own, and no others", () => {
    for (const name of ["constructor", "__proto__", "toString"]) {
      expect(failure(`{{.${name}}}`)).toMatchObject({ code: "FORMAT_INVALID" });
    }
  });
});

describe("alignedTable", () => {
  test.each<[string, string[][], string]>([
    ["nothing", [], "\n"],
    ["one cell", [["a"]], "a\n"],
    ["columns of 10 at least", [["a", "b"]], "a         b\n"],
    [
      "3 spaces behind the longest",
      [
        ["12345678", "x", "y"],
        ["", "", "z"],
      ],
      "12345678   x         y\n                     z\n",
    ],
    [
      "wide characters",
      [
        ["日本語日本語", "x"],
        ["abc", "y"],
      ],
      "日本語日本語   x\nabc            y\n",
    ],
    [
      "marks that take no room, and signs of several characters",
      [
        ["e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301", "x"],
        ["👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧", "y"],
        ["12345678", "z"],
      ],
      "e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301   x\n👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧👩‍👩‍👧   y\n12345678   z\n",
    ],
    [
      "a line that lacks a column parts it in two",
      [["a-long-first-cell", "b", "c"], ["x"], ["d", "e", "f"]],
      "a-long-first-cell   b         c\nx\nd         e         f\n",
    ],
  ])("%s", (_, lines, text) => {
    expect(alignedTable(lines)).toBe(text);
  });

  it("bears many columns", () => {
    const cells = Array.from({ length: 20_000 }, () => "x");
    expect(alignedTable([cells, cells]).length).toBe(2 * 199_992);
  });
});
