// Removals while others read and write the same root.
import { describe, expect, it } from "vitest";
import {
  digestOf,
  type ImageId,
  openStore,
  prune,
  removeImages,
} from "#store/index.js";
import { surveyed } from "#store/survey/survey.js";
import { type FakeImage, fakeImage, storeImage } from "../support/images.js";
import { layersIn, litter, newRoot, writing } from "../support/roots.js";
import { ChildSession, type JobOptions } from "../support/sessions.js";

const kept = labelled(fakeImage("kept", "one", "five"));
const coming = ["a", "b"].map((name) =>
  fakeImage(name, "one", "two", `own ${name}`),
);

const CHURN: [string, NonNullable<JobOptions["manage"]>][] = [
  ["prune", { call: "prune", args: [{ all: true, withoutLabels: ["keep"] }] }],
  ["rmi", { call: "removeImages", args: [["a", "b"]] }],
];

/** The image with a label that keeps it. */
function labelled(image: FakeImage): FakeImage {
  const config = JSON.stringify({
    ...(JSON.parse(image.image.config) as object),
    config: { Labels: { keep: "" } },
  });
  const imageId = digestOf(config) as string as ImageId;
  return { ...image, image: { ...image.image, config, imageId } };
}

describe("who reads while others pull and remove", { timeout: 120_000 }, () => {
  it.each(CHURN)("sees whole images only: %s", async (_, manage) => {
    const root = await newRoot();
    await writing(root, (writer) => storeImage(writer, kept));
    const churning = coming.map(
      (image) => new ChildSession(root, image, { manage, rounds: 15 }),
    );
    const state = { over: false };
    const ended = Promise.all(churning.map((child) => child.end()));
    void ended.then(() => (state.over = true));
    const store = await openStore(root);
    const seen = new Set<string>();
    while (!state.over) {
      const { result, damage } = await surveyed(store, (survey) =>
        survey.images().map(({ id, tags }) => ({ id, tags })),
      );
      expect(damage).toEqual([]);
      for (const { tags } of result) seen.add(tags.join());
      const forecast = await prune(store, { all: true, dryRun: true });
      expect(forecast.damage).toEqual([]);
      // Lets the children's words in.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(seen).toContain("kept:latest");
    expect(seen.size).toBeGreaterThan(1);
    for (const said of await ended) {
      expect(said.at(-1)).toEqual({ event: "done" });
    }
    await removeImages(store, ["a", "b"]);
    expect(await layersIn(root)).toEqual(
      kept.layers.map(({ chainId }) => chainId.slice(7)).sort(),
    );
    expect(await litter(root)).toEqual([]);
  });
});
