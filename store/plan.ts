/**
 * What a staged layer needs before it can be committed: its names, and the
 * small files that carry them.
 */
import { randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { createDirectory, mark, writeNew } from "./atomic.js";
import {
  type ChainId,
  type Digest,
  chainId as chainIdOf,
  newCacheId,
} from "./digest.js";
import { TpullError } from "./errors.js";
import type { LayerRecord, StagedLayer } from "./layers.js";
import { LAYER_FILE, OVERLAY_FILE } from "./layout.js";
import { depthOf, lowerAbove, MAX_LAYERS, type Place } from "./place.js";
import { StagedClaim } from "./staging.js";

/** A staged layer with the names it is going to have. */
export interface Plan {
  readonly claim: StagedClaim;
  readonly record: LayerRecord;
  readonly place: Place;
  readonly blob: Digest | undefined;
  published: boolean;
}

export const FILE_MODE = 0o644;

/** Finds where a layer of the store is mounted from; undefined unless all of it is there. */
export type FindPlace = (chainId: ChainId) => Place | undefined;

/**
 * Gives each layer of a group its names.
 * @throws TpullError `TOO_MANY_LAYERS`, `LAYER_PARENT_MISSING`
 */
export function planGroup(
  ready: readonly StagedLayer[],
  findPlace: FindPlace,
): Plan[] {
  const plans = new Map<ChainId, Plan>();
  for (const { claim, diffId, parent, size, blob } of ready) {
    const { chainId } = claim;
    if (!(claim instanceof StagedClaim) || !claim.isOpen) {
      throw new Error(`the claim of ${chainId} is not open`);
    }
    if (chainIdOf(parent, diffId) !== chainId) {
      throw new Error(`${diffId} on ${parent ?? "nothing"} is not ${chainId}`);
    }
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new Error(`${size} is not the size of a layer`);
    }
    const below =
      parent === undefined
        ? undefined
        : (plans.get(parent)?.place ?? present(parent, findPlace));
    const lower = lowerAbove(below);
    if (depthOf(lower) > MAX_LAYERS) throw tooManyLayers(depthOf(lower));
    const cacheId = newCacheId();
    const record = { chainId, diffId, cacheId, size };
    plans.set(chainId, {
      claim,
      record: parent === undefined ? record : { ...record, parent },
      place: { cacheId, link: newLinkId(), lower },
      blob,
      published: false,
    });
  }
  return [...plans.values()];
}

/** @param depth layers of the image */
export function tooManyLayers(depth: number): TpullError {
  return new TpullError(
    "TOO_MANY_LAYERS",
    `the image has ${depth} layers, and docker's overlay2 driver can stack ${MAX_LAYERS}`,
    { hint: "Squash the image, or build it with fewer steps." },
  );
}

function present(parent: ChainId, find: FindPlace): Place {
  const place = find(parent);
  if (place !== undefined) return place;
  throw new TpullError(
    "LAYER_PARENT_MISSING",
    `the layer ${parent}, on which another one is to be put, is not in the store`,
    { hint: "Pull the image again: the layer was removed in the meantime." },
  );
}

/** 26 characters A-Z2-7: short enough for 125 of them to fit into one mount call. */
export function newLinkId(): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  // One byte each: 256 is a multiple of 32, so all letters are equally likely.
  return Array.from(randomBytes(26), (byte) => alphabet[byte % 32]).join("");
}

/** The small files of a layer. They are flushed together with its data. */
export function writePlan({ claim, record, place }: Plan): void {
  const { layer, writeSet } = claim.paths;
  const write = (directory: string, name: string, text: string): void =>
    writeNew(join(directory, name), text, FILE_MODE);
  write(layer, OVERLAY_FILE.link, place.link);
  if (record.parent !== undefined) {
    createDirectory(join(layer, OVERLAY_FILE.work), 0o700);
    write(layer, OVERLAY_FILE.lower, place.lower);
  }
  chmodSync(join(writeSet, LAYER_FILE.tarSplit), FILE_MODE);
  write(writeSet, LAYER_FILE.diff, record.diffId);
  write(writeSet, LAYER_FILE.size, String(record.size));
  write(writeSet, LAYER_FILE.cacheId, record.cacheId);
  if (record.parent !== undefined) {
    write(writeSet, LAYER_FILE.parent, record.parent);
  }
}

/** Marks a parent that is in the same group while it is still staged: this costs no flush of its own. */
export function markInGroup(plans: Plan[], parent: ChainId | undefined): void {
  const plan = plans.find(({ record }) => record.chainId === parent);
  if (plan !== undefined) {
    mark(join(plan.claim.paths.layer, OVERLAY_FILE.committed));
  }
}
