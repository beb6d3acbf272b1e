/**
 * What people should know of a registry though nothing has failed: its own
 * warnings (`Warning: 299 - "…"`, distribution spec, "Warnings"), and that it
 * keeps them waiting.
 */
import { headerValues, type ResponseHeaders } from "./headers.js";
import { scrub, serverWords } from "./redact.js";

/** A longer header is ignored, as the spec asks. */
const MAX_WARNING_BYTES = 4096;
/** Different warnings shown of one registry. */
const MAX_WARNINGS = 20;

export interface RegistryWarning {
  readonly code: string;
  readonly message: string;
}

/** Shows each warning once and acts on none. */
export class RegistryWarnings {
  readonly #onWarning: ((warning: RegistryWarning) => void) | undefined;
  readonly #shown = new Map<string, Set<string>>();
  readonly #slow = new Set<string>();

  constructor(onWarning: ((warning: RegistryWarning) => void) | undefined) {
    this.#onWarning = onWarning;
  }

  /**
   * Reads a response's `Warning` headers and shows what is new.
   * @param secrets what was sent, and must not come back
   */
  show(
    registry: string,
    headers: ResponseHeaders,
    secrets: readonly string[] = [],
  ): void {
    for (const value of headerValues(headers, "warning")) {
      const text = warningText(value);
      if (text === undefined) continue;
      const message = scrub(text, secrets);
      const shown = this.#shown.get(registry) ?? new Set();
      this.#shown.set(registry, shown);
      if (shown.has(message) || shown.size >= MAX_WARNINGS) continue;
      shown.add(message);
      this.#onWarning?.({
        code: "REGISTRY_WARNING",
        message: `${registry} says: ${message}`,
      });
    }
  }

  /** Says that a registry has not answered for so long; once of each. */
  slow(registry: string, seconds: number): void {
    if (this.#slow.has(registry)) return;
    this.#slow.add(registry);
    this.#onWarning?.({
      code: "REGISTRY_SLOW",
      message: `${registry} has not answered for ${seconds} s; still waiting`,
    });
  }
}

function warningText(value: string): string | undefined {
  if (value.length > MAX_WARNING_BYTES) return undefined;
  const text = /^\s*299 - "((?:[^"\\]|\\.)*)"/.exec(value)?.[1];
  return text === undefined
    ? undefined
    : serverWords(text.replace(/\\(.)/g, "$1"), 1000);
}
