/**
 * The benchmark's images, of the sizes and shapes that real ones have. Most
 * are made of Debian packages; the first run downloads and packs them, later
 * runs find them in the cache with the same bytes.
 */
import type { Image } from "../helpers/image-builder.js";
import { packBulk } from "../helpers/images/bulk-layers.js";
import {
  BASE_PACKAGES,
  DOCUMENTATION,
  fetchPackages,
  packPackages,
} from "../helpers/images/debian-packages.js";
import { cachedImage } from "../helpers/images/image-cache.js";
import { nginxImage } from "../helpers/images/nginx-image.js";

export interface BenchImage {
  readonly name: string;
  readonly about: string;
  readonly build: () => Promise<Image>;
}

const words = (text: string): string[] => text.split(/\s+/);

/** One layer each of the image of eight layers: a base and what a builder's image adds. */
const TOOLCHAIN: readonly (readonly string[])[] = [
  BASE_PACKAGES,
  words("gcc-12 g++-12 cpp-12 libgcc-12-dev libstdc++-12-dev libc6-dev"),
  words(`python3.11 python3.11-minimal libpython3.11-minimal
    libpython3.11-stdlib libpython3.11-dev`),
  words("git git-man perl-modules-5.36 libperl5.36 mercurial-common"),
  words("libboost1.74-dev cmake cmake-data"),
  words("golang-1.19-go"),
  words("openjdk-17-jre-headless"),
  words("libllvm14"),
];

/** All in one layer. */
const ONE_LAYER: readonly string[] = words(
  `libstd-rust-dev rustc llvm-14-dev libllvm14 libreoffice-core
   golang-1.19-go golang-1.19-src ghc`,
);

async function packageImage(
  name: string,
  packages: readonly (readonly string[])[],
): Promise<Image> {
  const files = await fetchPackages(packages.flat());
  const layers = packages.map((names) => files.splice(0, names.length));
  return await cachedImage(
    name,
    [layers, DOCUMENTATION],
    layers.map((layer) => (pack) => packPackages(pack, layer, DOCUMENTATION)),
  );
}

const SMALL_FILES = [1, 2].map((seed) => ({
  seed,
  files: 50_000,
  meanSize: 3_000,
  folderSize: 40,
}));

export const BENCH_IMAGES: readonly BenchImage[] = [
  {
    name: "nginx",
    about: "7 layers, Debian and nginx",
    build: nginxImage,
  },
  {
    name: "toolchain",
    about: "8 layers, compilers and runtimes",
    build: () => packageImage("toolchain", TOOLCHAIN),
  },
  {
    name: "one-layer",
    about: "one big layer",
    build: () => packageImage("one-layer", [ONE_LAYER]),
  },
  {
    name: "many-layers",
    about: "64 small layers",
    build: () =>
      packageImage(
        "many-layers",
        BASE_PACKAGES.slice(0, 64).map((name) => [name]),
      ),
  },
  {
    name: "small-files",
    about: "100,000 small files in 2 layers",
    build: () =>
      cachedImage(
        "small-files",
        SMALL_FILES,
        SMALL_FILES.map((layer) => (pack) => packBulk(pack, layer)),
      ),
  },
];
