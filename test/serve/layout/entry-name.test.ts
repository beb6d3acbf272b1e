import { describe, expect, it } from "vitest";
import { entryName } from "#src/serve/layout/entry-name.js";
import { nameOfPlace } from "#src/serve/layout/source.js";

const REF = "org.opencontainers.image.ref.name";
const NAME = "io.containerd.image.name";

describe("the name of an entry", () => {
  it.each([
    ["nothing", {}, [undefined, undefined, undefined]],
    ["a tag", { [REF]: "3.14" }, [undefined, undefined, "3.14"]],
    [
      "docker save, buildkit, ctr",
      { [NAME]: "docker.io/library/alpine:3.14", [REF]: "3.14" },
      ["docker.io", "library/alpine", "3.14"],
    ],
    ["podman", { [REF]: "quay.io/team/app:1" }, ["quay.io", "team/app", "1"]],
    [
      "a short name",
      { [REF]: "alpine:3" },
      ["docker.io", "library/alpine", "3"],
    ],
    [
      "a path alone",
      { [REF]: "team/app" },
      ["docker.io", "team/app", "latest"],
    ],
    [
      "a port",
      { [REF]: "localhost:5000/a/b:c" },
      ["localhost:5000", "a/b", "c"],
    ],
    [
      "a digest",
      { [NAME]: `quay.io/x@sha256:${"0".repeat(64)}` },
      ["quay.io", "x", undefined],
    ],
    [
      "a name that is none beside a tag",
      { [NAME]: "UPPER CASE", [REF]: "v1" },
      [undefined, undefined, "v1"],
    ],
    [
      "what is no text",
      { [NAME]: 7, [REF]: null },
      [undefined, undefined, undefined],
    ],
  ])("%s", (_, annotations, [host, path, tag]) => {
    expect(entryName(annotations)).toEqual({ host, path, tag });
  });

  it.each([{ [REF]: "../../etc" }, { [REF]: "a b" }, { [NAME]: "x/UPPER:1" }])(
    "is none in %j",
    (annotations) => {
      expect(entryName(annotations)).toBe(undefined);
    },
  );
});

describe("the name that a place gives", () => {
  it.each([
    ["/srv/alpine", "alpine"],
    ["/srv/Images.tar", "images"],
    ["/srv/my bundle (2).oci", "my-bundle-2"],
    ["/srv/a__b--c..d", "a__b-c-d"],
    ["/srv/..", "image"],
    ["/", "image"],
    ["/srv/日本", "image"],
  ])("%s is %s", (place, name) => {
    expect(nameOfPlace(place)).toBe(name);
  });
});
