/** The images that the peers are compared on, and how they get into the registry. */
import {
  imageOf,
  indexOf,
  MACHINE,
  type Image,
} from "../helpers/image-builder.js";
import {
  busyboxLayer,
  ODD_IMAGES,
  onBusybox,
} from "../helpers/images/odd-images.js";
import { pushIndex } from "../helpers/push.js";
import { file } from "../helpers/tar-writer.js";
import type { SuiteImage } from "./suite.js";

const FOREIGN = { os: "linux", architecture: "s390x" };

/** An image that no other is equal to: one that is there already is not pulled. */
const imageWith = (content: string): Image =>
  onBusybox([[file("content", content)]]);

/** Images that are plain inside, under references and indexes of every kind. */
const REFERENCES: readonly SuiteImage[] = [
  {
    name: "through-an-index",
    build: () => imageWith("through-an-index"),
    push: async (host, repository, image) => {
      const foreign = imageOf([busyboxLayer()], { platform: FOREIGN });
      const index = indexOf([
        { image: foreign, platform: FOREIGN },
        { image, platform: MACHINE },
      ]);
      return await pushIndex(host, repository, "tag", index, [foreign, image]);
    },
  },
  {
    name: "by-digest",
    build: () => imageWith("by-digest"),
    reference: (pushed) => pushed.byDigest,
  },
  {
    name: "by-tag-and-digest",
    build: () => imageWith("by-tag-and-digest"),
    reference: (pushed) => `${pushed.reference}@${pushed.digest}`,
  },
  {
    name: "a/name.of_several__parts/and-dashes--too",
    build: () => imageWith("name"),
  },
];

/** What every dockerd can pull. */
export const PULLABLE: readonly SuiteImage[] = [
  ...ODD_IMAGES.filter(({ pullable }) => pullable === undefined),
  ...REFERENCES,
];

/** What an old dockerd accepts in a data root but cannot pull. */
export const NOT_PULLABLE: readonly SuiteImage[] = ODD_IMAGES.filter(
  ({ pullable }) => pullable !== undefined,
);
