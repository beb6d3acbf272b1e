// The commands that only ask, from argv to what is printed.
import { describe, expect, it } from "vitest";
import { main } from "#src/cli/main.js";
import { loadAnswer } from "#src/cli/run-answer.js";
import {
  imageOf,
  indexOf,
  MACHINE,
  type Blob,
  type Image,
} from "../helpers/image-builder.js";
import type { FaultRegistry } from "../helpers/fault-registry.js";
import { tpull } from "../helpers/tpull-cli.js";
import { smallLayer } from "../pull/support/layers.js";
import { publish, publishManifest, serve } from "../pull/support/pulls.js";
import { newRoot } from "../store/support/roots.js";
import { FakeStream, fakes } from "./fake-context.js";

const S390X = { os: "linux", architecture: "s390x" };
const ours = `linux/${MACHINE.architecture}`;

async function run(argv: string[], isTTY = false) {
  const made = fakes({ loadAnswer });
  const stdout = new FakeStream(isTTY);
  const status = await main(argv, { ...made.context, stdout });
  return { status, out: stdout.text, err: made.stderr.text };
}

function publishIndex(registry: FaultRegistry): {
  name: string;
  index: Blob;
  images: [Image, Image];
} {
  const [first, second] = [MACHINE, S390X].map((platform) => {
    const image = imageOf([smallLayer(platform.architecture)], { platform });
    publish(registry, "app", image);
    return { image, platform };
  });
  if (first === undefined || second === undefined) throw new Error("no images");
  const index = indexOf([first, second]);
  const name = publishManifest(registry, "app:1", index);
  return { name, index, images: [first.image, second.image] };
}

const text = ({ data }: Blob): string => data.toString();

describe("manifest", () => {
  it("prints the bytes as they are, and with --json what is known of them", async () => {
    const registry = await serve();
    const { name, index, images } = publishIndex(registry);
    expect(await run(["manifest", name])).toEqual({
      status: 0,
      out: text(index),
      err: "",
    });
    const own = await run(["manifest", "--platform=s390x", name]);
    expect(own.out).toBe(text(images[1].manifest));
    const { out } = await run(["manifest", "--json", name]);
    expect(JSON.parse(out)).toEqual({
      reference: name,
      canonicalName: name,
      digest: index.digest,
      mediaType: index.mediaType,
      size: index.size,
      manifest: JSON.parse(text(index)),
    });
  });

  it("prints bytes that are no text, and to a terminal nothing that it would obey", async () => {
    const registry = await serve();
    const bytes = Buffer.from('{"a":"\u009b2J",\n\t"b":"\u202e"}');
    registry.addManifest(
      "app",
      "odd",
      bytes,
      "application/vnd.oci.image.manifest.v1+json",
    );
    const name = `${registry.host}/app:odd`;
    expect((await run(["manifest", name])).out).toBe(bytes.toString());
    expect((await run(["manifest", name], true)).out).toBe(
      '{"a":"\\x9b2J",\n\t"b":"\\u{202e}"}\n',
    );
  });

  it("takes one platform", async () => {
    for (const platform of ["all", "linux/amd64,linux/arm64"]) {
      const { status, err } = await run([
        "manifest",
        `--platform=${platform}`,
        "x",
      ]);
      expect(status).toBe(2);
      expect(err).toContain("tpull manifest takes one platform");
    }
  });
});

describe("resolve", () => {
  it("prints the index first, then each platform", async () => {
    const registry = await serve();
    const { name, index, images } = publishIndex(registry);
    const { status, out } = await run(["resolve", name]);
    const width = Math.max(ours.length, "linux/s390x".length);
    expect(status).toBe(0);
    expect(out).toBe(
      [
        `${"index".padEnd(width)}  ${index.digest}`,
        `${ours.padEnd(width)}  ${images[0].manifest.digest}`,
        `${"linux/s390x".padEnd(width)}  ${images[1].manifest.digest}`,
        "",
      ].join("\n"),
    );
  });

  it("prints with -q only the digest", async () => {
    const registry = await serve();
    const { name, index, images } = publishIndex(registry);
    expect((await run(["resolve", "-q", name])).out).toBe(`${index.digest}\n`);
    const own = await run(["resolve", "-q", "--platform=linux/s390x", name]);
    expect(own.out).toBe(`${images[1].manifest.digest}\n`);
  });

  it("prints JSON", async () => {
    const registry = await serve();
    const { name, index } = publishIndex(registry);
    const { out } = await run(["resolve", "--json", name]);
    expect(JSON.parse(out)).toMatchObject({
      digest: index.digest,
      isIndex: true,
      images: [{ platform: ours }, { platform: "linux/s390x" }],
    });
  });

  it("says which platforms and which tags there are", async () => {
    const registry = await serve();
    const { name } = publishIndex(registry);
    const none = await run(["resolve", "--platform=linux/ppc64le", name]);
    expect(none).toMatchObject({ status: 1, out: "" });
    expect(none.err).toBe(
      `tpull: ${name} has no image for linux/ppc64le: its index has ${ours}, linux/s390x (PLATFORM_NOT_FOUND)\n  hint: Choose one of these with --platform.\n`,
    );
    const wrong = await run(["resolve", name.replace(/1$/, "2")]);
    expect(wrong.status).toBe(1);
    expect(wrong.err).toMatch(/MANIFEST_UNKNOWN\)\n {2}hint: .*\b1\.\n$/);
  });
});

describe("tags", () => {
  it("prints one a line, or an array", async () => {
    const registry = await serve();
    const image = imageOf([]);
    for (const tag of ["b", "a"]) publish(registry, `app:${tag}`, image);
    const name = `${registry.host}/app`;
    expect(await run(["tags", name])).toEqual({
      status: 0,
      out: "b\na\n",
      err: "",
    });
    expect((await run(["tags", "--json", name])).out).toBe(
      '[\n  "b",\n  "a"\n]\n',
    );
    expect((await run(["tags", "--json", `${registry.host}/none`])).out).toBe(
      "[]\n",
    );
  });

  it("refuses an image as a usage error", async () => {
    const { status, err } = await run(["tags", "app:1"]);
    expect(status).toBe(2);
    expect(err).toContain("app:1 has a tag");
  });
});

describe("plan", () => {
  it("prints a table and what it comes to", async () => {
    const registry = await serve();
    const { name } = publishIndex(registry);
    const root = await newRoot();
    const { status, out, err } = await run(["plan", "--root", root, name]);
    expect({ status, err }).toEqual({ status: 0, err: "" });
    const [head, row, space, ...facts] = out.split("\n");
    expect(head).toMatch(/^IMAGE +PLATFORM +LAYERS +PRESENT +TO FETCH$/);
    expect(row).toMatch(new RegExp(`^${name} +${ours} +1 +0 +.* in 1 layer$`));
    expect(space).toBe("");
    expect(facts.join("\n")).toMatch(
      /^To fetch: .* from .*\nRequests: +4, without .*\nDisk: +about .* of .* free.*\(a cautious estimate\)\n$/,
    );
  });

  it("prints failures on stderr beside the others, and JSON with both", async () => {
    const registry = await serve();
    const { name } = publishIndex(registry);
    const root = await newRoot();
    const wrong = name.replace(/1$/, "2");
    const plain = await run(["plan", "--root", root, wrong, name]);
    expect(plain.status).toBe(1);
    expect(plain.out).toContain(name);
    expect(plain.err).toContain(`tpull: ${wrong}: `);
    const json = await run(["plan", "--json", "--root", root, wrong, name]);
    expect(json.status).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({
      images: [{ reference: name }],
      failures: [{ reference: wrong, error: { code: "MANIFEST_UNKNOWN" } }],
    });
  });
});

it("the built program answers, too, and ends with a time limit", async () => {
  const registry = await serve();
  const { name, index } = publishIndex(registry);
  const raw = await tpull(["manifest", name]);
  expect(raw).toMatchObject({ code: 0, stdout: text(index), stderr: "" });
  registry.faults.push({ do: "stall", times: 99 });
  const late = await tpull(["tags", "--timeout=0.2s", `${registry.host}/app`]);
  expect(late).toMatchObject({ code: 1, stdout: "" });
  expect(late.stderr).toContain("not done after 0.2 s (TIMEOUT)");
});
