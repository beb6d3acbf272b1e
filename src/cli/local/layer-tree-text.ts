/**
 * The layer tree, drawn: a line for each layer. Layers that have only one on top
 * of them stand below each other, so that only forks take columns.
 */
import type { LayerNode, LayerTree } from "../../../store/survey/layer-tree.js";
import { humanSize } from "../format/units.js";
import { textWidth } from "../format/width.js";
import { oneLine } from "../terminal-text.js";
import { cut, idText, plural, stepText } from "./layer-words.js";
import type { Look } from "./look.js";

/** As much of a command as docker shows, where the line has no end. */
const STEP_WIDTH = 45;
const SIZE_WIDTH = 7;

interface Line {
  /** Strokes that lead to the layer. */
  readonly strokes: string;
  readonly node: LayerNode;
}

export function layerTreeText(tree: LayerTree, look: Look): string {
  const lines: Line[] = [];
  for (const base of tree.tree) draw(base, "", "", look, lines);
  const width = Math.max(
    0,
    ...lines.map(
      ({ strokes, node }) =>
        textWidth(strokes) + idText(node.chainId, look.whole).length,
    ),
  );
  const drawn = lines.map((line) => `${lineText(line, width, look)}\n`);
  return [...drawn, ...summary(tree, look)].join("");
}

/**
 * @param own strokes in front of the layer itself
 * @param below strokes in front of what is on top of it
 */
function draw(
  node: LayerNode,
  own: string,
  below: string,
  look: Look,
  lines: Line[],
): void {
  const { fork, last, bar, gap } = look.strokes;
  let here = node;
  let strokes = own;
  for (;;) {
    lines.push({ strokes, node: here });
    const [only, ...others] = here.children;
    if (only === undefined || others.length > 0) break;
    here = only;
    strokes = below;
  }
  for (const [at, child] of here.children.entries()) {
    const isLast = at === here.children.length - 1;
    draw(
      child,
      below + (isLast ? last : fork),
      below + (isLast ? gap : bar),
      look,
      lines,
    );
  }
}

function lineText(
  { strokes, node }: Line,
  width: number,
  { style, strokes: { more }, columns, whole }: Look,
): string {
  const id = idText(node.chainId, whole);
  const pad = " ".repeat(width - textWidth(strokes) - id.length);
  const size = humanSize(node.size).padStart(SIZE_WIDTH);
  const room =
    columns === undefined || whole
      ? Number.POSITIVE_INFINITY
      : columns - width - SIZE_WIDTH - 4;
  const names = cut(endText(node), room, more);
  const left = room - textWidth(names) - 2;
  const longest = whole ? Number.POSITIVE_INFINITY : STEP_WIDTH;
  const step = stepText(node.step, whole);
  const most = columns === undefined ? longest : left;
  const text = left < 1 ? "" : cut(step, most, more);
  const mark = node.use === "none" ? style.warn : style.bold;
  const tail = [mark(names), style.dim(text)].filter((part) => part !== "");
  return `${style.dim(strokes)}${id}${pad}  ${size}  ${tail.join("  ")}`.trimEnd();
}

/** The images that end here, and where there are none, who needs the layer. */
function endText({ images, use, cutOff, hidden = 0 }: LayerNode): string {
  const words = images.map(({ name }) => oneLine(name)).join(", ");
  const notes: string[] = [];
  if (cutOff) notes.push("its parent cannot be read");
  if (use === "none") notes.push("orphan");
  else if (use !== "image") notes.push(USES[use]);
  if (hidden > 0) notes.push(`${hidden} more on top`);
  const note = notes.length === 0 ? "" : `(${notes.join("; ")})`;
  return [words, note].filter((part) => part !== "").join(" ");
}

const USES = {
  container: "only a container needs it",
  build: "of the build cache",
  waiting: "waits for its image",
  going: "is being removed",
};

function summary(
  { layers, size, orphans, unreadable }: LayerTree,
  { style, whole }: Look,
): string[] {
  const words = [`${layers} ${plural(layers, "layer")}, ${humanSize(size)}`];
  if (orphans.layers > 0) {
    const { layers: count } = orphans;
    words.push(
      `${count} ${plural(count, "orphan")} that nobody needs, ${humanSize(orphans.size)}`,
    );
  }
  const lines = layers > 0 ? ["\n"] : [];
  for (const id of unreadable) {
    lines.push(`${style.warn(`${idText(id, whole)} cannot be read`)}\n`);
  }
  return [...lines, `${words.join("; ")}\n`];
}
