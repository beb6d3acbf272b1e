// How large a directory is, as docker reckons it.
import { chmod, link, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { treeSize } from "#store/survey/tree-size.js";
import { temporaryFolder } from "../support/roots.js";

/** A user whom root can be for a moment. */
const NOBODY = 65534;

it("files count with their length, links with that of their target, each inode once", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "a/b/c"), { recursive: true });
  await writeFile(join(folder, "a/one"), "12345");
  await writeFile(join(folder, "a/b/two"), "123");
  await writeFile(join(folder, "a/b/c/empty"), "");
  await link(join(folder, "a/one"), join(folder, "a/b/again"));
  await link(join(folder, "a/one"), join(folder, "third"));
  await symlink("nowhere at all", join(folder, "a/link"));
  await symlink("/", join(folder, "root"));
  expect(await treeSize(folder)).toBe(5 + 3 + 14 + 1);
});

it("names need not be text", async () => {
  const folder = await temporaryFolder();
  const name = Buffer.concat([Buffer.from(`${folder}/`), Buffer.of(0xff)]);
  await mkdir(name);
  await writeFile(Buffer.concat([name, Buffer.from("/file")]), "1234");
  expect(await treeSize(folder)).toBe(4);
});

it("a file is as long as it is, and nothing has no size", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "file"), "12");
  expect(await treeSize(join(folder, "file"))).toBe(2);
  expect(await treeSize(join(folder, "none"))).toBeUndefined();
  expect(await treeSize(join(folder, "file/below"))).toBeUndefined();
});

it("what may not be entered counts nothing", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "shut"));
  await writeFile(join(folder, "shut/file"), "12345");
  await writeFile(join(folder, "open"), "1");
  await chmod(join(folder, "shut"), 0);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    expect(await treeSize(folder)).toBe(1);
  } finally {
    if (isRoot) process.seteuid?.(0);
    await chmod(join(folder, "shut"), 0o700);
  }
});
