import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memoryContent } from "#src/serve/memory-content.js";
import { serve, type TestRegistry } from "./registry.js";

const tags = ["v2", "A", "b", "a", "1.0", "C", "_x", "v10"];
const inOrder = ["1.0", "_x", "A", "a", "b", "C", "v10", "v2"];
const repositories = ["z", "b/c", "a"];

let registry: TestRegistry;

beforeAll(async () => {
  const content = memoryContent();
  for (const name of repositories) {
    const digest = content.addManifest(name, Buffer.from("{}"), "text/plain");
    for (const tag of tags) content.addTag(name, tag, digest);
  }
  registry = await serve(content);
});

afterAll(async () => {
  await registry.close();
});

async function list(
  target: string,
): Promise<{ names: string[]; next: string | undefined }> {
  const { status, body, headers } = await registry.send("GET", target);
  expect(status).toBe(200);
  const { tags, repositories } = JSON.parse(body.toString()) as {
    tags?: string[];
    repositories?: string[];
  };
  const { link } = headers;
  const next = /^<([^>]+)>; rel="next"$/.exec(String(link))?.[1];
  expect(next === undefined).toBe(link === undefined);
  return { names: tags ?? repositories ?? [], next };
}

describe("tags/list", () => {
  it.each([
    ["", inOrder, undefined],
    ["?n=8", inOrder, undefined],
    ["?n=100", inOrder, undefined],
    ["?n=3", ["1.0", "_x", "A"], "?n=3&last=A"],
    ["?n=3&last=A", ["a", "b", "C"], "?n=3&last=C"],
    ["?n=2&last=C", ["v10", "v2"], undefined],
    ["?last=b", ["C", "v10", "v2"], undefined],
    ["?last=bb&n=1", ["C"], "?n=1&last=C"],
    ["?last=v2", [], undefined],
    ["?last=zzz", [], undefined],
    ["?n=0", [], undefined],
  ])("%s", async (query, names, next) => {
    const path = "/v2/b/c/tags/list";
    expect(await list(path + query)).toEqual({
      names,
      next: next && path + next,
    });
  });

  it.each([1, 2, 3, 5, 7])(
    "shows every tag once in pages of %i",
    async (size) => {
      const seen: string[] = [];
      let target: string | undefined = `/v2/a/tags/list?n=${size}`;
      while (target !== undefined) {
        const page = await list(target);
        expect(page.names.length).toBeLessThanOrEqual(size);
        seen.push(...page.names);
        target = page.next;
      }
      expect(seen).toEqual(inOrder);
    },
  );
});

describe("_catalog", () => {
  it("has pages as well", async () => {
    expect(await list("/v2/_catalog")).toEqual({
      names: ["a", "b/c", "z"],
      next: undefined,
    });
    const first = await list("/v2/_catalog?n=2");
    expect(first).toEqual({
      names: ["a", "b/c"],
      next: "/v2/_catalog?n=2&last=b%2Fc",
    });
    expect(await list(first.next ?? "")).toEqual({
      names: ["z"],
      next: undefined,
    });
  });
});
