/** How the readers of configuration say what is wrong, and where. */
import { TpullError } from "../../store/errors.js";
import { printable } from "../../store/reference/printable.js";

export interface Report {
  /** The error for something that cannot be understood; to be thrown. */
  fail(problem: string, hint?: string, cause?: unknown): TpullError;
  /** Tells of something that is passed over. */
  warn(problem: string): void;
  /** The same for a part: a field, a table. */
  at(part: string): Report;
}

export type Warn = (message: string) => void;

/** Where in which file; the parts as they are nested. */
interface Position {
  readonly file: string;
  readonly parts: readonly string[];
}

/** For a configuration file. Its errors are `HOSTS_CONFIG_INVALID`. */
export function fileReport(file: string, warn: Warn): Report {
  return reportAt({ file, parts: [] }, warn);
}

function reportAt(position: Position, warn: Warn): Report {
  const { file, parts } = position;
  const field = parts.join(" ");
  const where = [printable(file), ...(field === "" ? [] : [field])].join(": ");
  return {
    fail: (problem, hint, cause) =>
      new TpullError("HOSTS_CONFIG_INVALID", `${where}: ${problem}`, {
        hint: hint ?? "Correct the file, or take it away.",
        cause,
        details: { file, ...(field === "" ? {} : { field }) },
      }),
    warn: (problem) => warn(`${where}: ${problem}`),
    at: (part) => reportAt({ file, parts: [...parts, printable(part)] }, warn),
  };
}

/** For an option of the caller: its errors are `OPTION_INVALID`. */
export function optionReport(option: string, warn: Warn): Report {
  return {
    fail: (problem, hint, cause) =>
      new TpullError("OPTION_INVALID", `${option}: ${problem}`, {
        hint,
        cause,
      }),
    warn: (problem) => warn(`${option}: ${problem}`),
    at: (part) => optionReport(`${option} ${printable(part)}`, warn),
  };
}

/** The system's code of a failed file operation, for a message. */
export function errorCode(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : "an unknown error";
}
