export { pull, pullAll } from "./pull.js";
export type { PullAllResult, PullOptions } from "./pull.js";
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
export { EVENT_SCHEMA } from "./events.js";
export type {
  FailedPull,
  LayerResult,
  LayerSource,
  LayerState,
  OnEvent,
  PullEvent,
  PullResult,
} from "./events.js";
export {
  canonicalName,
  canonicalRepository,
  familiarName,
  familiarRepository,
  parseReference,
} from "./reference.js";
export type { Reference } from "./reference.js";
export { formatPlatform, hostPlatform, parsePlatform } from "./platform.js";
export type { Platform } from "./platform.js";
export { TpullError, isTpullError, openStore } from "../store/index.js";
