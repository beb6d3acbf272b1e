/**
 * undici's connection pool. Its package entry also loads fetch, web sockets,
 * caches and more, some 60 ms of them, which every short command would pay;
 * the pool by itself loads in a third of that. The file is not part of
 * undici's documented surface, so where it is not found the entry serves.
 */
import { createRequire } from "node:module";
import type { Agent } from "undici";

type AgentClass = typeof Agent;

const require = createRequire(import.meta.url);

export function loadAgent(): AgentClass {
  try {
    return require("undici/lib/dispatcher/agent.js") as AgentClass;
  } catch {
    return (require("undici") as typeof import("undici")).Agent;
  }
}
