/**
 * A read-only registry as a handler for node:http: the pull and content
 * discovery endpoints of the OCI distribution-spec.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Content, DamagedContentError } from "./content.js";
import {
  readReference,
  sendBlob,
  sendManifest,
  sendReferrers,
} from "./endpoints.js";
import { ExchangeNotes, type ExchangeObserver } from "./exchange.js";
import { pageOf } from "./paging.js";
import { Refusal } from "./refusal.js";
import { type Conversation, sendJson, sendRefusal } from "./reply.js";
import { parseRoute, type Route } from "./route.js";
import { takeOn } from "./unanswered.js";

export type RegistryHandler = (
  request: IncomingMessage,
  response: ServerResponse,
) => void;

/**
 * Lets a request in, or not.
 * @returns the user's name
 * @throws Refusal
 */
export type Doorkeeper = (request: IncomingMessage) => Promise<string>;

export interface RegistryHandlerOptions extends ExchangeObserver {
  /**
   * Told what the content threw while a request was answered; the client gets
   * status 500, or a closed connection when its reply had begun. Requests that
   * are refused and clients that go away are no errors.
   */
  onError?: ((error: unknown) => void) | undefined;
  /** Without one everybody is let in. */
  doorkeeper?: Doorkeeper | undefined;
}

/**
 * Answers `GET` and `HEAD` below `/v2/` from `content`: ping, manifests by tag
 * and digest, blobs with ranges, referrers, tags and catalog in pages.
 * Everything else is refused with an error body of the specification. Never
 * throws.
 */
export function createRegistryHandler(
  content: Content,
  options: RegistryHandlerOptions = {},
): RegistryHandler {
  return (request, response) => {
    const notes = new ExchangeNotes();
    const conversation = { request, response, notes };
    const isTaken = takeOn(request, response, () => {
      options.onEnd?.(exchangeOf(conversation));
    });
    if (!isTaken) return;
    options.onBegin?.();
    response.setHeader("Docker-Distribution-API-Version", "registry/2.0");
    response.setHeader("X-Content-Type-Options", "nosniff");
    // A body is of no use here, and not waited for.
    if (hasBody(request)) response.shouldKeepAlive = false;
    answer(content, options, conversation).catch((error: unknown) => {
      const said = error instanceof DamagedContentError ? damaged() : error;
      if (said instanceof Refusal) {
        sendRefusal(conversation, said);
        return;
      }
      if (response.headersSent) response.destroy();
      else {
        const refusal = new Refusal(500, "UNKNOWN", "the registry failed");
        sendRefusal(conversation, refusal);
      }
      options.onError?.(error);
    });
  };
}

function damaged(): Refusal {
  return new Refusal(
    500,
    "UNKNOWN",
    "what is stored here of this is damaged: the server's log says more",
  );
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"] ?? "0";
  return headers["transfer-encoding"] !== undefined || length !== "0";
}

function exchangeOf({
  request,
  response,
  notes,
}: Conversation): Parameters<NonNullable<ExchangeObserver["onEnd"]>>[0] {
  return {
    at: notes.at,
    remote: request.socket.remoteAddress ?? "",
    method: request.method ?? "",
    target: request.url ?? "",
    route: notes.route,
    repository: notes.repository,
    user: notes.user,
    userAgent: request.headers["user-agent"],
    status: response.statusCode,
    bytes: notes.bytes,
    durationMs: notes.duration(),
    aborted: !response.writableFinished,
  };
}

/** What is asked for, or why that is nothing. */
function readRoute(target: string): Route | Refusal {
  try {
    return parseRoute(target);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

async function answer(
  content: Content,
  { doorkeeper }: RegistryHandlerOptions,
  conversation: Conversation,
): Promise<void> {
  const { request, response, notes } = conversation;
  const route = readRoute(request.url ?? "");
  if (!(route instanceof Refusal)) {
    notes.route = route.kind;
    if ("name" in route) notes.repository = route.name;
  }
  // Who is not let in does not learn what is wrong with the request either.
  if (doorkeeper !== undefined) notes.user = await doorkeeper(request);
  if (route instanceof Refusal) throw route;
  // What is asked for is looked at first: a request that is malformed is
  // refused as that, whatever its method.
  const wanted = readReference(route);
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new Refusal(
      405,
      "UNSUPPORTED",
      "this registry is read-only",
      { method: request.method },
      { Allow: "GET, HEAD" },
    );
  }
  const namespace = route.query.get("ns") ?? undefined;
  if (route.kind === "ping") {
    sendJson(conversation, 200, {});
    return;
  }
  if (route.kind === "catalog") {
    const names = await content.repositories(namespace);
    const page = pageOf(names, route.query, "/v2/_catalog");
    if (page.link !== undefined) response.setHeader("Link", page.link);
    sendJson(conversation, 200, { repositories: page.names });
    return;
  }
  const { name } = route;
  const repository = await content.repository(name, namespace);
  if (route.kind === "referrers") {
    await sendReferrers(repository, route, wanted, conversation);
    return;
  }
  if (repository === undefined) {
    throw new Refusal(404, "NAME_UNKNOWN", "repository unknown", { name });
  }
  switch (route.kind) {
    case "tags": {
      const tags = await repository.tags();
      const page = pageOf(tags, route.query, `/v2/${name}/tags/list`);
      if (page.link !== undefined) response.setHeader("Link", page.link);
      sendJson(conversation, 200, { name, tags: page.names });
      return;
    }
    case "manifest":
      await sendManifest(repository, route, wanted, conversation);
      return;
    case "blob":
      await sendBlob(repository, route, wanted, conversation);
      return;
    case "upload":
      throw new Refusal(404, "UNSUPPORTED", "this registry has no uploads");
  }
}
