/** How long it takes to look at a large data root: each command in a process of its own, beside docker on the same root. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDockerd, type Dockerd } from "../helpers/dockerd.js";
import { missingFor } from "../helpers/peers.js";
import { removeTree } from "../helpers/run.js";
import { TPULL } from "../helpers/tpull-cli.js";
import { measure, median } from "./measure.js";
import { type StoreReport, type StoreRow, storeTable } from "./report.js";
import { BUSY, writeBusyRoot, type BusyRoot } from "./store-root.js";
import { onFreshTmpfs } from "./tmpfs.js";

/** Makes the root, looks at it by all commands in turn, round after round, and prints what that took. */
export async function compareStore(
  rounds: number,
  print: (line: string) => void,
): Promise<StoreReport> {
  let report: StoreReport | undefined;
  const look = async (directory: string): Promise<void> => {
    const root = await writeBusyRoot(directory, BUSY);
    print(`\na root of ${root.images} images over ${root.layers} layers`);
    const own = await runAll(tpullCommands(directory, root), rounds);
    const { rows, dockerdSeconds } = await dockerRows(directory, root, rounds);
    report = { root, rows: [...own, ...rows], dockerdSeconds };
  };
  if (process.getuid?.() === 0) await onFreshTmpfs(look);
  else await inTemporaryFolder(look);
  print(storeTable(report!));
  return report!;
}

async function inTemporaryFolder(
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "tpull-bench-"));
  try {
    await use(directory);
  } finally {
    await removeTree(directory);
  }
}

type Command = readonly [name: string, program: string, args: string[]];

function tpullCommands(directory: string, { example }: BusyRoot): Command[] {
  const words: string[][] = [
    ["images"],
    ["df"],
    ["layers", example],
    ["layers", "--tree"],
    ["info"],
  ];
  return [
    ["node -e 0", process.execPath, ["-e", "0"]],
    ["tpull --version", process.execPath, [TPULL, "--version"]],
    ...words.map((each): Command => [
      `tpull ${each.join(" ")}`,
      process.execPath,
      [TPULL, ...each, "--root", directory],
    ]),
  ];
}

/** In turn, so that whatever else the machine does meets all of them. */
async function runAll(
  commands: readonly Command[],
  rounds: number,
): Promise<StoreRow[]> {
  const found = commands.map(([command]) => ({
    command,
    walls: [] as number[],
    cpus: [] as number[],
    peakBytes: 0,
    failure: undefined as string | undefined,
  }));
  for (let round = 0; round < rounds; round += 1) {
    for (const [at, [, program, args]] of commands.entries()) {
      const row = found[at]!;
      if (row.failure !== undefined) continue;
      try {
        const took = await measure(program, args);
        row.walls.push(took.wallSeconds);
        row.cpus.push(took.cpuSeconds);
        row.peakBytes = Math.max(row.peakBytes, took.peakBytes);
      } catch (error) {
        row.failure = (error as Error).message.split("\n")[1] ?? "failed";
      }
    }
  }
  return found.map(({ command, walls, cpus, peakBytes, failure }) => ({
    command,
    walls: failure === undefined ? walls : [],
    cpuSeconds: cpus.length === 0 ? 0 : median(cpus),
    peakBytes,
    ...(failure === undefined ? {} : { failure }),
  }));
}

/** The same questions to a daemon that has read all of it beforehand. */
async function dockerRows(
  directory: string,
  { example }: BusyRoot,
  rounds: number,
): Promise<Pick<StoreReport, "rows" | "dockerdSeconds">> {
  if (missingFor(["docker", "dockerd"], { root: true }).length > 0) {
    return { rows: [], dockerdSeconds: undefined };
  }
  const before = performance.now();
  const dockerd = await startDockerd(directory, { debug: false });
  try {
    const dockerdSeconds = (performance.now() - before) / 1000;
    const words: string[][] = [
      ["images"],
      ["system", "df"],
      ["inspect", example],
      ["info"],
    ];
    const commands = words.map((each) => dockerCommand(dockerd, each));
    return { rows: await runAll(commands, rounds), dockerdSeconds };
  } finally {
    await dockerd.stop();
  }
}

function dockerCommand(dockerd: Dockerd, words: string[]): Command {
  const [program, args] = dockerd.command(words);
  return [`docker ${words.join(" ")}`, program, args];
}
