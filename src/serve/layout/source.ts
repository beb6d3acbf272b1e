/** Images of one layout, in a folder or an archive, followed as it changes. */
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { isTpullError, type Digest } from "../../../store/index.js";
import { isAbsent } from "../../../store/io-error.js";
import {
  type Content,
  DamagedContentError,
  type ManifestReference,
  type Referrer,
  type Repository,
  type ServedBlob,
  type ServedManifest,
} from "../content.js";
import { mergedContent } from "../merged-content.js";
import { checkRepositoryName, isRepositoryName } from "../names.js";
import { Refreshed } from "../refreshed.js";
import type {
  NamedRepository,
  OnServeWarning,
  ServeWarning,
  Source,
} from "../source.js";
import { LayoutArchive } from "./archive.js";
import {
  type Catalogue,
  type Complaint,
  readCatalogue,
  readManifest,
} from "./catalogue.js";
import { invalidLayout, type LayoutFiles } from "./files.js";
import { identityOf, LayoutFolder } from "./folder.js";
import { BlobProofs } from "./proven-blob.js";

export interface LayoutSourceOptions {
  /** What all of its images are called, instead of what the layout says; their tags stay. */
  readonly name?: { readonly host: string | undefined; readonly path: string };
  readonly onWarning?: OnServeWarning | undefined;
}

interface Seen {
  readonly files: LayoutFiles;
  readonly repositories: ReadonlyMap<string, readonly NamedRepository[]>;
}

/**
 * Opens a layout. Manifests and blobs are read when they are asked for, from the
 * file that their digest names, only if that is a regular file, and only if the
 * bytes hash to it (see {@link BlobProofs}). When its `index.json` changes, or
 * the archive is replaced, what is served changes with it.
 * @throws TpullError `LAYOUT_INVALID`
 */
export async function openLayout(
  place: string,
  options: LayoutSourceOptions = {},
): Promise<Source> {
  const warn = (
    message: string,
    code: ServeWarning["code"] = "SERVE_SOURCE_DAMAGED",
  ): void => {
    options.onWarning?.({ code, message });
  };
  const proofs = new BlobProofs((digest, found) => {
    warn(
      `the blob ${digest} in ${place} is damaged: it hashes to ${found}; it is not served`,
    );
  });
  const said = new Set<string>();
  const complain: Complaint = (message, code) => {
    if (said.has(message)) return;
    said.add(message);
    warn(message, code);
  };
  const seen = await Refreshed.begin<Seen>({
    state: () => stateOf(place),
    load: async () => {
      const files = await openFiles(place);
      try {
        const catalogue = await readCatalogue(files, complain);
        const given = options.name;
        const served = { files, catalogue, proofs, complain };
        return { files, repositories: repositoriesOf(served, given) };
      } catch (error) {
        await files.close();
        throw error;
      }
    },
    onFailure: (error) => {
      const { message } = error as Error;
      warn(`${message}; what was there before is served on`);
    },
    onReplaced: ({ files }) => void files.close(),
  });
  return {
    repositories: async () => (await seen.get()).repositories,
    close: () => seen.last.files.close(),
  };
}

/**
 * A layout as the one repository `repository`, until it is closed.
 * @throws TpullError `REPOSITORY_INVALID`, `LAYOUT_INVALID`
 */
export async function layoutContent(
  place: string,
  repository: string,
): Promise<Content & Pick<Source, "close">> {
  checkRepositoryName(repository);
  const name = { host: undefined, path: repository };
  const source = await openLayout(place, { name });
  return { ...mergedContent([source]), close: () => source.close() };
}

async function openFiles(place: string): Promise<LayoutFiles> {
  try {
    return (await stat(place)).isDirectory()
      ? await LayoutFolder.open(place)
      : await LayoutArchive.open(place);
  } catch (cause) {
    if (isTpullError(cause)) throw cause;
    const { message } = cause as Error;
    throw invalidLayout(place, `cannot be read: ${message}`, cause);
  }
}

/** Of an archive the file itself, of a folder the index in it, which is what is written last. */
async function stateOf(place: string): Promise<string> {
  try {
    const stats = await stat(place, { bigint: true });
    if (!stats.isDirectory()) return identityOf(stats);
    return identityOf(await stat(join(place, "index.json"), { bigint: true }));
  } catch (error) {
    if (isAbsent(error)) return "absent";
    throw error;
  }
}

interface Served {
  readonly files: LayoutFiles;
  readonly catalogue: Catalogue;
  readonly proofs: BlobProofs;
  readonly complain: Complaint;
}

function repositoriesOf(
  served: Served,
  given: LayoutSourceOptions["name"],
): Map<string, NamedRepository[]> {
  const repositories = new Map<string, NamedRepository[]>();
  const tags = new Map<NamedRepository, Map<string, Digest>>();
  const { place } = served.files;
  for (const entry of served.catalogue.entries) {
    const host = given === undefined ? entry.host : given.host;
    const path = given?.path ?? entry.path ?? nameOfPlace(place);
    let named = repositories.get(path)?.find((one) => one.host === host);
    if (named === undefined) {
      const tagged = new Map<string, Digest>();
      named = { host, repository: new LayoutRepository(served, tagged) };
      tags.set(named, tagged);
      const others = repositories.get(path);
      if (others === undefined) repositories.set(path, [named]);
      else others.push(named);
    }
    const { tag, digest } = entry;
    const tagged = tags.get(named);
    // Of a name that is there twice the first counts.
    if (tag !== undefined && !tagged?.has(tag)) tagged?.set(tag, digest);
  }
  if (repositories.size === 0) {
    const path = given?.path ?? nameOfPlace(place);
    const repository = new LayoutRepository(served, new Map());
    repositories.set(path, [{ host: given?.host, repository }]);
  }
  return repositories;
}

/** The file's or folder's name, made a repository's, for images that only have a tag. */
export function nameOfPlace(place: string): string {
  const name = basename(place)
    .toLowerCase()
    .replace(/\.(?:tar|oci|docker)$/, "")
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replaceAll(/[._-]{2,}/g, (run) => (run === "__" ? run : "-"))
    .replaceAll(/^[._-]+|[._-]+$/g, "");
  return isRepositoryName(name) ? name : "image";
}

class LayoutRepository implements Repository {
  readonly #served: Served;
  readonly #tagged: ReadonlyMap<string, Digest>;

  constructor(served: Served, tagged: ReadonlyMap<string, Digest>) {
    this.#served = served;
    this.#tagged = tagged;
  }

  async manifest(
    reference: ManifestReference,
  ): Promise<ServedManifest | undefined> {
    const { files, catalogue, complain } = this.#served;
    const digest =
      "tag" in reference ? this.#tagged.get(reference.tag) : reference.digest;
    const mediaType = digest && catalogue.mediaTypes.get(digest);
    if (digest === undefined || mediaType === undefined) return undefined;
    const bytes = await readManifest(files, digest);
    if (bytes === undefined) return undefined;
    if (!("wrong" in bytes)) return { digest, mediaType, bytes };
    complain(bytes.wrong);
    if (bytes.damaged) throw new DamagedContentError(bytes.wrong);
    return undefined;
  }

  async blob(digest: Digest): Promise<ServedBlob | undefined> {
    const { files, proofs } = this.#served;
    const stretch = await files.blob(digest);
    return stretch && (await proofs.blob(stretch, digest));
  }

  async tags(): Promise<readonly string[]> {
    return [...this.#tagged.keys()];
  }

  async referrers(subject: Digest): Promise<readonly Referrer[]> {
    return this.#served.catalogue.referrers.get(subject) ?? [];
  }
}
