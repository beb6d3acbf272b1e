/** What the pictures of layers have in common: IDs, steps and names in few words. */
import {
  canonicalRepository,
  parseReference,
} from "../../../store/reference/reference.js";
import type {
  ImageLayer,
  ImageLayers,
  ImageName,
} from "../../../store/survey/image-layers.js";
import type { LayerStep } from "../../../store/survey/layer-steps.js";
import { ellipsis, textWidth } from "../format/width.js";
import { oneLine } from "../terminal-text.js";

const SHORT = 12;
const SHELL = /^\/bin\/sh -c (?:#\(nop\) *)?/;

/** The first digits of an ID, or all of it. */
export function idText(id: string | undefined, whole: boolean): string {
  if (id === undefined) return "-";
  return whole ? id : id.slice(id.indexOf(":") + 1).slice(0, SHORT);
}

/** What made a layer, without what is the same in all commands. */
export function stepText(step: LayerStep | undefined, whole: boolean): string {
  if (step === undefined) return "";
  const { createdBy, comment } = step;
  const command = whole ? createdBy : createdBy.replace(SHELL, "");
  const text = oneLine(command || comment).trim();
  return whole ? text : text.replaceAll(/ {2,}/g, " ");
}

/** The repositories a layer is known from: that of the image first, then the newest. */
export function repositoriesOf(
  { origins }: ImageLayer,
  { tags, digests }: ImageLayers,
): string[] {
  const own = new Set(
    [...tags, ...digests].flatMap((name) => canonicalOf(name) ?? []),
  );
  const all = [...new Set(origins.map(({ repository }) => repository))];
  return [
    ...all.filter((repository) => own.has(repository)),
    ...all.filter((repository) => !own.has(repository)),
  ].map(oneLine);
}

/** Names in a damaged file may be anything. */
function canonicalOf(name: string): string | undefined {
  try {
    return canonicalRepository(parseReference(name));
  } catch {
    return undefined;
  }
}

/** Some names, and how many more there are. */
export function namesText(names: readonly ImageName[], most: number): string {
  const shown = names.slice(0, most).map(({ name }) => oneLine(name));
  const left = names.length - shown.length;
  return left === 0 ? shown.join(", ") : `${shown.join(", ")} and ${left} more`;
}

/** A text that is made to fit, with a mark of one column where something is left out. */
export function cut(text: string, columns: number, mark: string): string {
  if (textWidth(text) <= columns) return text;
  return `${ellipsis(text, Math.max(1, columns)).slice(0, -1)}${mark}`;
}

export function plural(count: number, word: string): string {
  return count === 1 ? word : `${word}s`;
}
