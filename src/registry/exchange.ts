/** One HTTP request and its response, on undici's dispatcher: no redirect, no retry, no credentials of its own. */
import type { Dispatcher } from "undici";
import { abortedError } from "../../store/errors.js";
import { Body } from "./body.js";
import type { ResponseHeaders } from "./headers.js";
import { HEADERS_TIMEOUT } from "./failure-kinds.js";
import { networkError, stalledError } from "./network-errors.js";

export interface ExchangeRequest {
  readonly method: "GET" | "HEAD" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
  /** From the request's last byte to the response's headers. Milliseconds. */
  readonly headersTimeoutMs: number;
  /** See {@link Body}. Milliseconds. */
  readonly stallMs: number;
  /** See {@link Body}. */
  readonly floorBytes: number;
  /** Origin of the proxy that the request is sent to with its whole URL. */
  readonly forwarder: string | undefined;
  /** Whether this origin has answered before. */
  readonly answered: boolean;
  /** Milliseconds since the epoch, for messages. */
  readonly now: () => number;
}

export interface ExchangeResponse {
  readonly status: number;
  readonly headers: ResponseHeaders;
  readonly body: Body;
}

class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: ExchangeRequest;
  readonly #resolve: (response: ExchangeResponse) => void;
  readonly #reject: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #headersTimer: NodeJS.Timeout | undefined;
  #body: Body | undefined;
  #over = false;

  // Until the headers are here. Undici hands out its controller only once a
  // connection stands, so the promise must not wait for undici to notice.
  readonly #onAbort = (): void => {
    this.#giveUp(abortedError());
  };

  constructor(
    request: ExchangeRequest,
    resolve: (response: ExchangeResponse) => void,
    reject: (error: unknown) => void,
  ) {
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
    request.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#over) {
      controller.abort(abortedError());
      return;
    }
    this.#controller = controller;
    clearTimeout(this.#headersTimer);
    this.#headersTimer = setTimeout(() => {
      this.#giveUp(
        this.#translate(
          Object.assign(new Error("headers timeout"), {
            code: HEADERS_TIMEOUT,
          }),
        ),
      );
    }, this.#request.headersTimeoutMs);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: ResponseHeaders,
  ): void {
    if (this.#over || status < 200) return;
    const request = this.#request;
    this.#settle();
    this.#body = new Body(
      {
        pause: () => controller.pause(),
        resume: () => controller.resume(),
        abort: () => controller.abort(abortedError()),
      },
      {
        signal: request.signal,
        stallMs: request.stallMs,
        floorBytes: request.floorBytes,
        stalled: (bytes) => stalledError(request, request.stallMs, bytes),
      },
    );
    this.#resolve({ status, headers, body: this.#body });
  }

  onResponseData(
    _controller: Dispatcher.DispatchController,
    chunk: Buffer,
  ): void {
    this.#body?.push(chunk);
  }

  onResponseEnd(): void {
    this.#body?.end();
  }

  onResponseError(
    _controller: Dispatcher.DispatchController | undefined,
    error: Error,
  ): void {
    const translated = this.#translate(error);
    if (this.#body !== undefined) this.#body.fail(translated);
    else this.#giveUp(translated);
  }

  #translate(error: Error): unknown {
    const { method, url, answered, now } = this.#request;
    return networkError(error, {
      method,
      url,
      answered: answered || this.#body !== undefined,
      now: now(),
    });
  }

  #giveUp(error: unknown): void {
    if (this.#over) return;
    this.#settle();
    this.#controller?.abort(abortedError());
    this.#reject(error);
  }

  #settle(): void {
    this.#over = true;
    clearTimeout(this.#headersTimer);
    this.#request.signal.removeEventListener("abort", this.#onAbort);
  }
}

/**
 * Sends one request. Resolves when the response's headers are here; the body
 * must then be read to its end or cancelled.
 * @throws TpullError `NETWORK_*`, `TLS_ERROR`, `PROXY_*`, `ABORTED`
 */
export function exchange(
  dispatcher: Dispatcher,
  request: ExchangeRequest,
): Promise<ExchangeResponse> {
  return new Promise((resolve, reject) => {
    if (request.signal.aborted) {
      reject(abortedError());
      return;
    }
    const { url, forwarder } = request;
    const path = url.pathname + url.search;
    dispatcher.dispatch(
      {
        origin: forwarder ?? url.origin,
        path: forwarder === undefined ? path : url.origin + path,
        method: request.method,
        headers:
          forwarder === undefined
            ? request.headers
            : { ...request.headers, host: url.host },
        body: request.body ?? null,
        // Both limits are ours: undici's clock ticks only twice a second.
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      new Exchange(request, resolve, reject),
    );
  });
}
