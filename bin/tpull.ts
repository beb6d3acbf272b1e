import { runProcess } from "../src/cli/process.js";
import { hasWorked } from "./chunks.js";

void runProcess(process.argv.slice(2), { hasWorked });
