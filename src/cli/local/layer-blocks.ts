/**
 * The layers of an image as the map that people draw of them: from the blob in a
 * registry to the directory on disk, a block for each layer, in 80 columns.
 */
import type {
  ImageLayer,
  ImageLayers,
} from "../../../store/survey/image-layers.js";
import { humanDuration, humanSize } from "../format/units.js";
import { textWidth } from "../format/width.js";
import { oneLine } from "../terminal-text.js";
import {
  cut,
  idText,
  namesText,
  plural,
  repositoriesOf,
  stepText,
} from "./layer-words.js";
import type { Look } from "./look.js";

/** Columns of a short ID, and of the arrow behind it. */
const CELL = 12;
const INDENT = "    ";
const LABEL = 8;
const MOST_NAMES = 3;
const LEAST_COLUMNS = 40;

/** Everything about an image's layers, base first. */
export function layerBlocks(layers: ImageLayers, look: Look): string {
  const blocks = layers.layers.map((layer, at) =>
    look.whole
      ? wholeBlock(layer, at, look)
      : mapBlock(layer, at, look, layers),
  );
  const map = look.whole || blocks.length === 0 ? [] : [mapHeader(look)];
  return [heading(layers, look), ...map, ...blocks]
    .map((lines) => lines.map((line) => `${line}\n`).join(""))
    .join(look.whole ? "\n" : "");
}

/** What image this is, and what it comes to. */
function heading(
  { imageId, tags, digests, manifest, layers, ...image }: ImageLayers,
  { style, whole }: Look,
): string[] {
  const [name] = [...tags, ...digests];
  const others = tags.length + digests.length - 1;
  const also =
    others > 0 ? ` and ${others} more ${plural(others, "name")}` : "";
  const ids = whole
    ? [
        `image    ${imageId}`,
        ...(manifest === undefined ? [] : [`manifest ${manifest}`]),
      ]
    : [
        manifest === undefined
          ? `image ${idText(imageId, false)}`
          : `image ${idText(imageId, false)}, manifest ${idText(manifest, false)}`,
      ];
  const compressed =
    image.compressedSize === undefined
      ? ""
      : `${humanSize(image.compressedSize)} compressed, `;
  const count = `${layers.length} ${plural(layers.length, "layer")}`;
  return [
    `${style.bold(oneLine(name ?? "an image without a name"))}${also}`,
    ...ids,
    `${count}, ${compressed}${humanSize(image.size)} on disk`,
    ...(whole ? [] : [""]),
  ];
}

function mapHeader({ style }: Look): string[] {
  const cells = ["digest", "diff ID", "chain ID", "cache-id"];
  const gap = " ".repeat(ARROW_COLUMNS);
  const line = cells.map((cell) => cell.padEnd(CELL)).join(gap);
  return [style.dim(`${INDENT}${line.trimEnd()}`)];
}

/** An arrow with two spaces on both sides. */
const ARROW_COLUMNS = 6;

function mapBlock(
  layer: ImageLayer,
  at: number,
  look: Look,
  image: ImageLayers,
): string[] {
  const { style, strokes, columns = 80 } = look;
  const room = Math.max(LEAST_COLUMNS, columns) - INDENT.length;
  const labelled = (label: string, text: string): string =>
    `${INDENT}${style.dim(label.padEnd(LABEL))}${text}`;
  const lines = mapLines(layer, at, look);
  const step = stepText(layer.step, false);
  if (step !== "") {
    const age = ageText(layer, look.now);
    const text = cut(step, room - textWidth(age), strokes.more);
    lines.push(`${INDENT}${style.bold(text)}${style.dim(age)}`);
  }
  const [from, ...others] = repositoriesOf(layer, image);
  if (from !== undefined) {
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    const text = cut(from, room - LABEL - textWidth(more), strokes.more);
    lines.push(labelled("from", text + more));
  }
  if (layer.sharedWith.length > 0) {
    const names = namesText(layer.sharedWith, MOST_NAMES);
    lines.push(labelled("shared", cut(names, room - LABEL, strokes.more)));
  }
  return [...lines, labelled("files", filesText(layer, image)), ""];
}

/** From the blob to the directory, and the sizes of both. */
function mapLines(
  layer: ImageLayer,
  at: number,
  { style, strokes }: Look,
): string[] {
  const ids = [layer.digest, layer.diffId, layer.chainId, layer.cacheId];
  const arrow = `  ${style.dim(strokes.arrow)}  `;
  const map = ids.map((id) => idText(id, false).padEnd(CELL)).join(arrow);
  const number = String(at + 1).padStart(INDENT.length - 2);
  const compressed =
    layer.compressedSize === undefined ? "" : humanSize(layer.compressedSize);
  const left = compressed.padEnd(3 * (CELL + ARROW_COLUMNS));
  return [
    `${style.bold(number)}  ${map.trimEnd()}`,
    `${INDENT}${left}${humanSize(layer.size)}`,
  ];
}

/** Where a layer's files are: by its short link, which is a whole path that fits into a line. */
function filesText(
  { linkId, directory }: ImageLayer,
  { root }: ImageLayers,
): string {
  return oneLine(
    linkId === undefined ? directory : `${root}/overlay2/l/${linkId}`,
  );
}

/** The same with nothing left out: an ID is 71 columns long. */
function wholeBlock(
  layer: ImageLayer,
  at: number,
  { style, now }: Look,
): string[] {
  const lines: string[] = [];
  const step = stepText(layer.step, true);
  const age = ageText(layer, now);
  lines.push(style.bold(`${at + 1}  ${step}`.trimEnd()) + style.dim(age));
  const add = (label: string, text: string): void => {
    lines.push(`${style.dim(label.padEnd(LABEL))}${text}`);
  };
  const { compressedSize } = layer;
  add("digest", idText(layer.digest, true));
  add("diff", layer.diffId);
  add("chain", layer.chainId);
  add("cache", layer.cacheId);
  add("link", layer.linkId ?? "-");
  add(
    "size",
    compressedSize === undefined
      ? humanSize(layer.size)
      : `${humanSize(layer.size)}, ${humanSize(compressedSize)} compressed`,
  );
  for (const { digest, repository } of layer.origins) {
    add("from", `${oneLine(repository)}`);
    add("", digest);
  }
  for (const { name } of layer.sharedWith) add("shared", oneLine(name));
  add("files", oneLine(layer.directory));
  return lines;
}

/** How long ago it was made, behind what made it. */
function ageText({ step }: ImageLayer, now: number): string {
  const time = Date.parse(step?.created ?? "");
  return Number.isNaN(time) ? "" : `  ${humanDuration(now - time)} ago`;
}
