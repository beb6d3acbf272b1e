/** Single things that can go wrong in a root; each leaves the rest of it as it was. */
import { ORIGINS } from "./distribution.js";
import { IMAGES } from "./imagedb.js";
import { LAYERS } from "./layerdb.js";
import type { Mutation } from "./mutation.js";
import { NAMES } from "./names.js";
import { OVERLAY } from "./overlay.js";
import { RECORDS } from "./records.js";
import { ROOT } from "./root.js";
import { TREE } from "./tree.js";

export const MUTATIONS: readonly Mutation[] = [
  ...IMAGES,
  ...LAYERS,
  ...RECORDS,
  ...OVERLAY,
  ...TREE,
  ...ORIGINS,
  ...NAMES,
  ...ROOT,
];
