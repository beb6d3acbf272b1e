/** What a registry has done, in the text format of Prometheus (version 0.0.4). */
import type { Exchange, ExchangeObserver } from "./exchange.js";

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Upper bounds in seconds: a manifest takes milliseconds, a layer over a slow line minutes. */
const BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800] as const;
/** What HTTP has; anything else is one more label for whoever likes to invent them. */
const METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
]);

interface Histogram {
  readonly counts: number[];
  count: number;
  sum: number;
}

export class ServeMetrics implements ExchangeObserver {
  readonly contentType: string = CONTENT_TYPE;
  readonly #requests = new Map<string, number>();
  readonly #bytes = new Map<string, number>();
  readonly #aborted = new Map<string, number>();
  readonly #durations = new Map<string, Histogram>();
  readonly #connections: () => number;
  #inFlight = 0;

  /** @param connections how many clients are connected now */
  constructor(connections: () => number) {
    this.#connections = connections;
  }

  readonly onBegin = (): void => {
    this.#inFlight += 1;
  };

  readonly onEnd = (exchange: Exchange): void => {
    this.#inFlight -= 1;
    const { route, status, bytes, durationMs } = exchange;
    const method = METHODS.has(exchange.method) ? exchange.method : "other";
    const labels = `route="${route}",method="${method}",status="${status}"`;
    add(this.#requests, labels, 1);
    const ofRoute = `route="${route}"`;
    add(this.#bytes, ofRoute, bytes);
    add(this.#aborted, ofRoute, exchange.aborted ? 1 : 0);
    let histogram = this.#durations.get(ofRoute);
    if (histogram === undefined) {
      histogram = { counts: BUCKETS.map(() => 0), count: 0, sum: 0 };
      this.#durations.set(ofRoute, histogram);
    }
    const seconds = durationMs / 1000;
    const at = BUCKETS.findIndex((bound) => seconds <= bound);
    if (at >= 0) histogram.counts[at] = (histogram.counts[at] ?? 0) + 1;
    histogram.count += 1;
    histogram.sum += seconds;
  };

  /** All of it as text. */
  text(): string {
    const { rss } = process.memoryUsage();
    return [
      ...family(
        "tpull_serve_requests_total",
        "counter",
        "Requests answered, by kind, method and status.",
        this.#requests,
      ),
      ...family(
        "tpull_serve_response_bytes_total",
        "counter",
        "Bytes of replies that clients took, without headers.",
        this.#bytes,
      ),
      ...family(
        "tpull_serve_aborted_total",
        "counter",
        "Replies that were cut short, by either side.",
        this.#aborted,
      ),
      ...family(
        "tpull_serve_requests_in_flight",
        "gauge",
        "Requests that are being answered.",
        new Map([["", this.#inFlight]]),
      ),
      ...family(
        "tpull_serve_connections",
        "gauge",
        "Clients that are connected.",
        new Map([["", this.#connections()]]),
      ),
      ...this.#histograms(),
      ...family(
        "process_resident_memory_bytes",
        "gauge",
        "Memory of the process.",
        new Map([["", rss]]),
      ),
      "",
    ].join("\n");
  }

  #histograms(): string[] {
    const name = "tpull_serve_request_duration_seconds";
    const lines = head(
      name,
      "histogram",
      "From a request to the end of its reply.",
    );
    for (const [labels, { counts, count, sum }] of this.#durations) {
      let below = 0;
      for (const [at, bound] of BUCKETS.entries()) {
        below += counts[at] ?? 0;
        lines.push(`${name}_bucket{${labels},le="${bound}"} ${below}`);
      }
      lines.push(
        `${name}_bucket{${labels},le="+Inf"} ${count}`,
        `${name}_sum{${labels}} ${sum}`,
        `${name}_count{${labels}} ${count}`,
      );
    }
    return lines;
  }
}

function add(map: Map<string, number>, labels: string, amount: number): void {
  map.set(labels, (map.get(labels) ?? 0) + amount);
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function family(
  name: string,
  type: string,
  help: string,
  values: ReadonlyMap<string, number>,
): string[] {
  const lines = head(name, type, help);
  for (const [labels, value] of values) {
    lines.push(`${name}${labels === "" ? "" : `{${labels}}`} ${value}`);
  }
  return lines;
}
