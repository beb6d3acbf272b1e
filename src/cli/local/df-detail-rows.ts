/** The single lines of `docker system df -v`, field by field as docker's formatters have them. */
import type {
  BuildUsage,
  ContainerUsage,
  ImageUsage,
  VolumeUsage,
} from "../../../store/index.js";
import { parseReference } from "../../../store/index.js";
import { familiarName } from "../../../store/reference/reference.js";
import type { Row } from "../format/rows.js";
import { humanDuration, humanSize } from "../format/units.js";
import { oneLine } from "../terminal-text.js";
import { containerStatus } from "./container-status.js";

export interface RowOptions {
  /** Whether IDs and commands are cut, as in a table. */
  readonly brief: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const SHORT_ID = 12;
const COMMAND_WIDTH = 20;

export function imageRow(image: ImageUsage, { brief, now }: RowOptions): Row {
  // Only the first one of several, as with docker.
  const [name] = image.tags;
  const colon = name?.lastIndexOf(":") ?? 0;
  return {
    Repository: name?.slice(0, colon) ?? "<none>",
    Tag: name?.slice(colon + 1) ?? "<none>",
    ID: brief ? shortened(image.id) : image.id,
    CreatedSince: ago(Date.parse(image.created ?? "") || 0, now),
    Size: size(image.size),
    SharedSize: humanSize(image.sharedSize, 4),
    UniqueSize: humanSize(image.uniqueSize, 4),
    Containers: String(image.containers),
  };
}

export function containerRow(
  container: ContainerUsage,
  { brief, now }: RowOptions,
): Row {
  const { id, command, mounts, created } = container;
  const text = brief ? ellipsis(command, COMMAND_WIDTH) : command;
  return {
    ID: brief ? shortened(id) : id,
    Image: oneLine(brief ? briefImage(container) : container.image),
    Command: oneLine(JSON.stringify(text)),
    LocalVolumes: String(
      mounts.filter(({ driver }) => driver === "local").length,
    ),
    Size: size(container.size ?? 0),
    RunningFor: ago(Date.parse(created ?? "") || 0, now),
    State: container.state,
    Status: containerStatus(container, now),
    Names: oneLine(container.name),
    Mounts: mounts.map(({ name, source }) => oneLine(name || source)).join(","),
  };
}

/** A name without what a digest or a whole ID would make of it. */
function briefImage({ image, imageId }: ContainerUsage): string {
  if (image === "") return "<no image>";
  if (imageId !== undefined && shortened(image) === shortened(imageId)) {
    return shortened(image);
  }
  try {
    const { digest, ...reference } = parseReference(image);
    return digest === undefined ? image : familiarName(reference);
  } catch {
    return image;
  }
}

export function volumeRow({ name, containers, size }: VolumeUsage): Row {
  return {
    Name: oneLine(name),
    Links: String(containers),
    Size: humanSize(size ?? -1, 4),
  };
}

export function buildRow(record: BuildUsage, { brief, now }: RowOptions): Row {
  return {
    ID: brief ? shortened(record.id) : record.id,
    CacheType: oneLine(record.type),
    Description: oneLine(record.description),
    Parent: oneLine(record.parents.join(", ")),
    Size: size(record.size),
    CreatedSince: ago(Date.parse(record.created ?? "") || 0, now),
    LastUsedSince:
      record.lastUsed === undefined
        ? ""
        : ago(Date.parse(record.lastUsed) || 0, now),
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

/** The first digits of an ID, with or without the algorithm in front. */
function shortened(id: string): string {
  return id.slice(id.indexOf(":") + 1).slice(0, SHORT_ID);
}

/** So much of a text as fits, with docker's mark where something is left out. */
function ellipsis(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) return text;
  return `${characters.slice(0, width - 1).join("")}…`;
}
