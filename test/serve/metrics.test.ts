import { expect, it, onTestFinished } from "vitest";
import { memoryContent } from "#src/serve/memory-content.js";
import { ServeMetrics } from "#src/serve/metrics.js";
import { startMetricsServer } from "#src/serve/metrics-server.js";
import { Refusal } from "#src/serve/refusal.js";
import { serve } from "./registry.js";

it("says what was asked for also of who was not let in", async () => {
  const routes: string[] = [];
  const registry = await serve(memoryContent(), {
    doorkeeper: () => Promise.reject(new Refusal(401, "UNAUTHORIZED", "no")),
    onEnd: ({ route, repository }) => routes.push(`${route} ${repository}`),
  });
  for (const path of ["/v2/", "/v2/team/app/manifests/1", "/v2/UP/tags/list"]) {
    expect((await registry.send("GET", path)).status).toBe(401);
  }
  await registry.close();
  expect(routes).toEqual([
    "ping undefined",
    "manifest team/app",
    "other undefined",
  ]);
});

it("counts what was served, by kind and status", async () => {
  const content = memoryContent();
  const blob = content.addBlob("r", Buffer.alloc(1000));
  const metrics = new ServeMetrics(() => 7);
  const registry = await serve(content, {
    onBegin: metrics.onBegin,
    onEnd: metrics.onEnd,
  });
  const { url, close } = await startMetricsServer(metrics, {
    host: "127.0.0.1",
    port: 0,
  });
  onTestFinished(close);
  await registry.send("GET", "/v2/");
  await registry.send("GET", `/v2/r/blobs/${blob}`);
  await registry.send("GET", `/v2/r/blobs/${blob}`, { Range: "bytes=0-9" });
  await registry.send("HEAD", `/v2/r/blobs/${blob}`);
  await registry.send("GET", "/v2/r/manifests/x");
  await registry.send("PROPFIND", "/v2/r/manifests/x");
  await registry.send("GET", "/elsewhere");
  await registry.close();
  const reply = await fetch(url);
  expect(reply.headers.get("content-type")).toMatch(/^text\/plain; version=0/);
  const lines = (await reply.text()).split("\n");
  for (const line of [
    'tpull_serve_requests_total{route="ping",method="GET",status="200"} 1',
    'tpull_serve_requests_total{route="blob",method="GET",status="200"} 1',
    'tpull_serve_requests_total{route="blob",method="GET",status="206"} 1',
    'tpull_serve_requests_total{route="blob",method="HEAD",status="200"} 1',
    'tpull_serve_requests_total{route="manifest",method="GET",status="404"} 1',
    'tpull_serve_requests_total{route="manifest",method="other",status="405"} 1',
    'tpull_serve_requests_total{route="other",method="GET",status="404"} 1',
    'tpull_serve_response_bytes_total{route="blob"} 1010',
    'tpull_serve_aborted_total{route="blob"} 0',
    "tpull_serve_requests_in_flight 0",
    "tpull_serve_connections 7",
    'tpull_serve_request_duration_seconds_count{route="blob"} 3',
    'tpull_serve_request_duration_seconds_bucket{route="blob",le="+Inf"} 3',
  ]) {
    expect(lines).toContain(line);
  }
  // The format: every sample belongs to a family that was announced, names and labels are plain.
  const families = new Set(
    lines.flatMap((line) => /^# TYPE (\S+) \w+$/.exec(line)?.[1] ?? []),
  );
  for (const line of lines) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name] =
      /^(\w+?)(?:_bucket|_sum|_count)?(?:\{[^{}]*\})? [\d.e+-]+$/.exec(line) ??
      [];
    expect(families.has(name ?? ""), line).toBe(true);
  }
  expect((await fetch(url.replace("/metrics", "/"))).status).toBe(404);
  expect((await fetch(url, { method: "POST" })).status).toBe(405);
});
