/** `tpull images [REPOSITORY[:TAG]]` */
import {
  type ListedImage,
  listImages,
  type ListOptions,
} from "../../../store/survey/list-images.js";
import { openStore } from "../../../store/store.js";
import {
  jsonDocument,
  type Answer,
  type AnswerContext,
} from "../answers/answer.js";
import { type Column, formatRows } from "../format/rows.js";
import { localZone, UTC } from "../format/local-zone.js";
import type { Flags } from "../options.js";
import { shownJson, shownLines } from "../terminal-text.js";
import { readBoolean, readFilters } from "./filters.js";
import { imageRows } from "./image-rows.js";
import { tellDamage, tellHolder } from "./notices.js";

export const answerImages: Answer = async (context) => {
  const { images: operands, flags, output } = context;
  const options = listOptions(operands, flags, context.now());
  const store = await openStore(context.root());
  const { images, damage } = await listImages(store, options);
  output.out(shown(images, context));
  tellDamage(output, damage);
  if (!flags.quiet) tellHolder(output, store.layout);
  return 0;
};

function shown(
  images: readonly ListedImage[],
  { flags, isTTY, env, now }: AnswerContext,
): string {
  if (flags.json) return shownJson(jsonDocument(images), isTTY);
  const format = templateOf(flags);
  const isPlain = format === undefined;
  const options = {
    digests: flags.digests === true,
    digestsOfTags: flags.digests === true || format?.includes(DIGEST) === true,
    wholeIds: flags["no-trunc"] === true,
    noAge: isPlain ? "N/A" : "",
    now: now(),
    // Only templates show dates in full.
    zone: isPlain ? UTC : localZone(env),
  };
  const rows = images.flatMap((image) => imageRows(image, options));
  const listing = {
    columns: columnsOf(flags),
    headers: HEADERS,
    rows,
    rowType: ROW,
  };
  const text =
    flags.quiet && isPlain
      ? rows.map(({ ID }) => `${ID}\n`).join("")
      : formatRows(listing, format);
  return shownLines(text, isTTY);
}

const FILTERS = [
  "dangling",
  "reference",
  "before",
  "since",
  "until",
  "label",
] as const;

/** @throws TpullError `USAGE` */
function listOptions(
  operands: readonly string[],
  flags: Flags,
  now: number,
): ListOptions {
  const filters = readFilters(flags.filter, FILTERS);
  const dangling = readBoolean(filters, "dangling");
  const reference = [...(filters.get("reference") ?? []), ...operands];
  return {
    now,
    all: flags.all === true,
    ...(dangling === undefined ? {} : { dangling }),
    ...(reference.length === 0 ? {} : { reference }),
    before: filters.get("before") ?? [],
    since: filters.get("since") ?? [],
    until: filters.get("until") ?? [],
    label: filters.get("label") ?? [],
  };
}

const DIGEST = "{{.Digest}}";

/** docker's word for one fact a line. It is deprecated there, but still in use. */
const RAW = "raw";

/** What `--format` stands for; undefined for the table as it is. (docker/cli, `NewImageFormat`.) */
function templateOf(flags: Flags): string | undefined {
  const { format } = flags;
  if (format === undefined || format === "table") return undefined;
  if (format === RAW) return rawTemplate(flags);
  const lacksDigest = flags.digests && !format.includes(DIGEST);
  return format.startsWith("table") && lacksDigest
    ? `${format}\t${DIGEST}`
    : format;
}

function rawTemplate({ quiet, digests }: Flags): string {
  if (quiet) return "image_id: {{.ID}}";
  return [
    "repository: {{.Repository}}",
    "tag: {{.Tag}}",
    ...(digests ? ["digest: {{.Digest}}"] : []),
    "image_id: {{.ID}}",
    "created_at: {{.CreatedAt}}",
    "virtual_size: {{.Size}}",
    "",
  ].join("\n");
}

const HEADERS = {
  Repository: "REPOSITORY",
  Tag: "TAG",
  Digest: "DIGEST",
  ID: "IMAGE ID",
  CreatedSince: "CREATED",
  CreatedAt: "CREATED AT",
  Size: "SIZE",
  Containers: "CONTAINERS",
  SharedSize: "SHARED SIZE",
  UniqueSize: "UNIQUE SIZE",
  VirtualSize: "SIZE",
} as const;

/** What docker's errors call a row. */
const ROW = "*formatter.imageContext";

/** Those of the table without a template. */
function columnsOf({ digests }: Flags): Column[] {
  const fields: (keyof typeof HEADERS)[] = [
    "Repository",
    "Tag",
    ...(digests ? (["Digest"] as const) : []),
    "ID",
    "CreatedSince",
    "Size",
  ];
  return fields.map((field) => ({ field, header: HEADERS[field] }));
}
