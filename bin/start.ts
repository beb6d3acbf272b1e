#!/usr/bin/env node
// `npm start`: with arguments the command itself, without any the demo.
import { runProcess } from "../src/cli/process.js";

const words = process.argv.slice(2);
await runProcess(words.length === 0 ? ["demo"] : words);
