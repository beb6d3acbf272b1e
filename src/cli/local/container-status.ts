/** How docker says in words how a container is doing. */
import type { StoredContainer } from "../../../store/survey/containers.js";
import { humanDuration } from "../format/units.js";

/** `Up 2 hours (healthy)`, `Exited (0) 3 days ago` (moby, container/state.go). */
export function containerStatus(
  { state, started, finished, exitCode, health }: StoredContainer,
  now: number,
): string {
  const since = (time: string | undefined): string =>
    humanDuration(now - (Date.parse(time ?? "") || now));
  switch (state) {
    case "paused":
      return `Up ${since(started)} (Paused)`;
    case "restarting":
      return `Restarting (${exitCode}) ${since(finished)} ago`;
    case "running":
      return `Up ${since(started)}${health === undefined ? "" : ` (${healthWords(health)})`}`;
    case "removing":
      return "Removal In Progress";
    case "dead":
      return "Dead";
    case "created":
      return "Created";
    case "exited":
      return finished === undefined
        ? ""
        : `Exited (${exitCode}) ${since(finished)} ago`;
  }
}

function healthWords(health: string): string {
  return health === "starting" ? "health: starting" : health;
}
