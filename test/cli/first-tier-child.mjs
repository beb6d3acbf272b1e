// Loops in WebAssembly until V8 would have optimized the loop; says "same" when
// V8 is left as it was. usage: first-tier-child.mjs stay|go
import { cachedDataVersionTag } from "node:v8";
import { stayWithFirstTier } from "#src/cli/first-tier.js";

if (process.argv[2] === "stay") stayWithFirstTier();
// (func (export "spin") (param i32) (result i32)
//   (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
//   (local.get 0))
const SPIN = Buffer.from(
  [
    "0061736d01000000", // magic and version
    "010601", // one type:
    "60017f017f",
    "03020100", // one function
    "070801", // exported
    "047370696e0000",
    "0a12011000", // its code
    "034020004101",
    "6b22000d000b",
    "20000b",
  ].join(""),
  "hex",
);
const before = cachedDataVersionTag();
const module = new WebAssembly.Module(SPIN);
if (!(module instanceof WebAssembly.Module)) throw new Error("no module");
const { spin } = new WebAssembly.Instance(module).exports;
for (let i = 0; i < 4; i += 1) {
  if (spin(10_000_000) !== 0) throw new Error("miscounted");
  await new Promise((resolve) => setTimeout(resolve, 5));
}
if (cachedDataVersionTag() === before) process.stdout.write("same\n");
