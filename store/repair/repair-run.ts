/** One run of a repair: each kind of finding in its turn. */
import { dirname, join } from "node:path";
import { syncDirectory, unmark } from "../atomic.js";
import type { Layout } from "../layout.js";
import { readNames } from "../read.js";
import type { Session } from "../session.js";
import {
  type Finding,
  type FindingCode,
  FINDING_KINDS,
} from "../verify/finding.js";
import { type AskedManifests, BlobPlaces } from "./blob-places.js";
import { type ConfigsRepaired, repairConfigs } from "./configs.js";
import { Consent } from "./consent.js";
import { repairMaps } from "./distribution-maps.js";
import { KnownLayers } from "./known-layers.js";
import { repairLayers } from "./layer-repair.js";
import { sweepLeftovers } from "./leftovers.js";
import { repairModes } from "./modes.js";
import { repairNames } from "./names.js";
import { repairFile } from "./names-file.js";
import type { Repaired, RepairOptions } from "./repair-types.js";
import type { Steps } from "./steps.js";
import { isThere } from "./uses.js";

/** The names of images cannot be read. */
const OF_NAMES: ReadonlySet<FindingCode> = new Set<FindingCode>([
  "REPOSITORIES_DAMAGED",
  "REPOSITORIES_MISSING",
]);

/** Directories that say which images there are, and which layers they have. */
const KNOWS_USES =
  /^image(?:\/overlay2(?:\/(?:imagedb(?:\/content(?:\/sha256)?)?|layerdb(?:\/sha256)?))?)?$/;

export class RepairRun {
  readonly #layout: Layout;
  /** Undefined in a dry run. */
  readonly #session: Session | undefined;
  readonly #steps: Steps;
  readonly #options: RepairOptions;
  readonly #consent: Consent;
  readonly #asked: AskedManifests = new Map();

  constructor(
    layout: Layout,
    session: Session | undefined,
    steps: Steps,
    options: RepairOptions,
  ) {
    this.#layout = layout;
    this.#session = session;
    this.#steps = steps;
    this.#options = options;
    this.#consent = new Consent(options);
  }

  async run(findings: readonly Finding[]): Promise<Repaired> {
    const of = (...codes: FindingCode[]): Finding[] =>
      findings.filter(({ code }) => codes.includes(code));
    const common = {
      layout: this.#layout,
      session: this.#session,
      steps: this.#steps,
      consent: this.#consent,
    };
    const unnamed = of(...OF_NAMES);
    await repairFile(common, unnamed);
    const { filed, lost } = await this.#repairConfigs(
      of("CONFIG_DAMAGED", "CONFIG_MISSING"),
    );
    const { bytesFetched, adopted } = await repairLayers(
      { ...common, options: this.#options, asked: this.#asked },
      findings,
      filed,
    );
    const known = new KnownLayers(this.#layout);
    const blobs = this.#blobs(known);
    await repairMaps(
      { ...common, known, blobs },
      of("DISTRIBUTION_DAMAGED", "DISTRIBUTION_MISSING"),
    );
    await this.#forgetNotes(of("METADATA_DAMAGED"));
    await repairNames(
      common,
      of("REPOSITORIES_FORM", "REPOSITORY_NAME_WRONG", "CONFIG_MISSING"),
      lost,
    );
    await repairModes(
      this.#layout,
      this.#session,
      this.#steps,
      of("STORE_MODE", "CONFIG_MODE", "LAYER_MODE", "OVERLAY_MODE"),
    );
    await sweepLeftovers(
      { ...common, known, doubt: this.#doubt(findings, unnamed) },
      findings.filter(
        ({ code, cacheId }) =>
          FINDING_KINDS[code].remedy === "remove" &&
          (cacheId === undefined || !adopted.has(cacheId)),
      ),
    );
    this.#leaveOthers(findings);
    return {
      steps: this.#steps.done,
      unrepaired: this.#steps.unrepaired.filter(
        (one) => !this.#isGone(one.finding),
      ),
      bytesFetched,
    };
  }

  #blobs(known: KnownLayers): BlobPlaces {
    const { supplier, signal } = this.#options;
    return new BlobPlaces(this.#layout, known, supplier, this.#asked, signal);
  }

  async #repairConfigs(findings: readonly Finding[]): Promise<ConfigsRepaired> {
    const { supplier, signal } = this.#options;
    return await repairConfigs(
      {
        layout: this.#layout,
        session: this.#session,
        steps: this.#steps,
        blobs: this.#blobs(new KnownLayers(this.#layout)),
        supplier,
        signal,
      },
      findings,
    );
  }

  /** A note on an image that says nothing true is worth less than none: dockerd does without. */
  async #forgetNotes(findings: readonly Finding[]): Promise<void> {
    for (const finding of findings) {
      const path = join(this.#layout.root, finding.path);
      await this.#steps.part(
        "remove a note on an image",
        [finding],
        async () => {
          if (!isThere(path)) return;
          const note = "a note on an image that is not true";
          await this.#steps.take(
            { action: "removed", path, note },
            async () => {
              unmark(path);
              await syncDirectory(dirname(path));
            },
          );
        },
      );
    }
  }

  /** Why layers and files that seem to be nobody's may be somebody's. */
  #doubt(
    findings: readonly Finding[],
    unnamed: readonly Finding[],
  ): string | undefined {
    // Where all configs or all entries of layers are lost, nothing seems to be anybody's.
    const gone = findings.find(
      ({ code, path }) =>
        code === "STORE_DIRECTORY_MISSING" && KNOWS_USES.test(path),
    );
    if (gone !== undefined) {
      return `${gone.path} was lost, so that it cannot be told whether an image needs it`;
    }
    if (this.#hasLostAll()) {
      return "no image is left, and tpull remembers some whose layers it may be";
    }
    if (unnamed.length > 0) {
      return "the names of images were lost, so that it cannot be told whether one needs it";
    }
    const lacking = new Set<FindingCode>([
      "CONFIG_DAMAGED",
      "CONFIG_MISSING",
      "LAYER_MISSING",
      "LAYER_FILE_DAMAGED",
      "OVERLAY_MISSING",
    ]);
    const waiting = this.#steps.unrepaired.find(({ finding }) =>
      lacking.has(finding.code),
    );
    if (waiting === undefined) return undefined;
    return `it may belong to what could not be repaired (${waiting.finding.path})`;
  }

  /** Whether there are manifests of images here, and no image: who removes an image removes both. */
  #hasLostAll(): boolean {
    const filed = readNames(this.#layout.imagedbContent);
    return filed.length === 0 && readNames(this.#layout.manifests).length > 0;
  }

  /** What nothing here can mend. */
  #leaveOthers(findings: readonly Finding[]): void {
    for (const finding of findings) {
      const { remedy, meaning } = FINDING_KINDS[finding.code];
      if (remedy !== "none" || OF_NAMES.has(finding.code)) continue;
      this.#steps.leave(finding, meaning);
    }
  }

  /** Something that was to go and went with something else. */
  #isGone({ code, path }: Finding): boolean {
    if (FINDING_KINDS[code].remedy !== "remove") return false;
    return !isThere(join(this.#layout.root, path));
  }
}
