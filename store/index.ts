export { TpullError, abortedError, isTpullError } from "./errors.js";
export type { ErrorDetails } from "./errors.js";
export type { CacheId, ChainId, DiffId, Digest, ImageId } from "./digest.js";
export {
  chainId,
  chainIds,
  digestOf,
  hexOf,
  isDigest,
  parseDigest,
  parseDiffId,
  shortId,
} from "./digest.js";
export { DEFAULT_KEPT_BYTES } from "./blobs/blob-keeper.js";
export type { IncomingBlob, KeptBlobLimits } from "./blobs/blob-keeper.js";
export type { KeptDocument, KeptIndex } from "./blobs/documents.js";
export { listKeptBlobs } from "./blobs/kept-blobs.js";
export type { KeptBlob } from "./blobs/kept-blobs.js";
export { OpenBlob } from "./blobs/open-blob.js";
export { originalImage } from "./blobs/original.js";
export type { OriginalImage } from "./blobs/original.js";
export type { WholeLayer } from "./complete.js";
export type { DistributionEntry } from "./distribution.js";
export type { LayerClaim, LayerRecord, StagedLayer } from "./layers.js";
export type { Layout } from "./layout.js";
export type { ByteRange, PartialBlob } from "./partial.js";
export { listPartials, removePartials } from "./partials.js";
export type { LeftoverLimits, Partial } from "./partials.js";
export { MAX_LAYERS } from "./place.js";
export { privilege } from "./privilege.js";
export type { Privilege } from "./privilege.js";
export type { Naming } from "./repositories.js";
export type { StoreWarning } from "./root.js";
export { Stager } from "./stage.js";
export type {
  ExpectedLayer,
  Staged,
  StageOptions,
  TreeWarning,
} from "./stage.js";
export { openStore } from "./store.js";
export type { Store } from "./store.js";
export type {
  ClaimOptions,
  Claimed,
  StoreWriter,
  WaitOptions,
  WriteOptions,
} from "./writing.js";
export {
  canonicalName,
  canonicalRepository,
  familiarName,
  familiarRepository,
  parseReference,
} from "./reference/reference.js";
export type { Reference } from "./reference/reference.js";
export { LayerRebuilder, TarCursor } from "./rebuild/rebuilder.js";
export type { RebuildOptions } from "./rebuild/rebuilder.js";
export { saveImages } from "./archive/save.js";
export type { SaveOptions, SaveResult } from "./archive/save.js";
export type { ByteSink } from "./archive/archive-writer.js";
export { inflated } from "./archive/inflated.js";
export type { Compression } from "./ingest/compress.js";
export { inventory } from "./survey/inventory.js";
export type { Inventory } from "./survey/inventory.js";
export { imageHistory } from "./survey/image-history.js";
export type { HistoryStep } from "./survey/image-history.js";
export { inspectImage } from "./survey/inspect-image.js";
export type {
  InspectedConfig,
  InspectedHealthcheck,
  InspectedImage,
} from "./survey/inspect-image.js";
export { listImages } from "./survey/list-images.js";
export type {
  ImageList,
  ListedImage,
  ListOptions,
} from "./survey/list-images.js";
export type { Damage } from "./survey/damage.js";
export type { OverlayDirectories } from "./survey/graph-driver.js";
export { tagImage } from "./manage/tag-image.js";
export type { TaggedImage } from "./manage/tag-image.js";
export { removeImages } from "./manage/remove-images.js";
export type {
  FailedRemoval,
  NamedRemoval,
  RemovedImages,
  RemoveImagesOptions,
} from "./manage/remove-images.js";
export type { Removal, RemovalOptions } from "./manage/removal.js";
export { prune } from "./manage/prune.js";
export type { Pruned, PruneOptions } from "./manage/prune.js";
export type { PruneFilter } from "./manage/prune-plan.js";
export { pruneBlobs } from "./manage/prune-blobs.js";
export { pruneLeftovers } from "./manage/prune-leftovers.js";
export type { PruneLeftoversOptions } from "./manage/prune-leftovers.js";
export type { Leftover } from "./manage/leftovers.js";
export type { ManageOptions } from "./manage/managing.js";
export {
  forgetManifest,
  keptManifests,
  readManifestHint,
} from "./manifests.js";
export type { KeptManifest, LayerHint, ManifestHint } from "./manifests.js";
export { diskUsage } from "./survey/disk-usage.js";
export type {
  BuildUsage,
  ContainerUsage,
  DiskUsage,
  KeptBlobUsage,
  LeftoverUsage,
  ManifestUsage,
  PartialUsage,
  UnfinishedUsage,
  UsageKind,
  UsageTotal,
  VolumeUsage,
} from "./survey/disk-report.js";
export type { ImageUsage } from "./survey/image-usage.js";
export { imageLayers } from "./survey/image-layers.js";
export type {
  ImageLayer,
  ImageLayers,
  ImageName,
  LayerOrigin,
} from "./survey/image-layers.js";
export type { LayerStep } from "./survey/layer-steps.js";
export { layerTree } from "./survey/layer-tree.js";
export type { LayerNode, LayerTree } from "./survey/layer-tree.js";
export type { LayerUse } from "./survey/layer-use.js";
export {
  daemonVerdicts,
  parseDaemonSettings,
  readDaemonSettings,
} from "./daemons/index.js";
export type {
  DaemonOutcome,
  DaemonRemark,
  DaemonSettings,
  DaemonVerdict,
  HiddenImages,
} from "./daemons/index.js";
export { storeInfo } from "./survey/store-info.js";
export type {
  StoreCounts,
  StoreInfo,
  StoreInfoOptions,
  Writability,
} from "./survey/store-info.js";
export type { Known } from "./survey/filesystem.js";
export type { Holder } from "./survey/holder.js";
export type { OtherThing } from "./survey/other-things.js";
export { repairStore } from "./repair/repair.js";
export type {
  BlobPlace,
  BlobSupplier,
  RemovalQuestion,
  Repaired,
  RepairOptions,
  RepairProgress,
  RepairStep,
  SuppliedBlob,
  SupplyOptions,
  Unrepaired,
  WantedImage,
} from "./repair/repair-types.js";
export { verifyStore } from "./verify/verify.js";
export type {
  NotChecked,
  Verification,
  VerifyOptions,
  VerifyProgress,
} from "./verify/verification.js";
export { FINDING_CODES, FINDING_KINDS, isDamage } from "./verify/finding.js";
export type {
  Finding,
  FindingCode,
  FindingKind,
  Remedy,
} from "./verify/finding.js";
