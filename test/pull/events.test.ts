// What a caller hears of a pull: the events and results of API and command line.
import { describe, expect, it } from "vitest";
import { EVENT_SCHEMA, pull, pullAll, type PullEvent } from "#src/index.js";
import { imageOf } from "../helpers/image-builder.js";
import { tpull } from "../helpers/tpull-cli.js";
import { newRoot } from "../store/support/roots.js";
import { expectEvents } from "./support/event-schema.js";
import { bigLayer, smallImage, smallLayer } from "./support/layers.js";
import { IMPATIENT, publish, pulling, serve } from "./support/pulls.js";
import { expectSound } from "./support/stored.js";

const image = imageOf([bigLayer(400_000), smallLayer("a"), smallLayer("b")]);

describe("events", () => {
  it("of a pull have the documented fields and order", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", image);
    const { events } = await pulling(name, { root });
    expectEvents(events);
    const states = events.flatMap((event) =>
      event.type === "layer" && event.index === 0 ? [event.state] : [],
    );
    expect(states).toEqual([
      "waiting",
      "downloading",
      "extracting",
      "staged",
      "complete",
    ]);
    const bytes = events.flatMap((event) =>
      event.type === "progress" && event.index === 0 ? [event.current] : [],
    );
    expect(bytes.at(-1)).toBe(image.layers[0]!.size);
  });

  it("of images that share, repeat, exist and fail do, too", async () => {
    const registry = await serve();
    const root = await newRoot();
    const twin = smallLayer("twin");
    const lost = smallLayer("lost");
    const names = [
      publish(registry, "one:1", image),
      publish(registry, "two:1", imageOf([...image.layers, twin, twin])),
      publish(registry, "bad:1", imageOf([image.layers[0]!, lost])),
      `${registry.host}/none:1`,
    ];
    registry.blobs.delete(lost.digest);
    expectEvents((await pulling(names, { root })).events);
    expectEvents((await pulling(names, { root })).events);
    expectEvents((await pulling(names.toReversed(), { root })).events);
  });

  it("tell of retries, whichever request it was", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", image);
    const [big] = image.layers;
    registry.faults.push(
      { do: "status", status: 503, on: { path: /manifests/ } },
      {
        do: "status",
        status: 503,
        on: { path: new RegExp(image.config.digest) },
      },
      { do: "reset", after: 150_000, on: { path: new RegExp(big!.digest) } },
    );
    const { events } = await pulling(name, { root });
    expectEvents(events);
    const retries = events.filter(({ type }) => type === "retry");
    expect(retries).toMatchObject([
      { image: name, attempt: 1 },
      { image: name, attempt: 1, digest: image.config.digest },
      { image: name, attempt: 1, digest: big!.digest },
    ]);
    expect(retries[0]).not.toHaveProperty("digest");
  });

  it("are the same objects for everybody, as plain JSON", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", image);
    const { events, results } = await pulling(name, { root });
    expect(JSON.parse(JSON.stringify(events))).toEqual(events);
    expect(events.find(({ type }) => type === "result")).toEqual({
      type: "result",
      image: name,
      result: results[0],
    });
  });

  it("come out of the command line as lines of JSON", async () => {
    const registry = await serve();
    const root = await newRoot();
    const names = [publish(registry, "app:1", image), `${registry.host}/no:1`];
    const args = ["--root", root, "--progress", "json", ...names];
    const { code, stdout } = await tpull(args);
    expect(code).toBe(1);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const events = lines.map(({ schema, time, ...event }) => {
      expect(schema).toBe(EVENT_SCHEMA);
      expect(new Date(String(time)).toISOString()).toBe(time);
      return event as PullEvent;
    });
    expectEvents(events);
  });
});

describe("a listener that throws", () => {
  const angry = (): never => {
    throw new Error("a listener's own trouble");
  };

  it("does not break a pull", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", image);
    const result = await pull(name, { root, onEvent: angry });
    expect(result.status).toBe("downloaded");
    await expectSound(root);
  });

  it("does not hide why a pull fails", async () => {
    const registry = await serve();
    const root = await newRoot();
    const { failures } = await pullAll([`${registry.host}/none:1`], {
      root,
      registry: IMPATIENT,
      onEvent: angry,
    });
    expect(failures[0]?.error.code).toBe("MANIFEST_UNKNOWN");
  });
});

describe("a call", () => {
  it("with an option that cannot be is refused before anything is asked", async () => {
    const registry = await serve();
    const root = await newRoot();
    const name = publish(registry, "app:1", smallImage(["a"]));
    const refused: [object, string][] = [
      [{ concurrency: 0 }, "OPTION_INVALID"],
      [{ concurrency: 65 }, "OPTION_INVALID"],
      [{ concurrency: 1.5 }, "OPTION_INVALID"],
      [{ platform: "linux/" }, "PLATFORM_INVALID"],
      [{ root: "/dev/null/root" }, "ROOT_NOT_A_DIRECTORY"],
    ];
    for (const [option, code] of refused) {
      await expect(pull(name, { root, ...option })).rejects.toMatchObject({
        code,
      });
    }
    expect(registry.requests).toEqual([]);
  });

  it("with one layer at a time works as well", async () => {
    const registry = await serve();
    const root = await newRoot();
    const layers = ["a", "b", "c", "d", "e"].map((name) => smallLayer(name));
    const names = [
      publish(registry, "one:1", imageOf(layers)),
      publish(registry, "two:1", imageOf(layers.toReversed())),
    ];
    const { results } = await pulling(names, { root, concurrency: 1 });
    expect(results).toHaveLength(2);
    await expectSound(root);
  });

  it("with no image does nothing", async () => {
    const root = await newRoot();
    const { events, results, failures } = await pulling([], { root });
    expect({ results, failures }).toEqual({ results: [], failures: [] });
    expectEvents(events);
  });

  it("repeats no password that was given by mistake", async () => {
    const root = await newRoot();
    const { events, failures } = await pulling(
      "user:geheim@registry.example/app:1",
      { root },
    );
    expect(failures[0]?.error.code).toBe("REFERENCE_INVALID");
    expect(JSON.stringify([events, failures])).not.toContain("geheim");
  });
});
