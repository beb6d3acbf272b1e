/** Descriptors of manifests and indexes, and reading typed fields out of JSON. */
import { parseDigest, type Digest } from "../../store/digest.js";
import { TpullError } from "../../store/errors.js";
import { isJsonObject, type JsonObject } from "./json.js";

/** Platform of an index entry, as written there. */
export interface DescriptorPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}

/** Address of some content: what it is, its digest and its size in bytes. */
export interface Descriptor {
  /** `""` where none is written. */
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  /** The content itself in base64, unverified. */
  readonly data?: string;
  readonly platform?: DescriptorPlatform;
  readonly annotations?: ReadonlyMap<string, string>;
  readonly artifactType?: string;
  /** Other places that claim to have the content (foreign layers). */
  readonly urls?: readonly string[];
}

/** One JSON object of a manifest, with the words to say where something is wrong. */
export class Fields {
  /** The document in messages, e.g. `docker.io/library/nginx:latest`. */
  readonly what: string;
  readonly #place: string;
  readonly #object: JsonObject;

  constructor(value: unknown, what: string, place: string) {
    this.what = what;
    this.#place = place;
    if (!isJsonObject(value)) throw this.#wrong("", "not a JSON object");
    this.#object = value;
  }

  /** Whether the field is there; `null` is not. */
  has(key: string): boolean {
    return this.raw(key) !== undefined;
  }

  /** The value as parsed; `undefined` for `null`. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#object, key)
      ? (this.#object[key] ?? undefined)
      : undefined;
  }

  /** A string; `""` when absent. */
  text(key: string): string {
    const value = this.raw(key) ?? "";
    if (typeof value !== "string") throw this.#wrong(key, "not a string");
    return value;
  }

  /** A number of bytes that JavaScript can count exactly. */
  size(key: string): number {
    const value = this.raw(key);
    if (
      typeof value !== "number" ||
      !Number.isSafeInteger(value) ||
      value < 0
    ) {
      throw this.#wrong(key, "not a number of bytes");
    }
    return value;
  }

  digest(key: string): Digest {
    return parseDigest(this.raw(key), `${this.what}: ${this.#path(key)}`);
  }

  /** A list; empty when absent. */
  list(key: string): readonly unknown[] {
    const value = this.raw(key) ?? [];
    if (!Array.isArray(value)) throw this.#wrong(key, "not a list");
    return value;
  }

  texts(key: string): string[] {
    return this.list(key).map((entry) => {
      if (typeof entry !== "string") throw this.#wrong(key, "not strings");
      return entry;
    });
  }

  /** A nested object; `undefined` when absent. */
  object(key: string): Fields | undefined {
    return this.has(key)
      ? new Fields(this.raw(key), this.what, this.#path(key))
      : undefined;
  }

  /** The objects of a list. */
  objects(key: string): Fields[] {
    return this.list(key).map(
      (entry, at) => new Fields(entry, this.what, `${this.#path(key)}[${at}]`),
    );
  }

  keys(): string[] {
    return Object.keys(this.#object);
  }

  #path(key: string): string {
    return this.#place === "" ? key : `${this.#place}.${key}`;
  }

  #wrong(key: string, why: string): TpullError {
    const path = key === "" ? this.#place : this.#path(key);
    return invalidManifest(this.what, `${path === "" ? "it" : path} is ${why}`);
  }
}

/** `MANIFEST_INVALID` */
export function invalidManifest(what: string, why: string): TpullError {
  return new TpullError("MANIFEST_INVALID", `${what}: bad manifest: ${why}`, {
    hint: "The image has to be built or pushed again.",
  });
}

/** @throws TpullError `MANIFEST_INVALID`, `DIGEST_INVALID`, `DIGEST_UNSUPPORTED` */
export function readDescriptor(fields: Fields): Descriptor {
  const platform = fields.object("platform");
  const annotations = fields.object("annotations");
  return {
    mediaType: fields.text("mediaType"),
    digest: fields.digest("digest"),
    size: fields.size("size"),
    ...(fields.has("data") ? { data: fields.text("data") } : {}),
    ...(platform === undefined ? {} : { platform: readPlatform(platform) }),
    ...(annotations === undefined
      ? {}
      : {
          annotations: new Map(
            annotations.keys().map((key) => [key, annotations.text(key)]),
          ),
        }),
    ...(fields.has("artifactType")
      ? { artifactType: fields.text("artifactType") }
      : {}),
    ...(fields.has("urls") ? { urls: fields.texts("urls") } : {}),
  };
}

function readPlatform(fields: Fields): DescriptorPlatform {
  const variant = fields.text("variant");
  const osVersion = fields.text("os.version");
  const osFeatures = fields.texts("os.features");
  return {
    os: fields.text("os"),
    architecture: fields.text("architecture"),
    ...(variant === "" ? {} : { variant }),
    ...(osVersion === "" ? {} : { osVersion }),
    ...(osFeatures.length === 0 ? {} : { osFeatures }),
  };
}
