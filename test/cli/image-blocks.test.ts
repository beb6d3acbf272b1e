import { expect, test } from "vitest";
import { ImageBlocks } from "#src/cli/image-blocks.js";

function setUp(...images: string[]) {
  const seen: string[] = [];
  const blocks = new ImageBlocks(images);
  const add = (image: string, text: string) =>
    blocks.add(image, () => seen.push(text));
  return { blocks, add, seen };
}

test("only the first image writes at once", () => {
  const { blocks, add, seen } = setUp("a", "b");
  add("b", "b1");
  add("a", "a1");
  expect(seen).toEqual(["a1"]);
  blocks.end("a");
  expect(seen).toEqual(["a1", "b1"]);
  add("b", "b2");
  expect(seen).toEqual(["a1", "b1", "b2"]);
});

test("images that ended out of order come out in order", () => {
  const { blocks, add, seen } = setUp("a", "b", "c");
  add("c", "c1");
  blocks.end("c");
  add("b", "b1");
  blocks.end("b");
  expect(seen).toEqual([]);
  add("a", "a1");
  blocks.end("a");
  expect(seen).toEqual(["a1", "b1", "c1"]);
});

test("images that were not announced follow", () => {
  const { blocks, add, seen } = setUp("a");
  add("z", "z1");
  blocks.end("z");
  expect(seen).toEqual([]);
  blocks.end("a");
  expect(seen).toEqual(["z1"]);
});

test("flushing writes what waits, once", () => {
  const { blocks, add, seen } = setUp("a", "b");
  add("b", "b1");
  blocks.flush();
  blocks.flush();
  expect(seen).toEqual(["b1"]);
});
