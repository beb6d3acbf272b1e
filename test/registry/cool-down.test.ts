/** Hosts that are left alone: many streams, one series of tries. */
import type { Digest } from "#store/digest.js";
import { CoolDowns } from "#src/registry/cool-down.js";
import { TpullError } from "#store/errors.js";
import type { LookupFunction } from "node:net";
import { describe, expect, test, vi } from "vitest";
import {
  startFaultRegistry,
  type TestDescriptor,
} from "../helpers/fault-registry.js";
import { TEST_CERTIFICATE } from "../helpers/test-certificate.js";
import { collect, connect, lookup, noise, repo, serve } from "./client.js";

const { signal } = new AbortController();
const REFUSED = new TpullError("NETWORK_REFUSED", "nobody there", {
  retryable: true,
});

function fakeClock() {
  const clock = {
    time: 1000,
    now: () => clock.time,
    sleep: vi.fn(async (milliseconds: number) => {
      clock.time += milliseconds;
    }),
  };
  return clock;
}

describe("a host that cannot be connected to", () => {
  async function down() {
    const clock = fakeClock();
    const hosts = new CoolDowns(clock);
    (await hosts.enter("a", signal)).failed(REFUSED);
    hosts.pause("a", 400);
    return { clock, hosts };
  }

  test("is tried by one request after the pause; its failure is that of all", async () => {
    const { clock, hosts } = await down();
    const probe = await hosts.enter("a", signal);
    expect(clock.time).toBe(1400);
    const others = [1, 2, 3].map(() => hosts.enter("a", signal));
    const ends = Promise.allSettled(others);
    probe.failed(REFUSED);
    expect(await ends).toEqual(
      others.map(() => ({ status: "rejected", reason: REFUSED })),
    );
    // The next one tries again.
    await hosts.enter("a", signal);
  });

  test("is there for all again once it answers", async () => {
    const { hosts } = await down();
    const probe = await hosts.enter("a", signal);
    const others = [1, 2].map(() => hosts.enter("a", signal));
    probe.answered();
    await Promise.all(others);
    await hosts.enter("a", signal);
  });

  test("is there again when a request from before is answered", async () => {
    const clock = fakeClock();
    const hosts = new CoolDowns(clock);
    const early = await hosts.enter("a", signal);
    (await hosts.enter("a", signal)).failed(REFUSED);
    early.answered();
    await Promise.all([hosts.enter("a", signal), hosts.enter("a", signal)]);
  });

  test("is tried by another when the first is stopped, and waiting can be stopped", async () => {
    const { hosts } = await down();
    const probe = await hosts.enter("a", signal);
    const stop = new AbortController();
    const stopped = hosts.enter("a", stop.signal);
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });
    const next = hosts.enter("a", signal);
    probe.failed(new TpullError("ABORTED", "stopped"));
    (await next).answered();
  });

  test("says nothing about others", async () => {
    const { clock, hosts } = await down();
    await Promise.all([hosts.enter("b", signal), hosts.enter("b", signal)]);
    expect(clock.sleep).not.toHaveBeenCalled();
  });

  const passing = [
    new TpullError("NETWORK_RESET", "cut"),
    new TpullError("NETWORK_TIMEOUT", "no answer", {
      details: { reason: "HEADERS_TIMEOUT" },
    }),
  ];
  test.each(passing)("$message: no reason to think so", async (failure) => {
    const hosts = new CoolDowns(fakeClock());
    (await hosts.enter("a", signal)).failed(failure);
    await Promise.all([hosts.enter("a", signal), hosts.enter("a", signal)]);
  });
});

test("ten layers of a registry that goes away: each has its tries, the registry has one series", async () => {
  const registry = await startFaultRegistry({ tls: true });
  const layers = Array.from({ length: 10 }, (_, n) =>
    registry.addBlob(noise(100 + n)),
  );
  const repository = {
    registry: `registry.test:${registry.port}`,
    repository: "team/app",
  };
  let connecting = 0;
  const counting: LookupFunction = (...question) => {
    connecting += 1;
    lookup(...question);
  };
  const client = connect({
    retry: { retries: 3, baseMs: 20, maxMs: 20 },
    network: { ca: TEST_CERTIFICATE, lookup: counting },
  });
  const fetchLayer = ({ digest, size }: TestDescriptor) =>
    collect(client.blob(repository, { digest: digest as Digest, size }));
  await fetchLayer(layers[0]!);
  await registry.close();
  connecting = 0;
  const outcomes = await Promise.allSettled(layers.map(fetchLayer));
  for (const outcome of outcomes) {
    expect(outcome).toMatchObject({
      status: "rejected",
      reason: { code: "NETWORK_REFUSED", details: { attempts: 4 } },
    });
  }
  // All begin at the same time; after that there is one attempt for all, and
  // now and then one more for those who come just after it. It would be 40.
  expect(connecting).toBeGreaterThanOrEqual(10);
  expect(connecting).toBeLessThanOrEqual(10 + 2 * 3);
});

describe("too many requests", () => {
  test("without a Retry-After: the host is left alone all the same", async () => {
    const clock = fakeClock();
    const registry = await serve();
    const image = registry.addImage("team/app", "1.0", [noise(5000)]);
    registry.faults.push({ do: "status", status: 429 });
    const wakers: (() => void)[] = [];
    const slept: number[] = [];
    const client = connect({
      retry: {
        baseMs: 1000,
        maxMs: 1000,
        random: () => 0,
        now: clock.now,
        sleep: (milliseconds) => {
          slept.push(milliseconds);
          return new Promise((resolve) => wakers.push(resolve));
        },
      },
    });
    const first = client.manifest(repo(registry), "1.0");
    await expect.poll(() => slept).toEqual([500]);
    const second = client.manifest(repo(registry), "1.0");
    await expect.poll(() => slept).toEqual([500, 500]);
    expect(registry.requests).toHaveLength(1);
    clock.time += 500;
    for (const wake of wakers) wake();
    expect((await first).digest).toBe(image.manifest.digest);
    expect((await second).digest).toBe(image.manifest.digest);
  });
});

describe("a registry that is silent", () => {
  test("is told of while it is waited for, and has two tries", async () => {
    const registry = await serve();
    registry.faults.push({ do: "stall", times: 9 });
    const client = connect({
      headersTimeoutMs: 200,
      retry: { silenceMs: 300 },
    });
    const asking = client.manifest(repo(registry), "1.0");
    const failing = expect(asking).rejects.toMatchObject({
      code: "NETWORK_TIMEOUT",
      details: { attempts: 2 },
    });
    await expect
      .poll(() => client.warnings)
      .toEqual([
        {
          code: "REGISTRY_SLOW",
          message: `${registry.host} has not answered for 0.1 s; still waiting`,
        },
      ]);
    expect(client.retries).toEqual([]);
    await failing;
    expect(registry.requests).toHaveLength(2);
    expect(client.warnings).toHaveLength(1);
  });

  test("has its tries anew after progress", async () => {
    const registry = await serve();
    const layer = noise(300_000);
    const { digest, size } = registry.addBlob(layer);
    registry.faults.push(
      { do: "stall" },
      { do: "truncate", after: 150_000 },
      { do: "stall" },
    );
    const client = connect({
      headersTimeoutMs: 100,
      retry: { silenceMs: 150 },
    });
    const blob = { digest: digest as Digest, size };
    const bytes = await collect(client.blob(repo(registry), blob));
    expect(bytes.equals(layer)).toBe(true);
    expect(registry.requests).toHaveLength(4);
  });
});
