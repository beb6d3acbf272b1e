/** The thread that unpacks, in the bundled command line. */
import { parentPort } from "node:worker_threads";
import type { Job } from "../store/ingest/job.js";
import "../store/ingest/worker.js";
import { keepCompiledCode } from "./chunks.js";

parentPort?.on("message", ({ role }: Job) => {
  // It inflates and unpacks: what is compiled by its end is of use to all threads.
  if (role === "whole") keepCompiledCode();
});
