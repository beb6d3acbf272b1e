/** What is found wrong with one layer, as it travels from the thread that found it. */
import { isUtf8 } from "node:buffer";
import type { FindingCode } from "../finding.js";

export interface Problem {
  readonly code: FindingCode;
  /** Relative to the data root. */
  readonly path: string;
  readonly message: string;
}

/** So many are told one by one; of a layer that is all wrong, the rest is a number. */
const MOST = 200;

export class Problems {
  readonly list: Problem[] = [];
  #more = 0;
  #firstCode: FindingCode | undefined;

  add(code: FindingCode, path: string, message: string): void {
    if (this.list.length < MOST) this.list.push({ code, path, message });
    else {
      this.#more += 1;
      this.#firstCode ??= code;
    }
  }

  /** Says how many were left out. @param path of the layer */
  finish(path: string): readonly Problem[] {
    if (this.#firstCode !== undefined) {
      const message = `${this.#more} more differences in this layer`;
      this.list.push({ code: this.#firstCode, path, message });
    }
    return this.list;
  }

  has(code: FindingCode): boolean {
    return this.list.some((problem) => problem.code === code);
  }
}

/** A binary name as text: UTF-8 where it is, else with `\xNN` for each byte beyond ASCII. */
export function shownPath(binary: string): string {
  const bytes = Buffer.from(binary, "latin1");
  if (isUtf8(bytes)) return bytes.toString();
  return binary.replace(
    /[\u0080-\u00ff]/g,
    (byte) => `\\x${byte.charCodeAt(0).toString(16)}`,
  );
}
