/** A registry client for tests: quick to try again, and all it says is kept. */
import { createRegistryClient } from "#src/registry/client.js";
import type {
  RegistryClient,
  RegistryClientOptions,
  RegistryWarning,
  RetryEvent,
} from "#src/registry/client.js";
import type { LookupFunction } from "node:net";
import { onTestFinished } from "vitest";
import {
  startFaultRegistry,
  type FaultRegistry,
  type FaultRegistryOptions,
} from "../helpers/fault-registry.js";
import { TEST_CERTIFICATE } from "../helpers/test-certificate.js";

/** So that a test takes a second where a pull takes ten. */
export const HASTY: NonNullable<RegistryClientOptions["flow"]> = {
  windowMs: 60,
  settleMs: 20,
  glanceMs: 30,
  trialMs: 120,
  startMs: 500,
  partMs: 200,
  minPartMs: 70,
  divideMs: 200,
};

export interface TestClient extends RegistryClient {
  readonly retries: RetryEvent[];
  readonly warnings: RegistryWarning[];
}

/** Starts a registry that ends with the test. */
export async function serve(
  options?: FaultRegistryOptions,
): Promise<FaultRegistry> {
  const registry = await startFaultRegistry(options);
  onTestFinished(() => registry.close());
  return registry;
}

/** Every name is this machine. */
export const lookup: LookupFunction = (_name, options, callback) => {
  if (options.all === true) {
    callback(null, [{ address: "127.0.0.1", family: 4 }]);
  } else {
    callback(null, "127.0.0.1", 4);
  }
};

/** Makes a client that ends with the test, trusts the test certificate and finds every host on this machine. */
export function connect(options: RegistryClientOptions = {}): TestClient {
  const retries: RetryEvent[] = [];
  const warnings: RegistryWarning[] = [];
  const client = createRegistryClient({
    stallMs: 100,
    onRetry: (event) => retries.push(event),
    onWarning: (warning) => warnings.push(warning),
    network: { ca: TEST_CERTIFICATE, lookup, proxy: {} },
    ...options,
    retry: { baseMs: 1, maxMs: 4, ...options.retry },
  });
  onTestFinished(() => client.close());
  return Object.assign(client, { retries, warnings });
}

/** The repository of a registry under test. */
export function repo(
  registry: FaultRegistry,
  repository = "team/app",
): { registry: string; repository: string } {
  return { registry: registry.host, repository };
}

export async function collect(
  stream: AsyncIterable<Uint8Array>,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Bytes that do not repeat, so that a wrong join shows. */
export function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 0x2545f491;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}
