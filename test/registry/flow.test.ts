/** How many streams a link gets, on links that exist only as arithmetic. */
import { Flow, FLOW_TIMING } from "#src/registry/flow.js";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

/** Bytes a second that so many streams bring together. */
type Bandwidth = (streams: number) => number;

const perConnection =
  (rate: number): Bandwidth =>
  (n) =>
    n * rate;
const full =
  (rate: number): Bandwidth =>
  () =>
    rate;

class Simulation {
  now = 0;
  readonly flow: Flow;
  bandwidth: Bandwidth;
  blobs = 1;
  mayGrow = true;
  /** The most streams there were. */
  most = 1;
  #pending: number[] = [];

  constructor(bandwidth: Bandwidth, maxStreams = 8) {
    this.bandwidth = bandwidth;
    this.flow = new Flow(maxStreams);
    this.flow.changed(this.blobs, 0);
  }

  /** Lets time pass in steps of 10 ms; what is added takes 200 ms to bring something. */
  run(milliseconds: number): this {
    for (const end = this.now + milliseconds; this.now < end; this.now += 10) {
      const { flow } = this;
      while ((this.#pending[0] ?? Infinity) <= this.now) {
        this.#pending.shift();
        flow.started(this.now, 300);
      }
      const working = this.blobs + flow.extra - this.#pending.length;
      const bytes = this.bandwidth(Math.max(1, working)) / 100;
      const before = flow.extra;
      if (flow.received(bytes, this.now)) flow.look(this.now, this.mayGrow);
      if (flow.extra < before) this.#pending = [];
      for (let n = before; n < flow.extra; n++) {
        this.#pending.push(this.now + 200);
      }
      this.most = Math.max(this.most, flow.streams);
    }
    return this;
  }
}

describe("streams are added", () => {
  test("while each brings as much as the first: up to the limit, within seconds", () => {
    const link = new Simulation(perConnection(4e6)).run(900);
    expect(link.flow.streams).toBe(2);
    link.run(3000);
    expect(link.flow.streams).toBe(8);
    expect(link.run(60_000).most).toBe(8);
    expect(link.flow.streamRate).toBeCloseTo(4000, -2);
  });

  test("no longer than the total grows by a clear margin", () => {
    // Each has 4 MB/s, and all together no more than 14.
    const link = new Simulation((n) => Math.min(14e6, n * 4e6)).run(30_000);
    expect(link.flow.streams).toBeGreaterThanOrEqual(4);
    expect(link.flow.streams).toBeLessThanOrEqual(6);
  });

  test("never where the reader is what the network waits for", () => {
    const link = new Simulation(perConnection(4e6));
    link.mayGrow = false;
    expect(link.run(60_000).most).toBe(1);
  });

  test("never on a link that is faster than unpacking", () => {
    expect(new Simulation(perConnection(120e6)).run(20_000).most).toBe(1);
  });

  test("never beyond the limit, nor beside more blobs than that", () => {
    expect(new Simulation(perConnection(4e6), 1).run(9000).most).toBe(1);
    const link = new Simulation(perConnection(4e6), 4);
    link.blobs = 6;
    link.flow.changed(6, 0);
    expect(link.run(9000).flow.extra).toBe(0);
  });
});

describe("streams go again", () => {
  test("when the link was full already; the next trials are ever rarer", () => {
    const link = new Simulation(full(4e6));
    const trials: number[] = [];
    for (let extra = 0; link.now < 200_000;) {
      link.run(100);
      if (link.flow.extra > extra) trials.push(link.now);
      extra = link.flow.extra;
    }
    expect(link.most).toBe(2);
    const pauses = trials.slice(1).map((at, i) => at - (trials[i] ?? 0));
    expect(pauses.length).toBeGreaterThanOrEqual(3);
    expect(pauses.toSorted((a, b) => a - b)).toEqual(pauses);
    expect(pauses[0]).toBeGreaterThanOrEqual(FLOW_TIMING.restMs);
    expect(pauses.at(-1)).toBeLessThan(FLOW_TIMING.maxRestMs + 4000);
  });

  test("when those that were added never bring anything", () => {
    const flow = new Flow(8);
    flow.changed(1, 0);
    for (let now = 0; now < 900; now += 10) {
      if (flow.received(40_000, now)) flow.look(now, true);
    }
    expect(flow.extra).toBe(1);
    for (let now = 900; now < 7000; now += 10) {
      if (flow.received(40_000, now)) flow.look(now, true);
    }
    expect(flow.extra).toBe(0);
  });

  test("half of them when a host fails, all when it says that it is enough", () => {
    const link = new Simulation(perConnection(4e6)).run(10_000);
    expect(link.flow.extra).toBe(7);
    link.flow.backOff(false, link.now);
    expect(link.flow.extra).toBe(3);
    link.run(FLOW_TIMING.restMs - 500);
    expect(link.flow.extra).toBe(3);
    link.flow.backOff(true, link.now);
    expect(link.run(2 * FLOW_TIMING.restMs - 500).flow.extra).toBe(0);
    expect(link.run(3000).flow.extra).toBeGreaterThan(0);
  });

  test("those on trial, when a blob comes or goes: nothing can be compared", () => {
    const link = new Simulation(perConnection(4e6)).run(900);
    expect(link.flow.extra).toBe(1);
    link.blobs = 2;
    link.flow.changed(2, link.now);
    expect(link.flow.extra).toBe(0);
    link.run(900);
    expect(link.flow.streams).toBe(4);
  });

  test("all, with the last blob", () => {
    const link = new Simulation(perConnection(4e6)).run(10_000);
    link.flow.changed(0, link.now);
    expect(link.flow.extra).toBe(0);
  });
});

test("on whatever link, at no time more than allowed, and in the end nothing wasted", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 50_000, max: 30_000_000 }),
      fc.integer({ min: 50_000, max: 90_000_000 }),
      fc.integer({ min: 1, max: 16 }),
      (each, together, maxStreams) => {
        const bandwidth = (n: number) => Math.min(together, n * each);
        const link = new Simulation(bandwidth, maxStreams).run(60_000);
        expect(link.most).toBeLessThanOrEqual(maxStreams);
        const best = bandwidth(maxStreams);
        const reached = bandwidth(link.flow.streams);
        expect(reached).toBeGreaterThanOrEqual(best * 0.75);
        const enough = Math.max(1, Math.ceil(together / each));
        expect(link.flow.streams).toBeLessThanOrEqual(enough * 2);
      },
    ),
    { numRuns: 200 },
  );
});
