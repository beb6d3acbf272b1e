/** What is known of a root, line by line as `docker info` prints it. */
import type { Holder } from "../../../store/survey/locks.js";
import type { StoreInfo } from "../../../store/survey/store-info.js";
import { humanSize } from "../format/units.js";
import { oneLine } from "../terminal-text.js";
import { daemonFacts, type Fact } from "./daemon-text.js";

export function infoText(info: StoreInfo): string {
  return lines(facts(info), "").join("");
}

function lines(list: readonly Fact[], indent: string): string[] {
  return list.flatMap(([key, value, below = []]) => [
    `${indent}${oneLine(key)}:${value === "" ? "" : ` ${oneLine(value)}`}\n`,
    ...lines(below, `${indent} `),
  ]);
}

function facts(info: StoreInfo): Fact[] {
  const { counts, filesystem, formats, others } = info;
  const stopped =
    counts.containers - counts.containersRunning - counts.containersPaused;
  return [
    ["Data Root", info.exists ? info.root : `${info.root} (not there yet)`],
    [
      "Images",
      String(counts.images),
      [
        ["Dangling", String(counts.dangling)],
        ["Tags", String(counts.tags)],
        ["Digests", String(counts.digests)],
      ],
    ],
    [
      "Layers",
      String(counts.layers),
      [
        ["Orphans", String(counts.orphanLayers)],
        ["Unfinished", String(counts.unfinishedLayers)],
      ],
    ],
    ["Partial Blobs", String(counts.partialBlobs)],
    ["Kept Manifests", String(counts.manifests)],
    [
      "Containers",
      String(counts.containers),
      [
        ["Running", String(counts.containersRunning)],
        ["Paused", String(counts.containersPaused)],
        ["Stopped", String(stopped)],
      ],
    ],
    [
      "Storage Driver",
      info.driver,
      [
        ["Backing Filesystem", filesystem.name],
        ["Supports d_type", String(filesystem.supportsDType)],
        ["Using metacopy", String(filesystem.usingMetacopy)],
        ["Native Overlay Diff", String(filesystem.nativeOverlayDiff)],
        ["userxattr", String(filesystem.userxattr)],
      ],
    ],
    [
      "Free Space",
      `${humanSize(filesystem.free)} of ${humanSize(filesystem.total)}`,
    ],
    ["Format", formats.store, [["Staging", String(formats.staging)]]],
    ["Held By", info.holder === undefined ? "nobody" : who(info.holder)],
    ["Written By", info.writers.map(writer).join(", ") || "nobody"],
    ["Rights", info.privilege],
    ["Writable", ...writable(info)],
    ["Dockerd", "", daemonFacts(info.daemons)],
    [
      "Also There",
      others.length === 0 ? "nothing" : "",
      others.map(({ path, kind, count }): Fact => [
        path,
        count === 1 ? kind : `${kind} (${count})`,
      ]),
    ],
  ];
}

function who({ name = "another process", pid }: Holder): string {
  return pid === undefined ? name : `${name} (pid ${pid})`;
}

/** Only a tpull shares the lock; the name of its process is node's. */
function writer({ pid }: Holder): string {
  return pid === undefined ? "a tpull elsewhere" : `tpull (pid ${pid})`;
}

function writable({ writable }: StoreInfo): [string, Fact[]] {
  const { possible, code = "", message, hint, warnings } = writable;
  const below: Fact[] = warnings.map((one) => [
    "Warning",
    `${one.message} (${one.code})`,
  ]);
  if (possible) return ["true", below];
  const why: Fact[] = [["Reason", `${message} (${code})`]];
  if (hint !== undefined) why.push(["Hint", hint]);
  return ["false", [...why, ...below]];
}
