/** The benchmark's numbers as tables. */
import type { Measurement } from "./measure.js";
import { median } from "./measure.js";

/** All measurements of one image: by contender, in order of rounds. */
export type Results = ReadonlyMap<string, readonly Measurement[]>;

export interface Row {
  readonly contender: string;
  /** Medians. */
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** The highest of all rounds. */
  readonly peakBytes: number;
  readonly fastest: number;
  readonly slowest: number;
  /** Median wall time divided by that of docker, where docker took part. */
  readonly againstDocker: number | undefined;
}

export function summarize(results: Results): Row[] {
  const docker = results.get("docker");
  const dockerWall = docker && median(docker.map((m) => m.wallSeconds));
  return [...results].map(([contender, measurements]) => {
    const walls = measurements.map((m) => m.wallSeconds);
    return {
      contender,
      wallSeconds: median(walls),
      cpuSeconds: median(measurements.map((m) => m.cpuSeconds)),
      peakBytes: Math.max(...measurements.map((m) => m.peakBytes)),
      fastest: Math.min(...walls),
      slowest: Math.max(...walls),
      againstDocker: dockerWall && median(walls) / dockerWall,
    };
  });
}

/** Lines of an aligned table. */
export function table(rows: readonly Row[]): string {
  const cells = [
    ["", "wall s", "(range)", "x docker", "CPU s", "peak MB"],
    ...rows.map((row) => [
      row.contender,
      row.wallSeconds.toFixed(2),
      `(${row.fastest.toFixed(2)}-${row.slowest.toFixed(2)})`,
      row.againstDocker?.toFixed(2) ?? "-",
      row.cpuSeconds.toFixed(1),
      (row.peakBytes / 1e6).toFixed(0),
    ]),
  ];
  const widths = cells[0]!.map((_, i) =>
    Math.max(...cells.map((row) => row[i]!.length)),
  );
  return cells
    .map((row) =>
      row
        .map((cell, i) =>
          i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!),
        )
        .join("  "),
    )
    .join("\n");
}
