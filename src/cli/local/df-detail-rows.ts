/** The single lines of `docker system df -v`, field by field as docker's formatters have them. */
import { shortId } from "../../../store/digest.js";
import {
  familiarName,
  parseReference,
} from "../../../store/reference/reference.js";
import { repositoryOf } from "../../../store/repositories.js";
import type {
  BuildUsage,
  ContainerUsage,
  VolumeUsage,
} from "../../../store/survey/disk-report.js";
import type { ImageUsage } from "../../../store/survey/image-usage.js";
import { formatDate, momentIn, PLAIN_LAYOUT } from "../format/go-dates.js";
import { UTC, type Zone } from "../format/local-zone.js";
import type { Row } from "../format/rows.js";
import { humanDuration, humanSize } from "../format/units.js";
import { ellipsis } from "../format/width.js";
import { quoted } from "../template/quote.js";
import { containerStatus } from "./container-status.js";

export interface RowOptions {
  /** Whether IDs and commands are cut, as in a table. */
  readonly brief: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** In which the dates are. */
  readonly zone: Zone;
}

const NONE = "<none>";
/** What docker says of facts that its overview does not gather. */
const NOT_GATHERED = "N/A";
const SHORT_ID = 12;
const COMMAND_WIDTH = 20;

/** docker/cli, cli/command/formatter/image.go */
export function imageRow(image: ImageUsage, options: RowOptions): Row {
  const { now, zone, brief } = options;
  // Only the first one of several, as with docker.
  const [name] = image.tags;
  const repository = name === undefined ? NONE : repositoryOf(name);
  const created = milliseconds(image.created);
  return {
    Repository: repository,
    Tag: name?.slice(repository.length + 1) ?? NONE,
    Digest: "",
    ID: brief ? shortId(image.id) : image.id,
    CreatedSince: ago(created, now),
    CreatedAt: dateText(created, zone),
    Size: size(image.size),
    VirtualSize: humanSize(image.size, 4),
    SharedSize: humanSize(image.sharedSize, 4),
    UniqueSize: humanSize(image.uniqueSize, 4),
    Containers: String(image.containers),
  };
}

/** docker/cli, cli/command/formatter/container.go; without the ports, which change while it runs. */
export function containerRow(
  container: ContainerUsage,
  { brief, now, zone }: RowOptions,
): Row {
  const { id, command, mounts, labels, networks } = container;
  const created = milliseconds(container.created);
  const text = brief ? ellipsis(command, COMMAND_WIDTH) : command;
  return {
    ID: shortened(id, brief),
    Image: brief ? briefImage(container) : container.image,
    Command: quoted(text),
    CreatedAt: dateText(created, zone),
    RunningFor: ago(created, now),
    State: container.state,
    Status: containerStatus(container, now),
    Size: size(container.size ?? 0),
    Names: container.name,
    Labels: pairs(labels),
    LocalVolumes: String(
      mounts.filter(({ driver }) => driver === "local").length,
    ),
    Mounts: mounts.map(({ name, source }) => name || source).join(","),
    Networks: networks.join(","),
  };
}

/** A name without what a digest or a whole ID would make of it. */
function briefImage({ image, imageId }: ContainerUsage): string {
  if (image === "") return "<no image>";
  if (image === imageId) return shortId(imageId);
  try {
    const { digest, ...reference } = parseReference(image);
    return digest === undefined ? image : familiarName(reference);
  } catch {
    return image;
  }
}

/** docker/cli, cli/command/formatter/volume.go */
export function volumeRow({
  name,
  path,
  containers,
  labels,
  size,
}: VolumeUsage): Row {
  return {
    Name: name,
    Driver: "local",
    Scope: "local",
    Mountpoint: path,
    Labels: pairs(labels),
    Links: String(containers),
    Size: humanSize(size ?? -1, 4),
    Group: NOT_GATHERED,
    Availability: NOT_GATHERED,
    Status: NOT_GATHERED,
  };
}

/** docker/cli, cli/command/formatter/buildcache.go */
export function buildRow(record: BuildUsage, { brief, now }: RowOptions): Row {
  const { created, lastUsed } = record;
  return {
    ID: shortened(record.id, brief),
    Parent: shortened(record.parents.join(", "), brief),
    CacheType: record.type,
    Description: record.description,
    Size: size(record.size),
    CreatedAt: exactDate(created),
    CreatedSince: ago(milliseconds(created), now),
    LastUsedAt: exactDate(lastUsed),
    LastUsedSince:
      lastUsed === undefined ? "" : ago(milliseconds(lastUsed), now),
    UsageCount: String(record.usageCount),
    InUse: "false",
    Shared: String(record.shared),
  };
}

/** Single things have three digits with docker. */
export function size(bytes: number): string {
  return humanSize(bytes);
}

/** @param time milliseconds since 1970 */
export function ago(time: number, now: number): string {
  return `${humanDuration(now - time)} ago`;
}

/** Of RFC 3339, in milliseconds since 1970, where docker's clients put what has no date. */
function milliseconds(time: string | undefined): number {
  return Date.parse(time ?? "") || 0;
}

/** To the second, which is as exact as dockerd tells it. */
function dateText(time: number, zone: Zone): string {
  return formatDate(momentIn(zone, Math.floor(time / 1000)), PLAIN_LAYOUT);
}

/** To the nanosecond, in UTC, as the builder's records have it. */
function exactDate(time: string | undefined): string {
  if (time === undefined) return "";
  const nanoseconds = Number(/\.(\d{9})Z$/.exec(time)?.[1] ?? 0);
  const seconds = Math.floor(milliseconds(time) / 1000);
  return formatDate(momentIn(UTC, seconds, nanoseconds), PLAIN_LAYOUT);
}

function pairs(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(",");
}

/** The first digits of an ID that has no algorithm in front. */
function shortened(id: string, brief: boolean): string {
  return brief ? id.slice(0, SHORT_ID) : id;
}
