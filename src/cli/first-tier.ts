/**
 * Keeps V8 from optimizing the HTTP parser. undici's is WebAssembly with one
 * large function; a few hundred bytes of headers make V8 compile it anew with
 * its optimizing compiler, which takes 150 ms of a processor, and a process
 * waits at its end until that is done. A pull reads some kilobytes of headers:
 * the code of the first compiler is quick enough for them, and bodies pass it
 * in one piece.
 */
import { execArgv, getBuiltinModule } from "node:process";

/** So much has to be executed before V8 optimizes; the most its flag takes. */
const NEVER = 2 ** 31 - 1;
/** What V8 has by itself: in Node 22 and newer, and before. */
const USUAL = [13_000_000, 1_800_000];

interface Compiling {
  /** Absent with `--jitless`. */
  WebAssembly?: { Module: new (bytes: Uint8Array) => object };
}

/** From now on what this thread compiles of WebAssembly is not optimized. Threads have a WebAssembly of their own. */
export function stayWithFirstTier(): void {
  const { WebAssembly } = globalThis as unknown as Compiling;
  if (WebAssembly === undefined || isChosen()) return;
  WebAssembly.Module = new Proxy(WebAssembly.Module, {
    construct(Module, args: [Uint8Array]) {
      const v8 = getBuiltinModule("node:v8");
      const setBudget = (budget: number): void =>
        v8.setFlagsFromString(`--wasm-tiering-budget=${budget}`);
      const before = v8.cachedDataVersionTag();
      setBudget(NEVER);
      try {
        return new Module(...args);
      } finally {
        // The tag stands for all flags: where it is the old one, so is the
        // flag, and what was compiled before can still be used.
        for (const budget of USUAL) {
          setBudget(budget);
          if (v8.cachedDataVersionTag() === before) break;
        }
      }
    },
  });
}

/** Whoever has set the flag wants to see what it does, and it could not be set back. */
function isChosen(): boolean {
  return execArgv.some((option) => /wasm[-_]tiering[-_]budget/.test(option));
}
