// Every fault on every kind of request at its first byte, in the middle and at
// its last byte, alone and mixed: a pull ends right or in a named error, asks
// for little more than it needs, leaves nothing behind, and tells no secret.
//
// TPULL_FAULT_ROUNDS: how many mixtures (default 12); TPULL_FAULT_SEED: which.
import { afterAll, describe, expect, it } from "vitest";
import type { PullOptions } from "#src/index.js";
import type { Fault, FaultRegistry } from "../helpers/fault-registry.js";
import { imageOf } from "../helpers/image-builder.js";
import { seededRandom } from "../helpers/images/bulk-layers.js";
import { newRoot } from "../store/support/roots.js";
import { bigLayer, smallLayer } from "../pull/support/layers.js";
import { publish, pulling, serve, type Pulled } from "../pull/support/pulls.js";
import { expectImage, expectSound } from "../pull/support/stored.js";
import { CASES, type Case, type Subject } from "./faults.js";

const ROUNDS = Number(process.env["TPULL_FAULT_ROUNDS"] ?? 12);
const SEED = Number(process.env["TPULL_FAULT_SEED"] ?? Date.now() % 2 ** 31);
const PASSWORD = "a-password-nobody-may-see";
const USER = "someone";
/** Bytes that one fault may cost again where ranges work: what was on its way, and no more. */
const SLACK = 128 * 1024;

const LAYER = bigLayer(300_000);
const IMAGE = imageOf([smallLayer("below"), LAYER]);
const REPOSITORY = "team/app";

const SUBJECTS: Record<Subject, { path: RegExp; size: number }> = {
  manifest: { path: /\/manifests\//, size: IMAGE.manifest.size },
  config: { path: new RegExp(IMAGE.config.digest), size: IMAGE.config.size },
  layer: { path: new RegExp(LAYER.digest), size: LAYER.size },
};
const TOTAL = [IMAGE.manifest, IMAGE.config, ...IMAGE.layers].reduce(
  (sum, { size }) => sum + size,
  0,
);

/** Waiting only moves the clock. */
function client(): NonNullable<PullOptions["registry"]> {
  let waited = 0;
  return {
    credentials: async () => ({
      kind: "password",
      username: USER,
      password: PASSWORD,
    }),
    stallMs: 120,
    headersTimeoutMs: 250,
    retry: {
      now: () => Date.now() + waited,
      sleep: async (milliseconds, signal) => {
        signal.throwIfAborted();
        waited += milliseconds;
      },
    },
  };
}

const said: string[] = [];
const secrets = new Set([
  PASSWORD,
  Buffer.from(`${USER}:${PASSWORD}`).toString("base64"),
]);

async function pullThrough(
  registry: FaultRegistry,
  root: string,
): Promise<Pulled> {
  const name = `${registry.host}/${REPOSITORY}:1`;
  const pulled = await pulling(name, { root, registry: client() });
  said.push(JSON.stringify(pulled));
  for (const { headers } of registry.requests) {
    const authorization = String(headers["authorization"] ?? "");
    const [, token] = authorization.split(" ");
    if (token !== undefined && token.length > 5) secrets.add(token);
  }
  return pulled;
}

async function start(): Promise<FaultRegistry> {
  const registry = await serve({ auth: { users: { [USER]: PASSWORD } } });
  publish(registry, `${REPOSITORY}:1`, IMAGE);
  return registry;
}

function scripted(one: Case, subject: Subject, at: number): Fault[] {
  const { path, size } = SUBJECTS[subject];
  return one.faults(at, size).map((fault) => ({
    ...fault,
    on: { method: "GET", authorized: true, ...fault.on, path },
  }));
}

async function withFaults(
  faults: readonly Fault[],
  root: string,
  settle?: (registry: FaultRegistry) => void,
): Promise<{
  registry: FaultRegistry;
  pulled: Pulled;
}> {
  const registry = await start();
  settle?.(registry);
  registry.faults.push(...faults);
  return { registry, pulled: await pullThrough(registry, root) };
}

/** How many requests the faults are for; the script counts them down. */
function requestsOf(faults: readonly Fault[]): number {
  return faults.reduce((sum, { times = 1 }) => sum + times, 0);
}

async function expectRight(
  registry: FaultRegistry,
  pulled: Pulled,
  root: string,
  faults: number,
): Promise<void> {
  // Where they do not, the blob comes from its first byte again.
  const cost = registry.ranges === "on" ? SLACK : SLACK + LAYER.size;
  expect(pulled.failures).toEqual([]);
  await expectSound(root);
  const repository = `${registry.host}/${REPOSITORY}`;
  await expectImage(root, IMAGE, repository, [
    `${repository}:1`,
    `${repository}@${IMAGE.manifest.digest}`,
  ]);
  const [result] = pulled.results;
  expect(result?.bytesFetched).toBeGreaterThanOrEqual(TOTAL);
  expect(result?.bytesFetched).toBeLessThanOrEqual(TOTAL + faults * cost);
}

describe.each(["manifest", "config", "layer"] as const)("%s:", (subject) => {
  const { size } = SUBJECTS[subject];
  const cases = CASES.filter(({ only }) => only?.includes(subject) ?? true);
  const table = cases.flatMap((one) =>
    one.anywhere === true
      ? [{ one, name: one.name, at: 0 }]
      : [
          { one, name: `${one.name} at the first byte`, at: 0 },
          { one, name: `${one.name} in the middle`, at: size >> 1 },
          { one, name: `${one.name} at the last byte`, at: size - 1 },
        ],
  );
  it.each(table)("$name", async ({ one, at }) => {
    const root = await newRoot();
    const faults = scripted(one, subject, at);
    const times = requestsOf(faults);
    const { registry, pulled } = await withFaults(faults, root, one.registry);
    const end = one.end(subject);
    if (end === "right") {
      await expectRight(registry, pulled, root, times);
      return;
    }
    expect(pulled.results).toEqual([]);
    expect(pulled.failures.map(({ error }) => error.code)).toEqual([
      expect.stringMatching(end),
    ]);
    const asked = registry.sent(SUBJECTS[subject].path).length;
    expect(asked).toBeLessThanOrEqual(14);
  });
});

describe(`mixtures, TPULL_FAULT_SEED=${SEED}`, () => {
  const curable = CASES.filter(({ name }) => !/ever/.test(name));
  const subjects = Object.keys(SUBJECTS) as Subject[];
  it.each(Array.from({ length: ROUNDS }, (_, round) => round))(
    "round %i",
    async (round) => {
      const random = seededRandom(SEED + round);
      const below = (limit: number): number => Math.floor(random() * limit);
      const root = await newRoot();
      const chosen = Array.from({ length: 2 + below(3) }, () => {
        const subject = subjects[below(3)] as Subject;
        const able = curable.filter(
          ({ only }) => only?.includes(subject) ?? true,
        );
        const one = able[below(able.length)] as Case;
        return { one, subject, at: below(SUBJECTS[subject].size) };
      });
      const faults = chosen.flatMap(({ one, subject, at }) =>
        scripted(one, subject, at),
      );
      const times = requestsOf(faults);
      const { registry, pulled } = await withFaults(faults, root, (server) => {
        for (const { one } of chosen) one.registry?.(server);
      });
      if (pulled.failures.length === 0) {
        await expectRight(registry, pulled, root, times);
        return;
      }
      const allowed = chosen.flatMap(({ one, subject }) => {
        const end = one.end(subject);
        return end === "right" ? [] : [end];
      });
      const [failure] = pulled.failures;
      const used =
        /^(NETWORK_\w+|REGISTRY_ERROR|TOO_MANY_REQUESTS|DIGEST_MISMATCH|SIZE_MISMATCH)$/;
      expect(
        [...allowed, used].some((end) => end.test(failure?.error.code ?? "")),
      ).toBe(true);
    },
  );
});

afterAll(() => {
  const told = [...secrets].filter((secret) =>
    said.some((text) => text.includes(secret)),
  );
  expect(secrets.size).toBeGreaterThan(2);
  expect(told).toEqual([]);
});
