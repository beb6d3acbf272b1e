/** Layers unpacked in this thread, and what came of them. */
import { readFileSync, readlinkSync, readdirSync, lstatSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach } from "vitest";
import { createCrc64 } from "#store/ingest/crc64.js";
import {
  type UnpackedTree,
  type UnpackTarget,
  unpack,
} from "#store/ingest/unpack.js";
import { privilege } from "#store/privilege.js";
import { Cleanups } from "../../../helpers/run.js";
import { archive, type Member } from "../../../helpers/tar-writer.js";
import { pieces } from "./sources.js";

/** Layers are written on Linux only. */
export const LINUX: boolean = process.platform === "linux";
/** Owners, devices and trusted attributes can be set. */
export const ROOT: boolean = LINUX && privilege() === "native";

export const scratch = new Cleanups();
afterEach(() => scratch.close());

export interface Layer extends UnpackTarget {
  readonly result: UnpackedTree;
}

/** A fresh place to unpack a layer to. */
export async function target(
  privileged: boolean = ROOT,
): Promise<UnpackTarget> {
  const folder = await scratch.tempDir();
  const diffDirectory = join(folder, "diff");
  await mkdir(diffDirectory);
  return { diffDirectory, tarSplitPath: join(folder, "ts.gz"), privileged };
}

/** Unpacks an archive, or members of one. @throws what {@link unpack} throws */
export async function unpacked(
  layer: Buffer | readonly (Member | Buffer)[],
  options: { privileged?: boolean; cut?: number } = {},
): Promise<Layer> {
  const tar = Buffer.isBuffer(layer) ? layer : archive(layer);
  const to = await target(options.privileged);
  const source = pieces(tar, options.cut ?? 1 << 18);
  return { ...to, result: unpack(source, to, await createCrc64()) };
}

/** The lines of a layer's tar-split file. */
export function lines({ tarSplitPath }: UnpackTarget): string[] {
  const text = gunzipSync(readFileSync(tarSplitPath)).toString();
  return text.split("\n").slice(0, -1);
}

export interface Entry {
  readonly type: number;
  readonly name?: string;
  readonly name_raw?: string;
  readonly size?: number;
  readonly payload: string | null;
  readonly position: number;
}

/** Listed members: their names, with the size where content comes from a file. */
export function listed(layer: UnpackTarget): string[] {
  return lines(layer)
    .map((line) => JSON.parse(line) as Entry)
    .filter(({ type }) => type === 1)
    .map(({ name, name_raw, size }) => {
      return `${name ?? name_raw ?? ""}${size === undefined ? "" : ` (${size})`}`;
    });
}

const STARTED = BigInt(Date.now()) * 1_000_000n - 1_000_000_000n;

/** One line for each file of a tree, sorted: type and mode, owner, time (of what is new: `now`), content or target. */
export function snapshot(
  diff: string,
  options: { times?: boolean } = {},
): string[] {
  const found: string[] = [];
  const visit = (path: Buffer, name: string): void => {
    const s = lstatSync(path, { bigint: true });
    const kind = s.isSymbolicLink()
      ? `-> ${readlinkSync(path)}`
      : s.isFile()
        ? `${s.size} bytes ${readFileSync(path).toString("latin1").slice(0, 40)}`
        : s.isDirectory()
          ? "/"
          : `device ${s.rdev}`;
    const set = s.mtimeNs > STARTED ? "now" : s.mtimeNs;
    const time = options.times === false ? "" : ` ${set}`;
    found.push(
      `${name} ${s.mode.toString(8)} ${s.uid}:${s.gid}${time} ${kind}`,
    );
    if (!s.isDirectory()) return;
    for (const child of readdirSync(path, { encoding: "buffer" })) {
      visit(
        Buffer.concat([path, Buffer.from("/"), child]),
        `${name}/${child.toString("latin1")}`,
      );
    }
  };
  visit(Buffer.from(diff), "");
  return found.sort();
}

/** Paths in a layer's tree, sorted, binary. */
export function paths({ diffDirectory }: UnpackTarget): string[] {
  return snapshot(diffDirectory)
    .map((line) => / \d{5,6} \d+:\d+ /.exec(line))
    .map((match) => match?.input.slice(1, match.index) ?? "")
    .filter((path) => path !== "");
}

/** Type and permission bits of a path in a layer, in octal digits. */
export function modeOf({ diffDirectory }: UnpackTarget, path: string): string {
  return lstatSync(join(diffDirectory, path)).mode.toString(8);
}

/** Modification time in seconds and nanoseconds. */
export function timeOf({ diffDirectory }: UnpackTarget, path: string): string {
  const { mtimeNs } = lstatSync(join(diffDirectory, path), { bigint: true });
  const nanoseconds =
    ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (mtimeNs - nanoseconds) / 1_000_000_000n;
  return `${seconds}.${nanoseconds.toString().padStart(9, "0")}`;
}

/** The layer is refused, and this is why. */
export async function refusal(
  layer: Buffer | readonly (Member | Buffer)[],
  options: { privileged?: boolean } = {},
): Promise<string> {
  try {
    await unpacked(layer, options);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return `${code}: ${message}`;
  }
  return "accepted";
}
