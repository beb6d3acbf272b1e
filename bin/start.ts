// `npm start`: with arguments the command itself, without any the demo.
import { runProcess } from "../src/cli/process.js";
import { hasWorked } from "./chunks.js";

const words = process.argv.slice(2);
void runProcess(words.length === 0 ? ["demo"] : words, { hasWorked });
