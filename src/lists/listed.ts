/** What a list of images names, in whatever form it is written. */
import { type Digest, TpullError } from "../../store/index.js";
import { printable } from "../../store/reference/printable.js";

export interface ListedImage {
  readonly reference: string;
  /** The platform that the list names for it. */
  readonly platform?: string;
  /** The platform is one of several that were asked for, and has led to this reference: for the others there is another one. */
  readonly platformFixed?: true;
  /** Of a lock file: what the reference stood for, an index for a multi-platform image. It is to be taken, whatever the tag is now. */
  readonly digest?: Digest;
  /** Where in the file: `line 3`, `service web`, `Deployment/web container app`. */
  readonly from?: string;
}

/** Something in the file that looks like an image and is not one to be fetched. */
export interface SkippedEntry {
  readonly from: string;
  readonly why: string;
}

export interface ImageList {
  readonly images: ListedImage[];
  readonly skipped: SkippedEntry[];
}

/** @param where in the file; the reader of the file puts its name before it */
export function invalidList(where: string, what: string): TpullError {
  return new TpullError("IMAGE_LIST_INVALID", `${where}: ${printable(what)}`);
}
