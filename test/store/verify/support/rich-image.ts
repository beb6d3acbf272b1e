/** An image with everything that a layer can hold, and another one on top of its base. */
import {
  imageOf,
  layerOf,
  type Image,
} from "../../../helpers/image-builder.js";
import {
  HARDLINKS,
  MODES,
  PAX,
  SPECIAL_FILES,
  WHITEOUTS,
  XATTRS,
  type LayerMembers,
} from "../../../helpers/images/odd-layers.js";
import {
  archive,
  directory,
  file,
  symlink,
} from "../../../helpers/tar-writer.js";

const TIMED = { mtime: 1_500_000_000 };

/** The plain things, each under a name that the mutations know. */
const BASE: LayerMembers = [
  directory("etc/", TIMED),
  file("etc/config", "some content, to be changed\n", {
    ...TIMED,
    mode: 0o640,
  }),
  file("etc/large", Buffer.alloc(700_000, "large "), TIMED),
  file("etc/empty", "", TIMED),
  file("etc/su", "binary\n", { ...TIMED, mode: 0o4755 }),
  symlink("etc/link", "config", TIMED),
  directory("etc/folder/", { ...TIMED, mode: 0o750 }),
  file("etc/folder/inside", "x", TIMED),
];

/** What tpull keeps beside the tree, because no reader would find it there again. */
const BESIDE: LayerMembers = [
  directory("./", { mode: 0o700, uid: 5, gid: 5 }),
  file("twice", ""),
  file("./twice", "the second time with content"),
  file(".wh.with-content", "dockerd would lose this"),
  directory("listed-twice/", { mode: 0o700 }),
  directory("listed-twice/", { mode: 0o755, uid: 3 }),
  directory("target/"),
  symlink("absolute", "/target"),
  file("absolute/through", "written through a link"),
  file("implied/by/this", "parents are not listed"),
];

/** What its owner may not read, nobody but root can copy. */
const CLOSED = process.geteuid?.() === 0 ? MODES : [];

const LAYERS: readonly LayerMembers[] = [
  [...BASE, ...(WHITEOUTS[0] ?? []), ...(HARDLINKS[0] ?? [])],
  [...(WHITEOUTS[1] ?? []), ...XATTRS, ...SPECIAL_FILES],
  [...(WHITEOUTS[2] ?? []), ...(HARDLINKS[1] ?? []), ...CLOSED, ...PAX],
  BESIDE,
];

export const RICH: Image = imageOf(
  LAYERS.map((members) => layerOf(archive(members))),
);

/** Shares the base with {@link RICH}. */
export const SIBLING: Image = imageOf([
  layerOf(archive(LAYERS[0] ?? [])),
  layerOf(archive([file("own", "of the sibling")])),
]);
