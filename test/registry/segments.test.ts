/** How a blob is divided: no byte twice, none forgotten, whatever the streams do. */
import type { RangeStream } from "#src/registry/range-stream.js";
import { Segments, type Segment } from "#src/registry/segments.js";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

const RULES = { partBytes: 80, minBytes: 10, worthDividing: 40, streams: 4 };

/** Puts a stream at work whose body reaches to `reach`. */
function start(segment: Segment, reach = segment.end): void {
  segment.stream = {
    cut: () => undefined,
    extend: (to: number) => to <= reach,
  } as unknown as RangeStream;
}

function ranges({ list }: Segments): [number, number][] {
  return list.map(({ start, end }) => [start, end]);
}

describe("dividing", () => {
  test("the first stream has all; the second goes on to the end; further ones take parts", () => {
    const segments = new Segments(0, 1000);
    start(segments.first() as Segment);
    expect(ranges(segments)).toEqual([[0, 1000]]);
    start(segments.next(RULES) as Segment);
    expect(ranges(segments)).toEqual([
      [0, 80],
      [80, 1000],
    ]);
    start(segments.next(RULES) as Segment);
    start(segments.next(RULES) as Segment);
    expect(ranges(segments)).toEqual([
      [0, 80],
      [80, 160],
      [160, 240],
      [240, 320],
    ]);
    expect(segments.remaining).toBe(1000);
    expect(segments.running).toBe(4);
  });

  test("parts become shorter towards the end, down to a smallest", () => {
    const segments = new Segments(0, 1000);
    start(segments.first() as Segment);
    for (;;) {
      const next = segments.next({ ...RULES, worthDividing: 100 });
      if (next === undefined) break;
      start(next);
    }
    const lengths = ranges(segments).map(([from, to]) => to - from);
    // The last takes what would be too short for one more.
    const before = lengths.slice(0, -1);
    expect(before).toEqual(before.toSorted((a, b) => b - a));
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...lengths)).toBe(80);
    expect(lengths.at(-1)).toBeLessThan(20);
  });

  test("a rest that one stream brings soon is left to it", () => {
    const segments = new Segments(0, 1000);
    const first = segments.first() as Segment;
    start(first);
    first.offset = 961;
    expect(segments.next(RULES)).toBeUndefined();
    first.offset = 960;
    expect(segments.next(RULES)).toMatchObject({ start: 980, end: 1000 });
  });

  test("what was given up comes first", () => {
    const segments = new Segments(0, 1000);
    const first = segments.first() as Segment;
    start(first);
    const second = segments.next(RULES) as Segment;
    expect(segments.next(RULES)).toBe(second);
  });
});

describe("a stream that brought nothing is undone", () => {
  function two(reach: number): { segments: Segments; second: Segment } {
    const segments = new Segments(0, 1000);
    start(segments.first() as Segment, reach);
    return { segments, second: segments.next(RULES) as Segment };
  }

  test("the one before goes on, where its reply brings all", () => {
    const { segments, second } = two(1000);
    segments.undo(second);
    expect(ranges(segments)).toEqual([[0, 1000]]);
  });

  test("else its bytes are given out again", () => {
    const { segments, second } = two(500);
    segments.undo(second);
    expect(ranges(segments)).toEqual([[0, 80]]);
    expect(segments.remaining).toBe(1000);
    expect(segments.next(RULES)).toMatchObject({ start: 80, end: 160 });
  });

  test("one that brought something keeps its place", () => {
    const { segments, second } = two(1000);
    second.offset += 1;
    segments.undo(second);
    expect(ranges(segments)).toHaveLength(2);
  });
});

test("in whatever order streams come, go and fail: every byte once, in order", () => {
  const step = fc.record({
    do: fc.constantFrom("start", "bring", "fail", "shift"),
    which: fc.nat({ max: 9 }),
    bytes: fc.integer({ min: 1, max: 120 }),
    reach: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.nat({ max: 500 }),
      fc.integer({ min: 1, max: 2000 }),
      fc.array(step, { maxLength: 120 }),
      (from, length, steps) => {
        const to = from + length;
        const segments = new Segments(from, to);
        let read = from;
        const check = () => {
          let at = read;
          for (const { start, end, offset } of segments.list) {
            expect(start).toBe(at);
            expect(end).toBeGreaterThanOrEqual(offset);
            at = end;
          }
          expect(at).toBeLessThanOrEqual(to);
        };
        const bring = (segment: Segment, bytes: number) => {
          segment.offset = Math.min(segment.end, segment.offset + bytes);
          if (segment.offset < segment.end) return;
          segment.stream = undefined;
          segment.isDone = true;
        };
        const shift = () => {
          while (segments.list[0]?.isDone) {
            read = (segments.list.shift() as Segment).end;
          }
        };
        for (const { do: what, which, bytes, reach } of steps) {
          const { list } = segments;
          const busy = list.filter(({ stream }) => stream !== undefined);
          const chosen = busy[which % Math.max(1, busy.length)];
          if (what === "start") {
            const next = list.length === 0 ? segments.first() : undefined;
            const segment = next ?? segments.next(RULES);
            if (segment) start(segment, reach ? to : segment.end);
          } else if (chosen && what === "bring") bring(chosen, bytes);
          else if (chosen && what === "fail") {
            chosen.stream = undefined;
            segments.undo(chosen);
          } else shift();
          check();
        }
        for (let first = segments.first(); first; first = segments.first()) {
          bring(first, length);
          shift();
          check();
        }
        expect(read).toBe(to);
        expect(segments.remaining).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});

test("the first takes over what all others were to bring", () => {
  const segments = new Segments(0, 1000);
  const first = segments.first()!;
  first.end = 400;
  segments.list.push({ ...first, start: 400, end: 700 });
  segments.list.push({ ...first, start: 700, end: 1000 });
  expect(segments.takeRest().map(({ start }) => start)).toEqual([400, 700]);
  expect(segments.list).toEqual([{ ...first, end: 1000 }]);
  expect(segments.remaining).toBe(1000);
});
