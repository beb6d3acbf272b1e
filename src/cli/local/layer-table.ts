/** The layers of an image as a table, a line for each, where there is room for it. */
import type {
  ImageLayer,
  ImageLayers,
} from "../../../store/survey/image-layers.js";
import { alignedTable } from "../format/rows.js";
import { humanSize } from "../format/units.js";
import { ellipsis, textWidth } from "../format/width.js";
import { idText, repositoriesOf, stepText } from "./layer-words.js";
import type { Look } from "./look.js";

const HEADERS = [
  "DIGEST",
  "DIFF ID",
  "CHAIN ID",
  "CACHE ID",
  "LINK",
  "COMPRESSED",
  "SIZE",
  "SHARED",
  "FROM",
  "CREATED BY",
];
/** As much of a command as docker shows. */
const STEP_WIDTH = 45;
/** The least of a command that says anything. */
const LEAST_STEP_WIDTH = 20;

/** The table; undefined where the terminal is too narrow. */
export function layerTable(
  image: ImageLayers,
  { style, columns, whole }: Look,
): string | undefined {
  const rows = image.layers.map((layer) => [
    idText(layer.digest, whole),
    idText(layer.diffId, whole),
    idText(layer.chainId, whole),
    idText(layer.cacheId, whole),
    layer.linkId ?? "-",
    layer.compressedSize === undefined ? "-" : humanSize(layer.compressedSize),
    humanSize(layer.size),
    String(layer.sharedWith.length),
    repositoriesText(layer, image, whole),
    stepText(layer.step, whole),
  ]);
  const bare = lines(rows.map((row) => [...row.slice(0, -1), ""]));
  const used = Math.max(...bare.map(textWidth));
  const room = columns === undefined ? STEP_WIDTH : columns - used;
  if (room < LEAST_STEP_WIDTH) return undefined;
  const [header = "", ...body] = lines(
    whole
      ? rows
      : rows.map((row) => [...row.slice(0, -1), ellipsis(row.at(-1)!, room)]),
  );
  if (columns !== undefined && body.some((line) => textWidth(line) > columns)) {
    return undefined;
  }
  return [style.bold(header), ...body].map((line) => `${line}\n`).join("");
}

function lines(rows: readonly (readonly string[])[]): string[] {
  return alignedTable([HEADERS, ...rows])
    .split("\n")
    .slice(0, -1);
}

/** The repository it came from, and how many others it is known from. */
function repositoriesText(
  layer: ImageLayer,
  image: ImageLayers,
  whole: boolean,
): string {
  const [first, ...others] = repositoriesOf(layer, image);
  if (first === undefined) return "-";
  if (whole) return [first, ...others].join(",");
  return others.length === 0 ? first : `${first} (+${others.length})`;
}
