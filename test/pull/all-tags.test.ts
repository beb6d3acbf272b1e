// Every tag of a repository in one run.
import { describe, expect, it } from "vitest";
import { imageOf, indexOf, MACHINE } from "../helpers/image-builder.js";
import { storedReferences } from "../helpers/store/data-root.js";
import { newRoot } from "../store/support/roots.js";
import { expectEvents } from "./support/event-schema.js";
import { smallImage, smallLayer } from "./support/layers.js";
import {
  failureOf,
  fetches,
  publish,
  publishManifest,
  pulling,
  serve,
} from "./support/pulls.js";
import { expectSound } from "./support/stored.js";

describe("--all-tags", () => {
  it("pulls each tag, and what they share once", async () => {
    const registry = await serve();
    const root = await newRoot();
    const shared = smallLayer("shared");
    const tags = ["1", "2", "3", "4", "5", "6"];
    for (const tag of tags) {
      publish(registry, `app:${tag}`, imageOf([shared, smallLayer(tag)]));
    }
    const repository = `${registry.host}/app`;
    const { results, failures, events } = await pulling(repository, {
      root,
      allTags: true,
    });
    expect(failures).toEqual([]);
    expect(results.map(({ reference }) => reference)).toEqual(
      tags.map((tag) => `${repository}:${tag}`),
    );
    expect(fetches(registry, shared.digest)).toBe(1);
    const names = [...(await storedReferences(root)).keys()];
    expect(names.filter((name) => !name.includes("@"))).toEqual(
      tags.map((tag) => `${repository}:${tag}`),
    );
    expectEvents(events);
    await expectSound(root);
  });

  it("goes on when a tag fails", async () => {
    const registry = await serve();
    const root = await newRoot();
    for (const tag of ["1", "2", "3"]) {
      publish(registry, `app:${tag}`, smallImage([tag]));
    }
    registry.addManifest("app", "2", Buffer.from("{}"));
    const repository = `${registry.host}/app`;
    const { results, failures, events } = await pulling(repository, {
      root,
      allTags: true,
    });
    expect(results).toHaveLength(2);
    expect(failures).toMatchObject([{ reference: `${repository}:2` }]);
    expectEvents(events);
  });

  it("goes on with other repositories when one has no tags or is not there", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", smallImage(["a"]));
    registry.faults.push({
      on: { path: /none\/tags/ },
      do: "status",
      status: 404,
      body: '{"errors":[{"code":"NAME_UNKNOWN","message":"no"}]}',
    });
    const { host } = registry;
    const all = [`${host}/none`, `${host}/empty`, `${host}/app`];
    const { results, failures, events } = await pulling(all, {
      root,
      allTags: true,
    });
    expect(results.map(({ reference }) => reference)).toEqual([name]);
    expect(failures).toMatchObject([
      { reference: `${host}/none`, error: { code: "NAME_UNKNOWN" } },
      { reference: `${host}/empty`, error: { code: "NAME_UNKNOWN" } },
    ]);
    expectEvents(events);
  });

  it("goes together with several platforms", async () => {
    const registry = await serve();
    const root = await newRoot();
    const s390x = { os: "linux", architecture: "s390x" };
    for (const tag of ["1", "2"]) {
      const entries = [MACHINE, s390x].map((platform) => {
        const image = imageOf([smallLayer(`${tag}-${platform.architecture}`)], {
          platform,
        });
        publish(registry, "app", image);
        return { image, platform };
      });
      publishManifest(registry, `app:${tag}`, indexOf(entries));
    }
    const { results } = await pulling(`${registry.host}/app`, {
      root,
      allTags: true,
      platform: "all",
    });
    expect(
      results.map(({ reference, target }) => [reference.slice(-1), target]),
    ).toEqual([
      ["1", `linux/${MACHINE.architecture}`],
      ["1", "linux/s390x"],
      ["2", `linux/${MACHINE.architecture}`],
      ["2", "linux/s390x"],
    ]);
  });

  it.each(["app:1", "app:latest", `app@sha256:${"0".repeat(64)}`])(
    "refuses %s: a repository is what it takes",
    async (name) => {
      const registry = await serve();
      const root = await newRoot();
      const wrong = pulling(
        [`${registry.host}/ok`, `${registry.host}/${name}`],
        { root, allTags: true },
      );
      expect((await failureOf(wrong)).code).toBe("OPTION_INVALID");
      expect(registry.requests).toEqual([]);
    },
  );
});
