/** `tpull df -v`: docker's four tables, and one for each of our own kinds of which there is something. */
import { shortId } from "../../../store/digest.js";
import type { DiskUsage } from "../../../store/survey/disk-report.js";
import { UTC, type Zone } from "../format/local-zone.js";
import { type Column, formatRows, type Row } from "../format/rows.js";
import { humanSize } from "../format/units.js";
import { executeTemplate, parseTemplate } from "../template/template.js";
import { ANY, sliceOf } from "../template/types.js";
import { type GoValue, string, struct } from "../template/values.js";
import {
  ago,
  buildRow,
  containerRow,
  imageRow,
  size,
  volumeRow,
} from "./df-detail-rows.js";

/** All tables, each under its title. */
export function detailsText(usage: DiskUsage, now: number): string {
  const { totals } = usage;
  const brief = { brief: true, now, zone: UTC };
  const docker = [
    section(
      "Images space usage:",
      IMAGE_COLUMNS,
      usage.images.map((image) => imageRow(image, brief)),
    ),
    section(
      "Containers space usage:",
      CONTAINER_COLUMNS,
      usage.containers.map((container) => containerRow(container, brief)),
    ),
    section(
      "Local Volumes space usage:",
      VOLUME_COLUMNS,
      usage.volumes.map(volumeRow),
    ),
    section(
      `Build cache usage: ${humanSize(totals.buildCache.size, 4)}`,
      BUILD_COLUMNS,
      usage.buildCache.map((record) => buildRow(record, brief)),
    ),
  ];
  return [...docker, ...ownSections(usage, now)].join("\n");
}

/** What docker knows nothing of. */
function ownSections(usage: DiskUsage, now: number): string[] {
  const sections: string[] = [];
  const add = (
    title: string,
    columns: readonly Column[],
    rows: readonly Row[],
  ): void => {
    if (rows.length > 0) sections.push(section(title, columns, rows));
  };
  add(
    "Partial blobs, for the next try of a pull:",
    PARTIAL_COLUMNS,
    usage.partialBlobs.map(({ digest, size: bytes, modified, inUse }) => ({
      Digest: digest,
      Size: size(bytes),
      LastUsed: ago(modified, now),
      InUse: String(inUse),
    })),
  );
  add(
    "Layers without an image yet:",
    UNFINISHED_COLUMNS,
    usage.unfinishedLayers.map((layer) => ({
      ChainID: layer.chainId,
      State: layer.state,
      Size: size(layer.size),
      LastUsed: layer.since === 0 ? "-" : ago(layer.since, now),
      InUse: String(layer.inUse),
    })),
  );
  add(
    "Leftovers:",
    LEFTOVER_COLUMNS,
    usage.leftovers.map(({ kind, path, size: bytes }) => ({
      Kind: kind,
      Size: size(bytes),
      Path: path,
    })),
  );
  add(
    "Kept blobs, as registries have them:",
    KEPT_COLUMNS,
    usage.keptBlobs.map(({ digest, size: bytes, used, images, inUse }) => ({
      Digest: digest,
      Size: size(bytes),
      LastUsed: ago(used, now),
      Images: images.map(shortId).join(", ") || "-",
      InUse: String(inUse),
    })),
  );
  add(
    "Manifests of images that are gone:",
    MANIFEST_COLUMNS,
    usage.manifests
      .filter(({ inUse }) => !inUse)
      .map(({ imageId, size: bytes }) => ({
        ID: imageId,
        Size: size(bytes),
      })),
  );
  return sections;
}

function section(
  title: string,
  columns: readonly Column[],
  rows: readonly Row[],
): string {
  return `${title}\n\n${formatRows({ columns, rows })}`;
}

/**
 * What a Go template makes of it all: `.Images`, `.Containers`, `.Volumes` and
 * `.BuildCache` are lists of docker's fields.
 * @throws TpullError `FORMAT_INVALID`
 */
export function detailsAs(
  format: string,
  usage: DiskUsage,
  now: number,
  zone: Zone,
): string {
  const whole = { brief: false, now, zone };
  const lists = struct("*formatter.diskUsageContext", [
    ["Images", rowList(usage.images.map((one) => imageRow(one, whole)))],
    [
      "Containers",
      rowList(usage.containers.map((one) => containerRow(one, whole))),
    ],
    ["Volumes", rowList(usage.volumes.map(volumeRow))],
    [
      "BuildCache",
      rowList(usage.buildCache.map((one) => buildRow(one, whole))),
    ],
  ]);
  const text = format === "json" ? "{{json .}}" : format;
  return executeTemplate(parseTemplate(text), lists);
}

function rowList(rows: readonly Row[]): GoValue {
  const values = rows.map((row) =>
    struct(
      "*formatter.row",
      Object.keys(row)
        .sort()
        .map((name) => [name, string(row[name] ?? "")]),
    ),
  );
  return {
    type: sliceOf(values[0]?.type ?? ANY),
    data: values.map(({ data }) => data),
  };
}

const SIZE = { field: "Size", header: "SIZE" };
const CREATED = { field: "CreatedSince", header: "CREATED" };
const LAST_USED = { field: "LastUsed", header: "LAST USED" };
const IN_USE = { field: "InUse", header: "IN USE" };

const IMAGE_COLUMNS: readonly Column[] = [
  { field: "Repository", header: "REPOSITORY" },
  { field: "Tag", header: "TAG" },
  { field: "ID", header: "IMAGE ID" },
  CREATED,
  SIZE,
  { field: "SharedSize", header: "SHARED SIZE" },
  { field: "UniqueSize", header: "UNIQUE SIZE" },
  { field: "Containers", header: "CONTAINERS" },
];

const CONTAINER_COLUMNS: readonly Column[] = [
  { field: "ID", header: "CONTAINER ID" },
  { field: "Image", header: "IMAGE" },
  { field: "Command", header: "COMMAND" },
  { field: "LocalVolumes", header: "LOCAL VOLUMES" },
  SIZE,
  { field: "RunningFor", header: "CREATED" },
  { field: "Status", header: "STATUS" },
  { field: "Names", header: "NAMES" },
];

const VOLUME_COLUMNS: readonly Column[] = [
  { field: "Name", header: "VOLUME NAME" },
  { field: "Links", header: "LINKS" },
  SIZE,
];

const BUILD_COLUMNS: readonly Column[] = [
  { field: "ID", header: "CACHE ID" },
  { field: "CacheType", header: "CACHE TYPE" },
  SIZE,
  CREATED,
  { field: "LastUsedSince", header: "LAST USED" },
  { field: "UsageCount", header: "USAGE" },
  { field: "Shared", header: "SHARED" },
];

const PARTIAL_COLUMNS: readonly Column[] = [
  { field: "Digest", header: "DIGEST" },
  SIZE,
  LAST_USED,
  IN_USE,
];

const KEPT_COLUMNS: readonly Column[] = [
  { field: "Digest", header: "DIGEST" },
  SIZE,
  LAST_USED,
  { field: "Images", header: "IMAGES" },
  IN_USE,
];

const UNFINISHED_COLUMNS: readonly Column[] = [
  { field: "ChainID", header: "CHAIN ID" },
  { field: "State", header: "STATE" },
  SIZE,
  LAST_USED,
  IN_USE,
];

const LEFTOVER_COLUMNS: readonly Column[] = [
  { field: "Kind", header: "KIND" },
  SIZE,
  { field: "Path", header: "PATH" },
];

const MANIFEST_COLUMNS: readonly Column[] = [
  { field: "ID", header: "IMAGE ID" },
  SIZE,
];
