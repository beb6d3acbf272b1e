import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore, privilege, verifyStore } from "#store/index.js";
import { Cleanups, runOk } from "../../helpers/run.js";
import { putImage } from "./support/images.js";
import { MUTATIONS } from "./support/mutations/all.js";
import { RICH, SIBLING } from "./support/rich-image.js";
import { Scene } from "./support/scene.js";

const LINUX = process.platform === "linux";
const ROOT = LINUX && privilege() === "native";

describe.skipIf(!LINUX)("a check of a root", () => {
  const cleanups = new Cleanups();
  let folder = "";
  let copies = 0;
  beforeAll(async () => {
    folder = await cleanups.tempDir();
    const root = join(folder, "sound");
    await putImage(root, RICH, { repository: "rich", tag: "1" });
    await putImage(root, SIBLING, { repository: "sibling", tag: "1" });
  });
  afterAll(() => cleanups.close());

  async function copy(): Promise<Scene> {
    copies += 1;
    const root = join(folder, String(copies));
    await runOk("cp", ["-a", "--reflink=auto", join(folder, "sound"), root]);
    return new Scene(root, RICH);
  }

  it("finds nothing in a sound one", async () => {
    const store = await openStore((await copy()).root);
    const { findings, images, layers } = await verifyStore(store);
    expect(findings).toEqual([]);
    expect({ images, layers }).toEqual({ images: 2, layers: 5 });
  });

  it.each(MUTATIONS)("finds $name", async (mutation) => {
    const { codes, damage, root, name, path } = mutation;
    if (root && !ROOT) {
      console.warn(`skipped: "${name}" takes root's rights`);
      return;
    }
    const scene = await copy();
    damage(scene);
    const { findings } = await verifyStore(await openStore(scene.root), {
      threads: 1,
    });
    const found = new Set(findings.map(({ code }) => code));
    expect([...found].sort(), JSON.stringify(findings, null, 1)).toEqual(
      [...codes].sort(),
    );
    if (path === undefined) return;
    const paths = findings.map((finding) => join(scene.root, finding.path));
    expect(paths).toContain(path(scene));
  });
});
