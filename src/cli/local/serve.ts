/** `tpull serve [[NAME=]PATH...]`: runs until it is stopped. */
import { existsSync } from "node:fs";
import type { Exchange } from "../../serve/exchange.js";
import {
  serve,
  type ServedLayout,
  type ServedRoot,
} from "../../serve/serve.js";
import type { ServedRepository } from "../../serve/served.js";
import type { ServeWarning } from "../../serve/source.js";
import type { Answer } from "../answers/answer.js";
import { jsonLine, oneLine } from "../terminal-text.js";

export const answerServe: Answer = async ({
  images,
  flags,
  query,
  output,
  root,
}) => {
  const asJson = flags.log === "json";
  const onWarning = (warning: ServeWarning): void => {
    output.err(
      asJson
        ? jsonLine({ event: "warning", ...warning })
        : warningLine(warning),
    );
  };
  const onRequest = (exchange: Exchange): void => {
    output.err(asJson ? jsonLine(jsonExchange(exchange)) : logLine(exchange));
  };
  const hasRoot = images.length === 0 || flags.root !== undefined;
  const sources: (ServedLayout | ServedRoot)[] = [
    ...images.map(layoutOf),
    ...(hasRoot ? [{ root: root() }] : []),
  ];
  const certFile = flags["tls-cert"];
  const keyFile = flags["tls-key"];
  const serving = await serve({
    sources,
    listen: flags.listen,
    ...(certFile !== undefined &&
      keyFile !== undefined && { tls: { certFile, keyFile } }),
    htpasswdFile: flags.htpasswd,
    metrics: flags.metrics,
    graceMs: flags.grace,
    signal: query.signal,
    onWarning,
    ...(flags.quiet ? {} : { onRequest }),
  });
  if (!flags.quiet && !asJson) {
    output.err(servedLines(await serving.repositories()));
  }
  const { url, metricsUrl } = serving;
  output.out(
    `Serving on ${url}\n${metricsUrl === undefined ? "" : `Metrics on ${metricsUrl}\n`}`,
  );
  await serving.closed;
  return 0;
};

/** `NAME=PATH`, unless there is something of that whole name. */
function layoutOf(operand: string): ServedLayout {
  const at = operand.indexOf("=");
  const name = operand.slice(0, Math.max(at, 0));
  if (name === "" || name.startsWith(".") || name.startsWith("/")) {
    return { layout: operand };
  }
  if (existsSync(operand)) return { layout: operand };
  return { layout: operand.slice(at + 1), name };
}

function warningLine({ message, code }: ServeWarning): string {
  return `tpull: warning: ${oneLine(message)} (${code})\n`;
}

/** What is there to pull, a repository a line. */
function servedLines(repositories: readonly ServedRepository[]): string {
  return repositories
    .map(({ path, hosts, tags }) => {
      const shown = tags.slice(0, 8).join(", ");
      const more = tags.length > 8 ? ` and ${tags.length - 8} more` : "";
      const what = tags.length === 0 ? "no tags" : `${shown}${more}`;
      return `tpull: ${oneLine(path)} from ${oneLine(hosts.join(", "))}: ${what}\n`;
    })
    .join("");
}

/** When, who, what, and what became of it. */
function logLine(exchange: Exchange): string {
  const { at, remote, user, method, target, status, bytes } = exchange;
  const { durationMs, aborted, userAgent } = exchange;
  const client = remote === "" ? "-" : remote;
  const words = [
    new Date(at).toISOString(),
    client,
    user ?? "-",
    method,
    target,
    `${status}${aborted ? " (aborted)" : ""}`,
    `${bytes} B`,
    `${Math.round(durationMs)} ms`,
    JSON.stringify(userAgent ?? "-"),
  ];
  return `${oneLine(words.join(" "))}\n`;
}

function jsonExchange(exchange: Exchange): Record<string, unknown> {
  const { at, durationMs, ...rest } = exchange;
  return {
    event: "request",
    time: new Date(at).toISOString(),
    ...rest,
    durationMs: Math.round(durationMs * 1000) / 1000,
  };
}
