import type { Digest } from "#store/digest.js";
import { RateLimiter } from "#src/registry/rate-limiter.js";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { collect, connect, noise, repo, serve } from "./client.js";

/** A clock on which several can sleep; `run` lets time pass until nobody does. */
class FakeClock {
  time = 5000;
  readonly #sleepers: { due: number; wake: () => void }[] = [];

  readonly now = (): number => this.time;

  readonly sleep = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => {
      this.#sleepers.push({ due: this.time + milliseconds, wake: resolve });
    });

  async run(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const [next] = this.#sleepers.sort((a, b) => a.due - b.due);
      if (next === undefined) return;
      this.#sleepers.shift();
      this.time = Math.max(this.time, next.due);
      next.wake();
    }
  }
}

describe("the limit", () => {
  test("holds over all streams, in any second", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 200_000, max: 20_000_000 }),
        fc.array(fc.integer({ min: 1, max: 65_536 }), { minLength: 40 }),
        fc.integer({ min: 1, max: 8 }),
        async (rate, chunks, streams) => {
          const clock = new FakeClock();
          const limiter = new RateLimiter(rate, clock);
          const { signal } = new AbortController();
          const begun = clock.time;
          const taken: { at: number; bytes: number }[] = [];
          const left = [...chunks];
          const work = Promise.all(
            Array.from({ length: streams }, async () => {
              for (let bytes = left.pop(); bytes; bytes = left.pop()) {
                await limiter.take(bytes, signal);
                taken.push({ at: clock.time, bytes });
              }
            }),
          );
          await clock.run();
          await work;
          const total = chunks.reduce((sum, bytes) => sum + bytes, 0);
          const lasted = clock.time - begun;
          // The play at the end is all that may come early.
          expect(lasted).toBeGreaterThanOrEqual((total / rate) * 1000 - 51);
          expect(lasted).toBeLessThanOrEqual((total / rate) * 1000 + 1);
          for (const { at } of taken) {
            const inSecond = taken
              .filter((one) => one.at > at - 1000 && one.at <= at)
              .reduce((sum, { bytes }) => sum + bytes, 0);
            expect(inSecond).toBeLessThanOrEqual(rate * 1.06 + 65_536);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("is not saved up while nothing comes", async () => {
    const clock = new FakeClock();
    const limiter = new RateLimiter(1_000_000, clock);
    const { signal } = new AbortController();
    await limiter.take(10_000, signal);
    expect(limiter.isReached).toBe(true);
    clock.time += 60_000;
    expect(limiter.isReached).toBe(false);
    const begun = clock.time;
    const taking = limiter.take(500_000, signal);
    await clock.run();
    await taking;
    expect(clock.time - begun).toBe(500);
  });

  test("ends with the signal", async () => {
    const limiter = new RateLimiter(1, {
      now: () => 0,
      sleep: async (_, { aborted }) => {
        if (aborted) throw new Error("stopped");
      },
    });
    const signal = AbortSignal.abort();
    await expect(limiter.take(1000, signal)).rejects.toThrow("stopped");
  });
});

describe("a client with a limit", () => {
  test("keeps it, and does not take its own waiting for the server's", async () => {
    const registry = await serve();
    const layer = noise(600_000);
    const { digest, size } = registry.addBlob(layer);
    const blob = { digest: digest as Digest, size };
    const client = connect({ limitRate: 1_000_000, stallMs: 100 });
    const begun = performance.now();
    const halves = await Promise.all([
      collect(client.blob(repo(registry), blob, { to: size / 2 })),
      collect(client.blob(repo(registry), blob, { from: size / 2 })),
    ]);
    const seconds = (performance.now() - begun) / 1000;
    expect(Buffer.concat(halves).equals(layer)).toBe(true);
    expect(seconds).toBeGreaterThan(0.5);
    expect(client.retries).toEqual([]);
  });

  test.each([0, -1, 1023, Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses %d",
    (limitRate) => {
      expect(() => connect({ limitRate })).toThrow(
        expect.objectContaining({ code: "OPTION_INVALID" }),
      );
    },
  );

  test.each([0, 65, 1.5])("refuses %d streams", (maxStreams) => {
    expect(() => connect({ maxStreams })).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID" }),
    );
  });
});
