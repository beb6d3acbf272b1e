/** Where images come from that are served: layouts and data roots alike. */
import type { Repository } from "./content.js";

/** A repository under the name that its images carry. */
export interface NamedRepository {
  /** The registry they come from; undefined where nothing says so. */
  readonly host: string | undefined;
  readonly repository: Repository;
}

export interface Source {
  /**
   * What is there now: by path, e.g. `library/nginx`, in the source's own order.
   * @throws TpullError when it cannot be read any more
   */
  repositories(): Promise<ReadonlyMap<string, readonly NamedRepository[]>>;
  close(): Promise<void>;
}

/**
 * What is doubtful about something that is served. `SERVE_SOURCE_DAMAGED`: a
 * part of it is not what its name says, or cannot be read, and is left out.
 * `SERVE_INCOMPLETE`: an image lacks blobs, as in a sparse bundle.
 * `SERVE_PARTIAL`: of an index some images are absent. `SERVE_NAME_SHARED`: two registries' images have one path. `SERVE_REBUILT`:
 * images of a data root get manifests of their own. `SERVE_PASSWORD_BARE`:
 * passwords are asked for without TLS. `SERVE_EMPTY`: there is nothing to serve.
 * `SERVE_CONTENT_FAILED`: a reply broke off. `SERVE_FAILED`: a request could
 * not be answered.
 */
export interface ServeWarning {
  readonly code:
    | "SERVE_SOURCE_DAMAGED"
    | "SERVE_INCOMPLETE"
    | "SERVE_PARTIAL"
    | "SERVE_NAME_SHARED"
    | "SERVE_REBUILT"
    | "SERVE_PASSWORD_BARE"
    | "SERVE_EMPTY"
    | "SERVE_CONTENT_FAILED"
    | "SERVE_FAILED";
  readonly message: string;
}

export type OnServeWarning = (warning: ServeWarning) => void;
