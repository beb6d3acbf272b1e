/** Listings: a table for people, or whatever `--format` makes of each row. */

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
}

/**
 * The text of a listing, with a line break behind each line.
 * @param format the value of `--format`: undefined or `table` for the table,
 *   `json`, a Go template, or `table` and a Go template
 * @throws TpullError `FORMAT_INVALID`, which says where the template is wrong
 */
export function formatRows(
  { columns, rows }: Listing,
  format?: string,
): string {
  if (format !== undefined && format !== "table") {
    throw new Error("templates are on their way");
  }
  return alignedTable([
    columns.map(({ header }) => header),
    ...rows.map((row) => columns.map(({ field }) => row[field] ?? "")),
  ]);
}

/** docker's tables: columns at least 10 wide and 3 apart, the last one as long as it is. */
const LEAST_WIDTH = 10;
const PADDING = 3;

/** Left-aligned columns as Go's tabwriter sets them for docker. */
export function alignedTable(lines: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const line of lines) {
    for (const [at, cell] of line.slice(0, -1).entries()) {
      const width = Math.max(LEAST_WIDTH, [...cell].length + PADDING);
      widths[at] = Math.max(widths[at] ?? 0, width);
    }
  }
  return lines
    .map((line) => {
      const cells = line.map((cell, at) =>
        at === line.length - 1
          ? cell
          : cell +
            " ".repeat(Math.max(0, (widths[at] ?? 0) - [...cell].length)),
      );
      return `${cells.join("")}\n`;
    })
    .join("");
}
