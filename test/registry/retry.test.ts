import { CoolDowns } from "#src/registry/cool-down.js";
import {
  DEFAULT_RETRY_POLICY,
  RetryBudget,
  retryAfterSeconds,
  type RetryPolicy,
} from "#src/registry/retry.js";
import { TpullError, type ErrorDetails } from "#store/errors.js";
import type { Descriptor } from "#src/registry/manifest.js";
import { describe, expect, test } from "vitest";
import { collect, connect, noise, repo, serve } from "./client.js";

const NOW = Date.parse("2026-11-20T12:00:00Z");

function failure(details: ErrorDetails = {}, retryable = true): TpullError {
  return new TpullError("X", "no luck", { retryable, details });
}

function policy(changes: Partial<RetryPolicy> = {}): RetryPolicy {
  return { ...DEFAULT_RETRY_POLICY, random: () => 0, ...changes };
}

describe("again, when, or not", () => {
  test("waits double, between half and whole, up to a limit", () => {
    const delays = (random: number) => {
      const budget = new RetryBudget(
        policy({ retries: 7, random: () => random }),
      );
      return Array.from({ length: 8 }, () => budget.next(failure())?.delayMs);
    };
    expect(delays(0)).toEqual([
      250,
      500,
      1000,
      2000,
      4000,
      7500,
      7500,
      undefined,
    ]);
    expect(delays(0.999)[0]).toBe(500);
  });

  test("only what may pass, and no defect", () => {
    const budget = new RetryBudget(policy());
    expect(budget.next(failure({}, false))).toBeUndefined();
    expect(budget.next(new Error("a defect"))).toBeUndefined();
    expect(budget.next("a string")).toBeUndefined();
    expect(budget.next(failure())).toMatchObject({
      attempt: 1,
      reason: "no luck",
    });
  });

  test("enough progress refills, less does not", () => {
    const budget = new RetryBudget(policy({ retries: 1, progressBytes: 100 }));
    expect(budget.next(failure())?.attempt).toBe(1);
    budget.progress(60);
    expect(budget.next(failure())).toBeUndefined();
    budget.progress(60);
    expect(budget.next(failure())?.attempt).toBe(1);
    expect(budget.total).toBe(2);
  });

  test("Retry-After is obeyed up to a minute, and beyond that it is said", () => {
    const budget = new RetryBudget(policy());
    expect(budget.next(failure({ retryAfterSeconds: 7 }))).toMatchObject({
      delayMs: 7000,
      reason: "no luck",
    });
    expect(budget.next(failure({ retryAfterSeconds: 3600 }))).toMatchObject({
      delayMs: 60_000,
      reason: "no luck (it asked to wait 3600 s, waiting 60 s)",
    });
    expect(budget.next(failure({ retryAfterSeconds: 0 }))?.delayMs).toBe(1000);
  });
});

test.each([
  ["120", 120],
  [" 0 ", 0],
  ["Fri, 20 Nov 2026 12:00:30 GMT", 30],
  ["Friday, 20-Nov-26 12:00:30 GMT", 30],
  ["Fri Nov 20 12:00:30 2026 GMT", 30],
  ["Fri, 20 Nov 2026 11:00:00 GMT", 0],
  ["-5", undefined],
  ["1.5", undefined],
  ["soon", undefined],
  ["2 minutes", undefined],
  ["9".repeat(30), undefined],
  ["", undefined],
  [undefined, undefined],
])("Retry-After: %s", (header, seconds) => {
  expect(retryAfterSeconds(header, NOW)).toBe(seconds);
});

describe("a host that wants to be left alone", () => {
  /** A clock that only sleeping moves. */
  function fakeTime() {
    const time = { now: NOW, slept: [] as number[] };
    return {
      time,
      retry: {
        now: () => time.now,
        sleep: async (milliseconds: number) => {
          time.slept.push(milliseconds);
          time.now += milliseconds;
        },
      },
    };
  }

  test("a pause holds for its host only, and the longer one counts", async () => {
    const { time, retry } = fakeTime();
    const pauses = new CoolDowns(policy(retry));
    const { signal } = new AbortController();
    pauses.pause("a", 5000);
    pauses.pause("a", 1000);
    await pauses.enter("b", signal);
    expect(time.slept).toEqual([]);
    await pauses.enter("a", signal);
    expect(time.slept).toEqual([5000]);
    await pauses.enter("a", signal);
    expect(time.slept).toEqual([5000]);
  });

  test("no longer than it said, when the clock is put back", async () => {
    const { time, retry } = fakeTime();
    const pauses = new CoolDowns(policy(retry));
    const { signal } = new AbortController();
    pauses.pause("a", 5000);
    time.now -= 40 * 86_400_000;
    await pauses.enter("a", signal);
    expect(time.slept).toEqual([5000]);
  });

  test("429 with Retry-After: all requests wait, then all goes on", async () => {
    const { time, retry } = fakeTime();
    const registry = await serve();
    const image = registry.addImage("team/app", "1.0", [noise(5000)]);
    const client = connect({ retry });
    await client.manifest(repo(registry), "1.0");
    registry.faults.push({
      on: { path: /blobs/ },
      do: "status",
      status: 429,
      headers: { "retry-after": "9" },
    });
    const bytes = await collect(
      client.blob(repo(registry), image.layers[0] as Descriptor),
    );
    expect(bytes).toHaveLength(5000);
    expect(time.slept).toEqual([9000]);
    expect(client.retries).toMatchObject([{ delayMs: 9000, attempt: 1 }]);
  });

  test("a date counts, and another request of that moment waits, too", async () => {
    const registry = await serve();
    registry.addImage("team/app", "1.0", []);
    let now = NOW;
    const wakers: (() => void)[] = [];
    const slept: number[] = [];
    const client = connect({
      retry: {
        now: () => now,
        sleep: (milliseconds) => {
          slept.push(milliseconds);
          return new Promise((resolve) => wakers.push(resolve));
        },
      },
    });
    registry.faults.push({
      do: "status",
      status: 503,
      headers: { "retry-after": "Fri, 20 Nov 2026 12:00:20 GMT" },
    });
    const first = client.manifest(repo(registry), "1.0");
    await expect.poll(() => slept).toEqual([20_000]);
    now += 5000;
    const second = client.manifest(repo(registry), "1.0");
    await expect.poll(() => slept).toEqual([20_000, 15_000]);
    expect(registry.requests).toHaveLength(1);
    now += 15_000;
    for (const wake of wakers) wake();
    expect((await first).digest).toBe((await second).digest);
  });

  test("when it stays so, the error says how long and for whom", async () => {
    const { retry } = fakeTime();
    const registry = await serve();
    registry.faults.push({
      do: "status",
      status: 429,
      times: 9,
      headers: { "retry-after": "3600", "ratelimit-remaining": "0;w=21600" },
      body: '{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}',
    });
    const client = connect({ retry });
    await expect(client.manifest(repo(registry), "1.0")).rejects.toMatchObject({
      code: "TOO_MANY_REQUESTS",
      message: expect.stringMatching(
        /too many requests for 127\.0\.0\.1:\d+\. Sent no credentials\. .*reached your pull rate limit/,
      ),
      hint: expect.stringContaining("in 60 min"),
      details: {
        status: 429,
        retryAfterSeconds: 3600,
        rateLimitRemaining: "0;w=21600",
        attempts: 6,
      },
    });
    expect(client.retries.map(({ delayMs }) => delayMs)).toEqual(
      Array.from({ length: 5 }, () => 60_000),
    );
  });
});
