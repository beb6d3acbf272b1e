export { pull, pullAll } from "./pull.js";
export type { PullAllResult, PullOptions } from "./pull.js";
export type { ImageRequest, Requested } from "./requests.js";
export { prefetch } from "./prefetch/prefetch.js";
export type { PrefetchOptions, PrefetchResult } from "./prefetch/prefetch.js";
export { createCredentialSource } from "./credentials/index.js";
export type {
  CredentialSourceOptions,
  CredentialWarning,
} from "./credentials/index.js";
export { login, logout } from "./login.js";
export type {
  LoginOptions,
  LoginResult,
  LogoutOptions,
  LogoutResult,
} from "./login.js";
export type { Credential, CredentialSource } from "./registry/credentials.js";
export { fetchManifest } from "./query/manifest.js";
export type { ManifestOptions, RawManifest } from "./query/manifest.js";
export { resolve, resolveDigest } from "./query/resolve.js";
export type { NamedImage, Resolved, ResolveOptions } from "./query/resolve.js";
export { tags } from "./query/tags.js";
export type { QueryOptions } from "./query/query.js";
export { plan } from "./plan/plan.js";
export type {
  Plan,
  PlannedDisk,
  PlannedImage,
  PlannedLayer,
  PlannedSource,
  PlanOptions,
} from "./plan/plan.js";
export type { MirrorSetting, NetworkSettings } from "./network-settings.js";
export { createHosts } from "./hosts/index.js";
export type { HostsOptions } from "./hosts/index.js";
export { serve } from "./serve/serve.js";
export type {
  ServedLayout,
  ServedRoot,
  ServeOptions,
  Serving,
} from "./serve/serve.js";
export type { ServedRepository } from "./serve/served.js";
export type { Exchange } from "./serve/exchange.js";
export type { ServeWarning } from "./serve/source.js";
export { EVENT_SCHEMA } from "./events.js";
export type {
  About,
  FailedPull,
  KeptBlobsResult,
  LayerResult,
  LayerSource,
  LayerState,
  OnEvent,
  PrefetchedImage,
  PullEvent,
  PullResult,
} from "./events.js";
export {
  canonicalName,
  canonicalRepository,
  familiarName,
  familiarRepository,
  parseReference,
} from "../store/reference/reference.js";
export type { Reference } from "../store/reference/reference.js";
export { formatPlatform, hostPlatform, parsePlatform } from "./platform.js";
export type { Platform } from "./platform.js";
export { TpullError, isTpullError, openStore } from "../store/index.js";
export type { KeptBlobLimits } from "../store/index.js";
export { loadImages } from "./load/load.js";
export type { LoadOptions, LoadResult } from "./load/load.js";
export { bundleImages } from "./bundle/bundle.js";
export type {
  BundledLayer,
  BundleImageResult,
  BundleOptions,
  BundleResult,
} from "./bundle/types.js";
export { checkChecksums, writeChecksums } from "./bundle/checksums.js";
export { parseImageList, readImageLists } from "./lists/index.js";
export type {
  ImageList,
  ListedImage,
  ReadListsOptions,
  SkippedEntry,
} from "./lists/index.js";
export {
  checkLock,
  formatLock,
  LOCK_VERSION,
  lockChanges,
  lockImages,
  readLock,
  writeLock,
} from "./lock/index.js";
export type {
  CheckedImage,
  CheckLockOptions,
  ListDifference,
  Lock,
  LockChange,
  LockCheck,
  LockedImage,
  LockedPlatform,
  LockOptions,
  LockResult,
  PlatformChange,
  PlatformsDifference,
} from "./lock/index.js";
export { checkArchive } from "./archive/check.js";
export type {
  ArchiveCheck,
  ArchiveFinding,
  CheckArchiveOptions,
  NeededLayer,
} from "./archive/check.js";
export { repair } from "./repair/repair.js";
export type { Left, RepairOptions, RepairResult } from "./repair/repair.js";
