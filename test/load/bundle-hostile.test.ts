// Bundles where something else is already: nothing outside is touched, nothing foreign removed, nothing wrong reused.
import {
  link,
  mkdir,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { bundleImages, checkArchive, type BundleOptions } from "#src/index.js";
import { imageOf, type Image } from "../helpers/image-builder.js";
import { run, runOk } from "../helpers/run.js";
import { tpull } from "../helpers/tpull-cli.js";
import { bigLayer } from "../pull/support/layers.js";
import { failureOf, fetches, IMPATIENT } from "../pull/support/pulls.js";
import { one, published } from "./published.js";

const OPTIONS: BundleOptions = { registry: IMPATIENT };
const FOREIGN = "1".repeat(64);

describe("a folder that is a link", () => {
  it.each(["blobs", "blobs/sha256", ".tpull-parts"])(
    "in the place of %s is not written through, and nothing behind it removed",
    async (name) => {
      const { x, at, registry } = await published();
      const victim = at("victim");
      await mkdir(join(victim, "sha256"), { recursive: true });
      const precious = [join(victim, FOREIGN), join(victim, "sha256", FOREIGN)];
      for (const path of precious) await writeFile(path, "precious");
      // With a bundle before it, and without one.
      for (const isBundle of [true, false]) {
        const place = at(`d${isBundle}/`);
        if (isBundle) await bundleImages([x], place, OPTIONS);
        else await mkdir(join(place, ".tpull-parts"), { recursive: true });
        await rm(join(place, name), { recursive: true, force: true });
        await mkdir(dirname(join(place, name)), { recursive: true });
        await symlink(victim, join(place, name));
        registry.requests.length = 0;
        const making = bundleImages([x], place, OPTIONS);
        expect(await failureOf(making)).toMatchObject({
          code: "OUTPUT_EXISTS",
        });
        expect(fetches(registry, one().layers[0]!.digest)).toBe(0);
      }
      for (const path of precious) {
        expect(await readFile(path, "utf8")).toBe("precious");
      }
      expect((await readdir(victim)).sort()).toEqual([FOREIGN, "sha256"]);
      expect(await readdir(join(victim, "sha256"))).toEqual([FOREIGN]);
    },
  );

  it("beside a file is not taken for its parts", async () => {
    const { x, at } = await published();
    await mkdir(at("victim"));
    await symlink(at("victim"), at("b.tar.tpull-parts"));
    const making = bundleImages([x], at("b.tar"), OPTIONS);
    expect(await failureOf(making)).toMatchObject({ code: "OUTPUT_EXISTS" });
    expect(await readdir(at("victim"))).toEqual([]);
  });
});

describe("a directory beside a file", () => {
  it.each([["precious"], ["blobs/sha256/" + FOREIGN]])(
    "with %s is no folder of parts, and stays as it is",
    async (name) => {
      const { x, at } = await published();
      const path = at("b.tar.tpull-parts", name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, "precious");
      const making = bundleImages([x], at("b.tar"), OPTIONS);
      expect(await failureOf(making)).toMatchObject({ code: "OUTPUT_EXISTS" });
      expect(await readFile(path, "utf8")).toBe("precious");
      expect(await readdir(at(""))).toEqual(["b.tar.tpull-parts"]);
    },
  );
});

describe("in the place of bytes that wait", () => {
  const layer = bigLayer(300_000, 3);
  const image = (): Image => imageOf([layer]);
  const parts = {
    "d/": "d/.tpull-parts",
    "b.tar": "b.tar.tpull-parts/.tpull-parts",
  };

  it.each(Object.entries(parts))(
    "a link, a file with another name, or a pipe gives way (%s)",
    async (name, folder) => {
      const { x, at } = await published(image());
      const place = name.endsWith("/") ? at("d") + "/" : at(name);
      const part = at(folder, layer.digest.slice(7));
      const bytes = Buffer.alloc(500_000, "P");
      await writeFile(at("victim"), bytes);
      for (const put of [
        () => symlink(at("victim"), part),
        () => link(at("victim"), part),
        () => runOk("mkfifo", [part]),
      ]) {
        await rm(place, { recursive: true, force: true });
        await mkdir(dirname(part), { recursive: true });
        for (const size of [bytes.length, 50]) {
          await writeFile(at("victim"), bytes);
          await truncate(at("victim"), size);
          await rm(part, { force: true });
          await mkdir(dirname(part), { recursive: true });
          await put();
          await bundleImages([x], place, OPTIONS);
          const victim = await readFile(at("victim"));
          expect(victim.equals(bytes.subarray(0, size))).toBe(true);
          expect((await checkArchive(place)).findings).toEqual([]);
        }
      }
    },
  );

  it("a directory is said to be in the way", async () => {
    const { x, at } = await published(image());
    const hex = layer.digest.slice(7);
    for (const path of [`d/.tpull-parts/${hex}`, `d/blobs/sha256/${hex}`]) {
      await rm(at("d"), { recursive: true, force: true });
      await mkdir(at("d", ".tpull-parts"), { recursive: true });
      await mkdir(at(path), { recursive: true });
      const making = bundleImages([x], at("d/"), OPTIONS);
      const failure = await failureOf(making);
      expect(failure.code).toBe("OUTPUT_EXISTS");
      expect(failure.message).toContain(at(path));
    }
    await rm(at("d"), { recursive: true });
    await bundleImages([x], at("d/"), OPTIONS);
    for (const name of ["manifest.json", "index.json"]) {
      await rm(at("d", name));
      await mkdir(at("d", name));
      const making = bundleImages([x], at("d/"), OPTIONS);
      expect(await failureOf(making)).toMatchObject({ code: "OUTPUT_EXISTS" });
      await rm(at("d", name), { recursive: true });
      await writeFile(at("d", name), "");
    }
    await rm(at("d", "index.json"));
    await runOk("mkfifo", [at("d", "index.json")]);
    const making = bundleImages([x], at("d/"), OPTIONS);
    expect(await failureOf(making)).toMatchObject({ code: "OUTPUT_EXISTS" });
  });
});

describe("a blob of the right name and size", () => {
  it("with other bytes is fetched again, and no bundle made of it", async () => {
    const image = imageOf([bigLayer(300_000, 4), bigLayer(200_000, 5)]);
    const { x, at, registry } = await published(image);
    const blobs = [...image.layers, image.config, image.manifest];
    const damage = async (folder: string): Promise<void> => {
      await mkdir(folder, { recursive: true });
      for (const { digest, size } of blobs) {
        await writeFile(join(folder, digest.slice(7)), Buffer.alloc(size, "X"));
      }
    };
    await bundleImages([x], at("d/"), OPTIONS);
    await damage(at("d", "blobs", "sha256"));
    await mkdir(at("b.tar.tpull-parts", ".tpull-parts"), { recursive: true });
    await damage(at("b.tar.tpull-parts", "blobs", "sha256"));
    for (const place of [at("d/"), at("b.tar")]) {
      registry.requests.length = 0;
      const warnings: string[] = [];
      const { bytesFetched } = await bundleImages([x], place, {
        ...OPTIONS,
        checksum: true,
        onEvent: (event) => {
          if (event.type === "warning") warnings.push(event.code);
        },
      });
      expect(bytesFetched).toBe(
        image.layers.reduce((sum, { size }) => sum + size, 0),
      );
      expect(warnings).toEqual(["BLOB_DAMAGED", "BLOB_DAMAGED"]);
      expect(await checkArchive(place)).toMatchObject({ findings: [] });
    }
    for (const name of ["d", "b.tar"]) {
      const sums = [`${name}.SHA256SUMS`];
      await runOk("sha256sum", ["--strict", "-c", ...sums], { cwd: at("") });
    }
  });
});

describe("the checksums of a directory", () => {
  it("name every file, so that sha256sum finds a damaged blob", async () => {
    const { x, at } = await published();
    await bundleImages([x], at("d/"), { ...OPTIONS, checksum: true });
    const [layer] = one().layers;
    const path = at("d", "blobs", "sha256", layer!.digest.slice(7));
    const bytes = await readFile(path);
    await writeFile(path, Buffer.alloc(bytes.length));
    const said = await run("sha256sum", ["-c", "d.SHA256SUMS"], {
      cwd: at(""),
    });
    expect(said.code).toBe(1);
    expect(said.stdout).toContain(`${layer!.digest.slice(7)}: FAILED`);
    const checked = await tpull(["verify", "--checksum", at("d")]);
    expect([checked.code, checked.stdout]).toEqual([
      1,
      expect.stringContaining("DIGEST_MISMATCH"),
    ]);
    await rm(path);
    const gone = await tpull(["verify", "--checksum", at("d")]);
    expect([gone.code, gone.stderr]).toEqual([
      1,
      expect.stringContaining("is not there (CHECKSUM_MISMATCH)"),
    ]);
  });
});
