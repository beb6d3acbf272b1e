#!/usr/bin/env node
// `npm start`: with arguments the command itself, without any the demo.
import { main } from "../src/cli/main.js";

const words = process.argv.slice(2);
process.exitCode = await main(words.length === 0 ? ["demo"] : words);
