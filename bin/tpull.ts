#!/usr/bin/env node
import { main } from "../src/cli/main.js";

// An exit code and not an exit: what was written to pipes still has to get there.
process.exitCode = await main(process.argv.slice(2));
