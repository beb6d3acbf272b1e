/** Pulls that must fail, and leave no trace. */
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { FailedPull, PullEvent, PullOptions } from "#src/index.js";
import { errorText } from "#src/cli/report-error.js";
import { startFaultRegistry } from "../../helpers/fault-registry.js";
import { listing, temporaryFolder } from "../../store/support/roots.js";
import { expectEvents } from "./event-schema.js";
import { smallImage } from "./layers.js";
import { publish, pulling } from "./pulls.js";
import { expectAsBefore } from "./stored.js";

/** A root with an image in it, made once; the caller removes its folder. */
export async function seedRoot(folder: string): Promise<string> {
  const registry = await startFaultRegistry();
  const root = join(folder, "seed");
  try {
    const name = publish(registry, "seed:1", smallImage(["seed-a", "seed-b"]));
    const { failures } = await pulling(name, { root });
    expect(failures).toEqual([]);
  } finally {
    await registry.close();
  }
  return root;
}

export interface Refused {
  readonly error: FailedPull["error"];
  readonly events: readonly PullEvent[];
  /** As the command line says it. */
  readonly text: string;
}

/** Failures that are not the image's: what was done until then is of use. */
const TRANSIENT =
  /^(NETWORK_\w+|REGISTRY_ERROR|TOO_MANY_REQUESTS|UNAUTHORIZED|DENIED)$/;

/**
 * Pulls into a root that does not exist, and again into a copy of `seed`: both
 * times the same error comes, and every byte there is as it was.
 * @param arm sets the traps, before each of the pulls
 */
export async function expectRefused(
  reference: string,
  seed: string,
  arm: () => void = () => undefined,
  options: PullOptions = {},
): Promise<Refused> {
  const folder = await temporaryFolder();
  const filled = join(folder, "filled");
  await cp(seed, filled, { recursive: true, verbatimSymlinks: true });
  const roots = [join(folder, "absent"), filled];
  const errors: FailedPull["error"][] = [];
  let events: PullEvent[] = [];
  for (const root of roots) {
    const before = await listing(root);
    arm();
    const pulled = await pulling(reference, { ...options, root });
    expect(pulled.results).toEqual([]);
    const codes = pulled.failures.map(({ error }) => error.code);
    if (!codes.every((code) => TRANSIENT.test(code))) {
      expect(await listing(root)).toEqual(before);
    }
    await expectAsBefore(root, before);
    expectEvents(pulled.events);
    events = pulled.events;
    errors.push(...pulled.failures.map(({ error }) => error));
  }
  const [first, second] = errors;
  expect(second?.code).toBe(first?.code);
  // Each message can stand alone, and the command line adds no second name.
  expect(first?.message.startsWith(reference), first?.message).toBe(true);
  expect(first?.message.slice(reference.length)).not.toContain(
    `${reference.split(/[@]|:[^/]*$/)[0]} `,
  );
  const text = errorText(first!, reference);
  expect(text.startsWith(`tpull: ${first?.message}`)).toBe(true);
  if (process.env["SHOW_ERRORS"] !== undefined) console.log(text);
  return { error: first!, events, text };
}
