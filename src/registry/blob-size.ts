/** How large a blob is, where no manifest says so. */
import type { Digest } from "../../store/digest.js";
import { TpullError } from "../../store/errors.js";
import { parseContentRange } from "./content-range.js";
import { about } from "./errors.js";
import { contentLength, hasContentCoding, headerValues } from "./headers.js";
import { atAnyPlace, type RouteOptions } from "./route.js";
import type { Ask, Reply, Repository, Session } from "./session.js";

export interface BlobSizeRequest extends Repository {
  readonly digest: Digest;
  readonly route: RouteOptions;
}

/**
 * See `RegistryClient.blobSize`. By `HEAD`; storage that a registry redirects to
 * may have an answer to `GET` only, and is asked for one byte then.
 */
export async function findBlobSize(
  session: Session,
  { registry, repository, digest, route }: BlobSizeRequest,
): Promise<number> {
  const name = `${registry}/${repository}`;
  const item = `${repository}/blobs/${digest}`;
  const want = { registry, capability: "pull", item } as const;
  try {
    return await atAnyPlace(session, want, route, async (endpoint) => {
      const ask: Ask = {
        endpoint,
        method: "HEAD",
        registry,
        repository,
        subject: { kind: "blob", name, item: digest },
        path: `blobs/${digest}`,
        headers: { accept: "*/*", "accept-encoding": "identity" },
        signal: route.signal,
      };
      const head = await session.send(ask);
      head.body.cancel();
      const size = head.status === 200 ? lengthOf(head) : undefined;
      return size ?? (await sizeByRange(session, ask));
    });
  } catch (error) {
    throw about(error, name, `${name}, blob ${digest}`, { layer: digest });
  }
}

async function sizeByRange(session: Session, ask: Ask): Promise<number> {
  const headers = { ...ask.headers, range: "bytes=0-0" };
  const reply = await session.send({ ...ask, method: "GET", headers });
  const { status } = reply;
  if (status !== 200 && status !== 206) throw await session.refusal(reply);
  reply.body.cancel();
  const size = status === 200 ? lengthOf(reply) : totalOf(reply);
  if (size !== undefined) return size;
  const { name, item } = ask.subject;
  throw new TpullError(
    "REGISTRY_ERROR",
    `${name}: the registry does not say how large blob ${item} is`,
    { details: { host: reply.url.host, status } },
  );
}

function lengthOf({ headers }: Reply): number | undefined {
  return hasContentCoding(headers) ? undefined : contentLength(headers);
}

function totalOf({ headers }: Reply): number | undefined {
  return parseContentRange(headerValues(headers, "content-range"))?.total;
}
