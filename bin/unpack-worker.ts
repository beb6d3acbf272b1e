/** The thread that unpacks, in the bundled command line. */
import { parentPort } from "node:worker_threads";
import type { Job } from "../store/ingest/job.js";
import "../store/ingest/worker.js";
import { hasWorked } from "./chunks.js";

parentPort?.on("message", ({ role }: Job) => {
  // One that inflates and unpacks uses what all of them do.
  if (role !== "end") hasWorked(role === "whole");
});
