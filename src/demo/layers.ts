/**
 * What is in the demo image, layer by layer. It is text only, and shows what
 * layers can do to each other: add, link, remove, hide and replace.
 */
import { createHash } from "node:crypto";
import type { Member } from "./layer.js";

/** A layer and the words that its history has for it. */
export interface DemoLayerSource {
  readonly title: string;
  readonly members: readonly Member[];
}

/** The layers that every platform has, base first. */
export function sharedLayers(): DemoLayerSource[] {
  return [
    { title: "base: directories, greetings, links", members: base() },
    { title: "data: seven megabytes of letters", members: data() },
    { title: "tidy: remove the build log and a directory", members: tidy() },
    { title: "settings: replace all of etc/hello.d", members: settings() },
  ];
}

/** The one layer that differs. */
export function platformLayer(platform: string): DemoLayerSource {
  return {
    title: `platform: made for ${platform}`,
    members: [
      directory("etc/"),
      file("etc/hello-platform", `${platform}\n`, 0o444),
    ],
  };
}

function base(): Member[] {
  return [
    directory("etc/"),
    file("etc/hello.conf", "greeting=default\n"),
    directory("etc/hello.d/"),
    file("etc/hello.d/10-first.conf", "hidden by the settings layer\n"),
    file("etc/hello.d/20-second.conf", "hidden as well\n"),
    file("etc/os-release", 'ID=hello\nNAME="tpull demo image"\n'),
    directory("home/"),
    directory("home/hello/", 0o750, 1000),
    file("home/hello/.profile", "umask 027\n", 0o640, 1000),
    directory("tmp/", 0o1777),
    file("tmp/build.log", "removed by the tidy layer\n"),
    directory("usr/"),
    directory("usr/bin/"),
    file(
      "usr/bin/hello",
      "#!/bin/sh\nexec cat /usr/share/hello/default.txt\n",
      0o755,
    ),
    file(
      "usr/bin/hello-as-owner",
      "#!/bin/sh\nexec /usr/bin/hello\n# The mode of this file has the setuid bit.\n",
      0o4755,
    ),
    symlink("bin", "usr/bin"),
    directory("usr/share/"),
    directory("usr/share/hello/"),
    file("usr/share/hello/en.txt", "Hello from a layer.\n"),
    file("usr/share/hello/grüße.txt", "Grüße aus einer Schicht.\n"),
    hardlink("usr/share/hello/english.txt", "usr/share/hello/en.txt"),
    symlink("usr/share/hello/default.txt", "en.txt"),
    directory("usr/share/hello/sizes/"),
    ...[0, 1, 511, 512, 513, 100_000].map((size) =>
      file(`usr/share/hello/sizes/${size}`, "a".repeat(size)),
    ),
    directory("var/"),
    directory("var/hello/", 0o2775),
    symlink("var/run", "/run"),
    directory("run/"),
  ];
}

function data(): Member[] {
  return [
    directory("usr/"),
    directory("usr/share/"),
    directory("usr/share/hello/"),
    file("usr/share/hello/letters.txt", letters()),
  ];
}

function tidy(): Member[] {
  return [
    directory("tmp/", 0o1777),
    whiteout("tmp/", "build.log"),
    directory("usr/"),
    directory("usr/share/"),
    directory("usr/share/hello/"),
    whiteout("usr/share/hello/", "sizes"),
  ];
}

function settings(): Member[] {
  return [
    directory("etc/"),
    directory("etc/hello.d/"),
    opaque("etc/hello.d/"),
    file("etc/hello.d/50-settings.conf", "greeting=en\n"),
    file("etc/hello.conf", "include=hello.d\n", 0o640),
  ];
}

/**
 * Lines of letters and digits that look random, so that they stay large when
 * compressed and a pull has something to do, but are the same in every build.
 */
function letters(): string {
  const bytes = createHash("shake256", { outputLength: 5 * 1024 * 1024 })
    .update("tpull demo image")
    .digest("base64");
  return bytes.replace(/.{1,76}/g, "$&\n");
}

function directory(path: string, mode = 0o755, owner = 0): Member {
  return { path, type: "directory", mode, owner };
}

function file(path: string, text: string, mode = 0o644, owner = 0): Member {
  return { path, type: "file", mode, owner, text };
}

function symlink(path: string, target: string): Member {
  return { path, type: "symlink", mode: 0o777, owner: 0, target };
}

/** Mode and owner are those of the target: applying them again must change nothing. */
function hardlink(path: string, target: string): Member {
  return { path, type: "link", mode: 0o644, owner: 0, target };
}

/** Removes what the layers below have under that name (OCI image-spec, "Whiteouts"). */
function whiteout(parent: string, name: string): Member {
  return file(`${parent}.wh.${name}`, "");
}

/** Hides everything that the layers below have in that directory. */
function opaque(parent: string): Member {
  return file(`${parent}.wh..wh..opq`, "");
}
