/**
 * undici's connection pool. Its package entry also loads fetch, web sockets,
 * caches and more, some 60 ms of them, which every short command would pay;
 * the pool by itself loads in a third of that. The file is not part of
 * undici's documented surface, so where it is not found the entry serves.
 */
import type { Agent } from "undici";

type AgentClass = typeof Agent;

export async function loadAgent(): Promise<AgentClass> {
  try {
    // @ts-expect-error undici declares no types for its single files
    const { default: Agent } = await import("undici/lib/dispatcher/agent.js");
    return Agent as AgentClass;
  } catch {
    return (await import("undici")).Agent;
  }
}
