// A layer is claimed at the very moment in which another session, that begins, sweeps what nobody has locked.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename } from "node:path";
import { afterEach, expect, it } from "vitest";
import { fakeImage, storeImage } from "./support/images.js";
import { litter, newRoot, writing } from "./support/roots.js";

const { chmodSync } = fs;

afterEach(() => {
  fs.chmodSync = chmodSync;
  syncBuiltinESMExports();
});

it("is claimed once more", async () => {
  const root = await newRoot();
  const image = fakeImage("app", "one", "two");
  const claimed = image.layers.map(({ chainId }) => chainId.slice(7));
  const swept: string[] = [];
  fs.chmodSync = (path, mode) => {
    const name = basename(String(path));
    if (claimed.includes(name) && !swept.includes(name)) {
      swept.push(name);
      fs.rmdirSync(path);
    }
    chmodSync(path, mode);
  };
  syncBuiltinESMExports();
  const records = await writing(root, (writer) => storeImage(writer, image));
  expect(records).toHaveLength(2);
  expect(swept).toEqual(claimed);
  expect(await litter(root)).toEqual([]);
});
