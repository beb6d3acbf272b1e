/** `tpull completion SHELL` */
import type { Shell } from "../commands.js";
import { bashScript } from "./bash.js";
import { fishScript } from "./fish.js";
import { zshScript } from "./zsh.js";

const SCRIPTS: Readonly<Record<Shell, () => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/**
 * A script that teaches a shell to complete tpull's command line: commands,
 * options, their values, files and folders, and the names of the images in the
 * data root that the line names (`--root`, `$TPULL_ROOT`), which it asks tpull for.
 */
export function completionScript(shell: Shell): string {
  return SCRIPTS[shell]();
}
