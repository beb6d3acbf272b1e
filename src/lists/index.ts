export { parseImageList } from "./text-list.js";
export { readImageLists } from "./read.js";
export type { ReadListsOptions } from "./read.js";
export type { ImageList, ListedImage, SkippedEntry } from "./listed.js";
