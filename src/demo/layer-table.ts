/** The identifiers of an image's layers side by side: the map people draw by hand. */
import type { LayerResult } from "../events.js";

const COLUMNS = [
  "DISTRIBUTION DIGEST",
  "DIFF ID",
  "CHAIN ID",
  "CACHE-ID",
  "SIZE",
] as const;

/** Lines of at most 80 characters, without a final newline. */
export function layerTable(layers: readonly LayerResult[]): string {
  const rows: string[][] = [
    [...COLUMNS],
    ...layers.map(({ digest, diffId, chainId, cacheId, size }) => [
      short(digest),
      short(diffId),
      short(chainId),
      cacheId.slice(0, 12),
      String(size),
    ]),
  ];
  const widths = COLUMNS.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          column === COLUMNS.length - 1
            ? cell.padStart(widths[column] ?? 0)
            : cell.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function short(id: string): string {
  return id.slice("sha256:".length, "sha256:".length + 12);
}
