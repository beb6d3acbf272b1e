// tpull tag and tpull rmi, from the words to what is printed.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { openStore } from "#store/index.js";
import { addContainer } from "../../store/support/docker-state.js";
import { fakeImage, storeImage } from "../../store/support/images.js";
import { newRoot, rootWith, writing } from "../../store/support/roots.js";
import { run } from "./changing.js";

const app = fakeImage("app", "one", "two");
const other = fakeImage("other", "one");
const { imageId, naming } = app.image;
const [base, top] = app.layers.map(({ chainId }) => chainId);
let root: string;

beforeEach(async () => {
  root = await newRoot();
  await writing(root, async (writer) => {
    await storeImage(writer, app);
    await storeImage(writer, other);
  });
});

describe("tpull rmi", () => {
  it("prints docker's lines", async () => {
    expect(await run(root, "rmi", "app", "other")).toEqual({
      status: 0,
      out: [
        "Untagged: app:latest",
        `Untagged: app@${naming.digest}`,
        `Deleted: ${imageId}`,
        `Deleted: ${top}`,
        "Untagged: other:latest",
        `Untagged: other@${other.image.naming.digest}`,
        `Deleted: ${other.image.imageId}`,
        `Deleted: ${base}`,
        "",
      ].join("\n"),
      err: "",
    });
  });

  it("is docker's image rm", async () => {
    expect((await run(root, "image", "rm", "app")).status).toBe(0);
    expect(await (await openStore(root)).reference("app:latest")).toBe(
      undefined,
    );
  });

  it("goes on after what fails, and ends with 1", async () => {
    const { status, out, err } = await run(root, "rmi", "no", "app", "NO");
    expect(status).toBe(1);
    expect(out).toContain("Untagged: app:latest\n");
    expect(err).toBe(
      [
        `tpull: there is no image no in ${root} (IMAGE_NOT_FOUND)`,
        "  hint: 'tpull images' lists what is there.",
        `tpull: there is no image NO in ${root} (IMAGE_NOT_FOUND)`,
        "  hint: 'tpull images' lists what is there.",
        "",
      ].join("\n"),
    );
  });

  it("by force does not mind what is not there", async () => {
    const { status, err } = await run(root, "rmi", "--force", "no", "app");
    expect(status).toBe(0);
    expect(err).toContain("IMAGE_NOT_FOUND");
  });

  it("says why an image stays, in docker's words", async () => {
    const id = "ab".repeat(32);
    await addContainer(root, { id, image: imageId });
    const { status, out, err } = await run(root, "rmi", "app");
    expect({ status, out }).toEqual({ status: 1, out: "" });
    expect(err).toBe(
      `tpull: conflict: unable to remove repository reference "app" (must force) - container abababababab is using its referenced image ${imageId.slice(7, 19)} (IMAGE_IN_USE)\n` +
        "  hint: Remove the container first. With --force the name goes, and what the container needs stays.\n",
    );
    const forced = await run(root, "rmi", "-f", "app", "no");
    expect(forced.status).toBe(0);
  });

  it("keeps parents when told to, and prints nothing when told to", async () => {
    expect(await run(root, "rmi", "-q", "--no-prune", "app")).toEqual({
      status: 0,
      out: "",
      err: "",
    });
  });

  it("prints one document for programs", async () => {
    const { status, out, err } = await run(root, "rmi", "--json", "app", "no");
    expect({ status, err }).toEqual({ status: 1, err: "" });
    expect(JSON.parse(out)).toEqual({
      removed: [
        {
          name: "app",
          untagged: ["app:latest", `app@${naming.digest}`],
          deleted: [imageId, top],
        },
      ],
      failed: [
        {
          name: "no",
          error: expect.objectContaining({ code: "IMAGE_NOT_FOUND" }) as object,
        },
      ],
      freedBytes: "two".length,
    });
  });

  it("lets no name do anything to a terminal", async () => {
    const file = join(root, "image/overlay2/repositories.json");
    const name = "x\u001b[2J:1";
    await writeFile(
      file,
      JSON.stringify({ Repositories: { x: { [name]: "gone" } } }),
    );
    const { out } = await run(root, "rmi", name);
    expect(out).toBe("Untagged: x\\x1b[2J:1\n");
  });

  it("does not touch another's root", async () => {
    const theirs = await rootWith("image/zfs/");
    const { status, err } = await run(theirs, "rmi", "app");
    expect(status).toBe(1);
    expect(err).toContain("(ROOT_OF_OTHER_DRIVER)");
  });

  it.each([[["rmi"]], [["rmi", "-q", "--json", "x"]], [["rmi", "-a", "x"]]])(
    "%j is a wrong command line",
    async (words) => {
      expect(await run(root, ...words)).toMatchObject({ status: 2, out: "" });
    },
  );
});

describe("tpull tag", () => {
  it("prints nothing, or one document", async () => {
    expect(await run(root, "tag", "app", "x", "y:1")).toEqual({
      status: 0,
      out: "",
      err: "",
    });
    const store = await openStore(root);
    expect(await store.reference("y:1")).toBe(imageId);
    const { out } = await run(root, "image", "tag", "--json", "other", "x");
    expect(JSON.parse(out)).toEqual({
      imageId: other.image.imageId,
      names: [{ reference: "x:latest", before: imageId }],
    });
  });

  it("refuses what docker refuses", async () => {
    const digest = `x@${naming.digest}`;
    const { status, err } = await run(root, "tag", "app", digest);
    expect(status).toBe(1);
    expect(err).toContain("refusing to create a tag with a digest reference");
    expect(await run(root, "tag", "app")).toMatchObject({ status: 2 });
  });

  it("writes dockerd's own file", async () => {
    await mkdir(join(root, "image/overlay2/imagedb/metadata/sha256"), {
      recursive: true,
    });
    await run(root, "tag", "app", "x");
    const text = await readFile(
      join(root, "image/overlay2/repositories.json"),
      "utf8",
    );
    expect(text).toContain(`"x":{"x:latest":"${imageId}"}`);
  });
});
