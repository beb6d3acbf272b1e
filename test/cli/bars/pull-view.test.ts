import { describe, expect, it, test } from "vitest";
import { PullView } from "#src/cli/bars/pull-view.js";
import type { PullEvent } from "#src/events.js";
import { digest, image, short } from "../samples.js";

function setUp(...events: PullEvent[]) {
  const view = new PullView();
  const feed = (now: number, ...more: PullEvent[]) => {
    for (const event of more) view.onEvent(event, now);
  };
  feed(0, ...events);
  return { view, feed };
}

const nginx = image("nginx", [
  ["n1", 1000],
  ["n2", 2000],
  ["n3", 3000],
]);

test("before layers are known a note says what is going on", () => {
  const { view, feed } = setUp();
  expect(view.lines(20, 0)).toEqual([]);
  feed(0, nginx.resolve());
  expect(view.lines(20, 0)).toEqual([{ text: "resolving nginx" }]);
  feed(0, { type: "wait", image: "nginx", reason: "a lock\x1b" });
  expect(view.lines(20, 0)).toEqual([{ text: "waiting: a lock\\x1b" }]);
  expect(view.lines(20, 0, true)).toEqual([]);
});

test("each state of a layer has its line, and the total sums up", () => {
  const { view, feed } = setUp(nginx.resolve(), nginx.layers());
  feed(0, nginx.layer(0, "exists"), nginx.layer(1, "downloading"));
  feed(0, nginx.progress(1, 500));
  feed(1000, nginx.progress(1, 1500));
  expect(view.lines(20, 1000)).toEqual([
    { label: short("n1"), state: "Already exists" },
    {
      label: short("n2"),
      state: "downloading",
      current: 1500,
      total: 2000,
      rate: 1000,
    },
    { label: short("n3"), state: "waiting", size: "3.00 kB" },
    {
      label: "total",
      state: "1/3 done",
      current: 1500,
      total: 5000,
      rate: 1000,
    },
  ]);

  feed(1000, nginx.layer(1, "extracting"), nginx.layer(2, "staged"));
  expect(view.lines(20, 1000)).toEqual([
    { label: short("n1"), state: "Already exists" },
    { label: short("n2"), state: "extracting", size: "2.00 kB" },
    { label: short("n3"), state: "extracted", size: "3.00 kB" },
    { label: "total", state: "1/3 done", current: 5000, total: 5000 },
  ]);

  feed(1000, nginx.layer(1, "complete"), nginx.layer(2, "complete"));
  expect(view.lines(20, 1000).slice(1)).toEqual([
    { label: short("n2"), state: "done", size: "2.00 kB" },
    { label: short("n3"), state: "done", size: "3.00 kB" },
    { label: "total", state: "3/3 done", current: 5000, total: 5000 },
  ]);
});

test("an image that was stored as a whole has no layers left to do", () => {
  const { view, feed } = setUp(nginx.resolve(), nginx.layers());
  feed(0, nginx.result());
  expect(view.lines(20, 0)).toEqual([
    { label: short("n1"), state: "Already exists" },
    { label: short("n2"), state: "Already exists" },
    { label: short("n3"), state: "Already exists" },
    { label: "total", state: "3/3 done" },
  ]);
});

describe("a retry", () => {
  const retry: PullEvent = {
    type: "retry",
    image: "nginx",
    digest: digest("n2"),
    attempt: 1,
    delayMs: 2500,
    reason: "reset",
  };

  it("keeps the layer's line until bytes come again", () => {
    const { view, feed } = setUp(nginx.layers(), nginx.layer(1, "downloading"));
    feed(0, nginx.progress(1, 800), retry);
    const line = () => view.lines(20, 0)[1];
    expect(line()).toEqual({
      label: short("n2"),
      state: "retry in 3 s",
      current: 800,
      total: 2000,
    });
    feed(0, nginx.progress(1, 900));
    expect(line()).toMatchObject({ state: "downloading", current: 900 });
  });

  it("of a manifest is a note", () => {
    const { digest: _, ...request } = retry;
    const { view } = setUp(nginx.resolve(), request);
    expect(view.lines(20, 0)).toEqual([{ text: "reset; retry in 3 s" }]);
  });
});

test("a blob that occurs twice has one line, done when both are", () => {
  const other = image("other", [["n1", 1000]]);
  const { view, feed } = setUp(nginx.layers(), other.layers());
  feed(0, nginx.layer(0, "downloading"), nginx.progress(0, 400));
  expect(view.lines(20, 0)).toHaveLength(4);
  expect(view.lines(20, 0)[0]).toMatchObject({ current: 400 });
  feed(0, nginx.layer(0, "complete"));
  expect(view.lines(20, 0)[0]).toMatchObject({ state: "waiting" });
  feed(0, other.layer(0, "exists"));
  expect(view.lines(20, 0)[0]).toMatchObject({ state: "done" });
});

describe("more layers than lines", () => {
  const names = Array.from({ length: 127 }, (_, i) => `layer ${i}`);
  const large = image(
    "large",
    names.map((name) => [name, 1000]),
  );
  const labels = (view: PullView, capacity: number) =>
    view
      .lines(capacity, 0)
      .map((line) => ("label" in line ? line.label : line.text));

  it("leaves out finished ones, then those where nothing happens", () => {
    const { view, feed } = setUp(large.layers());
    for (let i = 0; i < 100; i++) feed(0, large.layer(i, "complete"));
    feed(0, large.layer(110, "downloading"), large.layer(105, "extracting"));
    feed(0, large.layer(104, "staged"), large.layer(126, "downloading"));
    expect(labels(view, 3)).toEqual(
      [names[105], names[110], names[126]]
        .map((name) => short(name ?? ""))
        .concat("total"),
    );
    expect(labels(view, 5)).toEqual(
      [100, 104, 105, 110, 126]
        .map((index) => short(names[index] ?? ""))
        .concat("total"),
    );
    expect(view.lines(5, 0).at(-1)).toMatchObject({ state: "100/127 done" });
    expect(labels(view, 0)).toEqual(["total"]);
  });

  it("leaves only the total in the end", () => {
    const { view, feed } = setUp(large.layers());
    for (let i = 0; i < 127; i++) feed(0, large.layer(i, "complete"));
    expect(labels(view, 21)).toEqual(["total"]);
    expect(view.lines(21, 0)[0]).toMatchObject({ state: "127/127 done" });
  });
});

test("layers of an archive are read, not downloaded", () => {
  for (const fromArchive of [true, false]) {
    const view = new PullView({ fromArchive });
    view.onEvent(nginx.layers(), 0);
    view.onEvent(nginx.layer(0, "downloading"), 0);
    expect(JSON.stringify(view.lines(20, 0))).toContain(
      fromArchive ? '"reading"' : '"downloading"',
    );
  }
});
