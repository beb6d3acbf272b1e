/** Listings: a table for people, or whatever `--format` makes of each row. */
import { jsonString } from "../template/json.js";
import {
  executeHeader,
  executeTemplate,
  parseTemplate,
} from "../template/template.js";
import { field, mapOf, STRING, type StructType } from "../template/types.js";
import { string, type GoValue } from "../template/values.js";
import { setColumns } from "./tabwriter.js";

/** A column of the table: which field of a row, and what stands above it. */
export interface Column {
  readonly field: string;
  readonly header: string;
}

/** One line of a listing, as docker's formatters see it: the fields by name, as text. */
export type Row = Readonly<Record<string, string>>;

export interface Listing {
  /** Those of the table without `--format`. */
  readonly columns: readonly Column[];
  /** Headers of further fields, for `--format 'table …'`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
  /** What errors call a row, as `*formatter.imageContext`. */
  readonly rowType?: string;
}

const TABLE = "table";
const ALL = "json";
const JSON_ROW = "{{json .}}";

/**
 * The text of a listing, with a line break behind each line. (docker/cli,
 * cli/command/formatter/formatter.go.)
 * @param format the value of `--format`: undefined or `table` for the table,
 *   `json`, a Go template, or `table` and a Go template; `\t` and `\n` in it are
 *   a tab and a line break
 * @throws TpullError `FORMAT_INVALID`, which says where the template is wrong
 */
export function formatRows(listing: Listing, format?: string): string {
  const { columns, rows } = listing;
  if (format === undefined || format === TABLE) {
    return alignedTable([
      columns.map(({ header }) => header),
      ...rows.map((row) => columns.map(({ field }) => row[field] ?? "")),
    ]);
  }
  const isTable = format.startsWith(TABLE);
  const source = isTable ? format.slice(TABLE.length) : format;
  const template = parseTemplate(format === ALL ? JSON_ROW : unescaped(source));
  const lines = rowValues(listing).map(
    (row) => `${executeTemplate(template, row)}\n`,
  );
  if (!isTable) return lines.join("");
  const header = executeHeader(template, headerValue(listing));
  return setColumns(`${header}\n${lines.join("")}`);
}

function unescaped(format: string): string {
  let [start, end] = [0, format.length];
  while (format[start] === " ") start += 1;
  while (end > start && format[end - 1] === " ") end -= 1;
  return format
    .slice(start, end)
    .replaceAll(/\\[tn]/g, (each) => (each === "\\t" ? "\t" : "\n"));
}

/** The rows as values of one type, whose fields are those of the listing. */
function rowValues({
  columns,
  headers = {},
  rows,
  rowType = "*formatter.row",
}: Listing): GoValue[] {
  const names = new Set([
    ...columns.map((column) => column.field),
    ...Object.keys(headers),
    ...rows.slice(0, 1).flatMap((row) => Object.keys(row)),
  ]);
  const fields = [...names].sort();
  const type: StructType = {
    kind: "struct",
    name: rowType,
    fields: fields.map((name) => field(name, STRING)),
    // docker's rows have methods, not fields.
    methods: new Map(
      fields.map((name, at) => [
        name,
        {
          parameters: [],
          call: (row) => string((row as readonly string[])[at] ?? ""),
        },
      ]),
    ),
    json: (row) => rowJson(fields, row as readonly string[]),
  };
  return rows.map((row) => ({
    type,
    data: fields.map((name) => row[name] ?? ""),
  }));
}

/** A row as JSON; what HTML gives a meaning is escaped, as docker does here. */
function rowJson(fields: readonly string[], row: readonly string[]): string {
  const options = { escapeHtml: true };
  const members = fields.map(
    (name, at) =>
      `${jsonString(name, options)}:${jsonString(row[at] ?? "", options)}`,
  );
  return `{${members.join(",")}}`;
}

function headerValue({ columns, headers = {} }: Listing): GoValue {
  const own = columns.map((each): [string, string] => [
    each.field,
    each.header,
  ]);
  return {
    type: { ...mapOf(STRING), name: "formatter.SubHeaderContext" },
    data: new Map([...Object.entries(headers), ...own]),
  };
}

/** Left-aligned columns as docker sets them; a tab in a cell begins another one. */
export function alignedTable(lines: readonly (readonly string[])[]): string {
  return setColumns(lines.map((cells) => `${cells.join("\t")}\n`).join(""));
}
