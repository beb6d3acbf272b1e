/** The benchmark's numbers as tables. */
import type { Measurement } from "./measure.js";
import { median } from "./measure.js";
import type { BusyRoot } from "./store-root.js";

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
  return aligned(cells);
}

/** Seconds in which an answer has to be there. */
const STORE_LIMIT_SECONDS = 0.5;

/** One command, as often as it was run. */
export interface StoreRow {
  readonly command: string;
  /** Wall seconds of each run; empty where it failed. */
  readonly walls: readonly number[];
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  /** What it said when it failed. */
  readonly failure?: string;
}

export interface StoreReport {
  readonly root: BusyRoot;
  readonly rows: readonly StoreRow[];
  /** How long a dockerd takes to start on the root, where there is one. */
  readonly dockerdSeconds: number | undefined;
}

/** How long each command took on a large root, and whether that is soon enough. */
export function storeTable({ rows, dockerdSeconds }: StoreReport): string {
  const limit = `${STORE_LIMIT_SECONDS} s`;
  const cells = [
    ["", "wall ms", "(range)", `under ${limit}`, "CPU ms", "peak MB"],
    ...rows.map(({ command, walls, cpuSeconds, peakBytes, failure }) =>
      failure === undefined
        ? [
            command,
            milliseconds(median(walls)),
            `(${milliseconds(Math.min(...walls))}-${milliseconds(Math.max(...walls))})`,
            median(walls) < STORE_LIMIT_SECONDS ? "yes" : "NO",
            milliseconds(cpuSeconds),
            (peakBytes / 1e6).toFixed(0),
          ]
        : [`${command}: ${failure}`, "-", "-", "-", "-", "-"],
    ),
  ];
  const start =
    dockerdSeconds === undefined
      ? "no dockerd to compare with"
      : `before docker answers, its dockerd starts and reads all of it: ${dockerdSeconds.toFixed(1)} s`;
  return `${aligned(cells)}\n${start}`;
}

function milliseconds(seconds: number): string {
  return (seconds * 1000).toFixed(0);
}

/** Names to the left, numbers to the right. */
function aligned(cells: readonly (readonly string[])[]): string {
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
