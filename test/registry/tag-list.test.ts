// All tags of a repository: pages, and lists that are none.
import { expect, it, test } from "vitest";
import { parseRateLimit } from "#src/registry/rate-limit.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { connect, repo, serve } from "./client.js";

interface Page {
  tags?: unknown;
  link?: string;
  status?: number;
  body?: string;
}

/** Answers the next requests for tags with these pages. */
function script(registry: FaultRegistry, pages: readonly Page[]): void {
  for (const { tags, link, status = 200, body } of pages) {
    registry.faults.push({
      on: { path: /\/tags\/list/ },
      do: "status",
      status,
      headers: {
        "content-type": "application/json",
        ...(link === undefined ? {} : { link }),
      },
      body: body ?? JSON.stringify({ name: "team/app", tags }),
    });
  }
}

async function read(registry: FaultRegistry): Promise<string[]> {
  const tags: string[] = [];
  for await (const tag of connect().tags(repo(registry))) tags.push(tag);
  return tags;
}

const next = (query: string): string =>
  `</v2/team/app/tags/list?${query}>; rel="next"`;

it("follows the links from page to page and leaves out what it had", async () => {
  const registry = await serve();
  script(registry, [
    { tags: ["b", "a"], link: next("n=2&last=a") },
    { tags: ["a", "c", "c"], link: next("n=2&last=c") },
    { tags: ["d", "not a tag", 7] },
  ]);
  expect(await read(registry)).toEqual(["b", "a", "c", "d"]);
  expect(registry.requests.map(({ url }) => url)).toEqual([
    "/v2/team/app/tags/list?n=1000",
    "/v2/team/app/tags/list?n=2&last=a",
    "/v2/team/app/tags/list?n=2&last=c",
  ]);
});

it("yields a page before it asks for the next one", async () => {
  const registry = await serve();
  script(registry, [{ tags: ["a"], link: next("last=a") }, { tags: ["b"] }]);
  const tags = connect().tags(repo(registry))[Symbol.asyncIterator]();
  expect((await tags.next()).value).toBe("a");
  expect(registry.requests).toHaveLength(1);
  await tags.return?.();
  expect(registry.requests).toHaveLength(1);
});

it("takes a whole address with the wrong scheme, as proxies make it", async () => {
  const registry = await serve();
  const link = next("last=a").replace("<", `<https://${registry.host}`);
  script(registry, [{ tags: ["a"], link }, { tags: ["b"] }]);
  expect(await read(registry)).toEqual(["a", "b"]);
});

test.each([
  ["empty", []],
  ["null", null],
  ["absent", undefined],
])("a list that is %s has no tags", async (_, tags) => {
  const registry = await serve();
  script(registry, [{ tags }]);
  expect(await read(registry)).toEqual([]);
});

it("asks without a size where that is refused", async () => {
  const registry = await serve();
  script(registry, [{ status: 400 }, { tags: ["a"] }]);
  expect(await read(registry)).toEqual(["a"]);
  expect(registry.requests[1]?.url).toBe("/v2/team/app/tags/list");
});

it("tries a page again", async () => {
  const registry = await serve();
  script(registry, [
    { tags: ["a"], link: next("last=a") },
    { status: 503 },
    { tags: ["b"] },
  ]);
  expect(await read(registry)).toEqual(["a", "b"]);
});

test.each<[string, Page[]]>([
  [
    "leads to another host",
    [
      {
        tags: ["a"],
        link: '<https://evil.example/v2/team/app/tags/list?n=1>; rel="next"',
      },
    ],
  ],
  [
    "leads to another path",
    [{ tags: ["a"], link: '</v2/other/app/tags/list?n=1>; rel="next"' }],
  ],
  ["links to itself", [{ tags: ["a"], link: next("n=1000") }]],
  [
    "brings nothing new",
    [
      { tags: ["a"], link: next("last=a") },
      { tags: ["a"], link: next("last=b") },
    ],
  ],
  ["is no JSON", [{ body: "<html>" }]],
  ["has no list", [{ body: '{"tags":"a"}' }]],
])("a list that %s is refused", async (_, pages) => {
  const registry = await serve();
  script(registry, pages);
  await expect(read(registry)).rejects.toMatchObject({
    code: "TAG_LIST_INVALID",
    message: expect.stringContaining(`${registry.host}/team/app`),
  });
});

test.each([
  [
    404,
    '{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]}',
    "NAME_UNKNOWN",
  ],
  [404, "", "NAME_UNKNOWN"],
  [401, "", "UNAUTHORIZED"],
  [403, "", "DENIED"],
])("%i %s: %s", async (status, body, code) => {
  const registry = await serve();
  script(registry, [{ status, body }]);
  await expect(read(registry)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(`${registry.host}/team/app`),
  });
});

test.each([
  [
    {
      "ratelimit-limit": "100;w=21600",
      "ratelimit-remaining": "76;w=21600",
      "docker-ratelimit-source": "192.0.2.7",
    },
    { limit: 100, remaining: 76, windowSeconds: 21_600, source: "192.0.2.7" },
  ],
  [
    { "ratelimit-limit": "100", "ratelimit-remaining": "0" },
    { limit: 100, remaining: 0 },
  ],
  [{ "ratelimit-limit": "100;w=21600" }, undefined],
  [{ "ratelimit-limit": "many", "ratelimit-remaining": "1" }, undefined],
  [{}, undefined],
])("the limit in %j", (headers, limit) => {
  expect(parseRateLimit(headers)).toEqual(limit);
});

it("limits come with manifests and with what is asked of them", async () => {
  const registry = await serve();
  registry.addImage("team/app", "1", []);
  registry.faults.push({
    times: 2,
    do: "headers",
    headers: {
      "ratelimit-limit": "100;w=21600",
      "ratelimit-remaining": "9;w=21600",
    },
  });
  const client = connect();
  const head = await client.head(repo(registry), "1");
  const found = await client.manifest(repo(registry), "1");
  const rateLimit = { limit: 100, remaining: 9, windowSeconds: 21_600 };
  expect(head).toMatchObject({ rateLimit });
  expect(found).toMatchObject({ rateLimit });
});

it("a source that repeats what was sent is not shown", () => {
  const headers = {
    "ratelimit-limit": "100",
    "ratelimit-remaining": "1",
    "docker-ratelimit-source": "of s3cret-token",
  };
  expect(parseRateLimit(headers, ["s3cret-token"])?.source).toBe("of REDACTED");
});

it("is not read for ever, though each page brings new tags", async () => {
  const registry = await serve();
  const pages = [1, 2, 3].map((page) => ({
    tags: Array.from({ length: 400_000 }, (_, at) => `${page}${at}x`),
    link: next(`last=${page}`),
  }));
  script(registry, pages);
  await expect(read(registry)).rejects.toMatchObject({
    code: "TAG_LIST_INVALID",
    message: expect.stringContaining("no end"),
  });
  expect(registry.requests).toHaveLength(3);
});
