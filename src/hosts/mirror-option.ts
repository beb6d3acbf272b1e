/** `--mirror REGISTRY=URL`, and docker's `registry-mirrors`. */
import { isTpullError } from "../../store/errors.js";
import { quoted } from "../../store/reference/printable.js";
import { checkRegistry } from "../../store/reference/host.js";
import { HUB, parsePlaceUrl } from "./place-url.js";
import type { Report } from "./report.js";
import { ALL_CAPABILITIES, type Place } from "./types.js";

export interface Mirror {
  /** As references name it. */
  readonly registry: string;
  readonly place: Place;
}

/**
 * @param text `docker.io=https://mirror.example:5000`, with a path where the
 *   API is below one
 * @throws TpullError as the report has it
 */
export function parseMirror(text: string, report: Report): Mirror {
  const equals = text.indexOf("=");
  const registry = text.slice(0, Math.max(equals, 0)).trim();
  const form = "Write it like docker.io=https://mirror.example:5000.";
  if (equals < 0) {
    throw report.fail("it is not REGISTRY=URL", form);
  }
  try {
    checkRegistry(registry);
  } catch (error) {
    if (!isTpullError(error)) throw error;
    // What stands there may be a URL with a password in it.
    throw report.fail(
      /[/@?]/.test(registry)
        ? "what stands before the = is not a registry host"
        : `${quoted(registry)} is not a registry host`,
      form,
    );
  }
  return {
    registry: registry === "index.docker.io" ? HUB : registry,
    place: mirrorPlace(text.slice(equals + 1).trim(), report),
  };
}

/** A mirror that is trusted with tags as well as with content, as docker trusts its own. */
export function mirrorPlace(url: string, report: Report): Place {
  return {
    url: parsePlaceUrl(url, { overridePath: false, strict: true }, report),
    capabilities: ALL_CAPABILITIES,
    headers: {},
  };
}
